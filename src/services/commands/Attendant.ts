/**
 * Attends one running command until its process group is gone: two activities side by side.
 *
 * The answer comes when the command's own process has ended, plus at most `outputGrace` for its output; processes it
 * left behind do not delay it. The guard ends the group: at the timeout, or when told to, TERM to all, after `killGrace`
 * KILL to all. Members left behind may go on until the timeout; a group without members is forgotten at once.
 *
 * Bounds: it ends at most `killGrace + outputGrace + reapWait` after the timeout or after it was told to end. On failure
 * the scope of the command sends KILL to the group. Never: a signal to a group once seen empty.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type { RunRequest, RunResult } from "./Executor.ts"
import { CommandLost, type RunningCommand } from "./Spawner.ts"

/** How often a group that outlives its leader is looked at: the leader's number stays taken while a member lives. */
const groupPoll = Duration.seconds(1)

/** After TERM most groups are gone in milliseconds, and whoever stops the daemon waits for it. */
const endingPoll = Duration.millis(50)

/** A process that has not ended this long after KILL hangs in the kernel (a dead disk, a dead NFS server). */
export const reapWait = Duration.seconds(5)

/** When the daemon stops, it does not wait longer than this between TERM and KILL. */
export const stopGrace = Duration.seconds(5)

/** Why nobody waits for the group any longer: it is gone by itself, or it has to go. */
export type Ending = "gone" | "timeout" | "told" | "early" | "stopping"

export interface Attendance {
  /** Completed to end the group before its timeout; also the attendant's own word that there is none any more. */
  readonly ending: Deferred.Deferred<Ending>
  /** Completed when the daemon stops. */
  readonly stopping: Deferred.Deferred<void>
  /** Called once, when the command's own process has ended and its output is there; `lingers`: its group lives on. */
  readonly answer: (result: RunResult, lingers: boolean) => Effect.Effect<void>
}

type Limits = Pick<RunRequest, "timeout" | "outputGrace" | "killGrace" | "argv">

export const attend = Effect.fnUntraced(function* (
  command: RunningCommand,
  limits: Limits,
  attendance: Attendance
): Effect.fn.Return<void, CommandLost> {
  const { ending, stopping } = attendance
  const started = yield* Clock.monotonicTimeNanos
  const ended = yield* Deferred.make<void>()
  const answered = yield* Deferred.make<void, CommandLost>()
  let reason: Ending = "gone"

  /** While the leader lives the group has a member, so looking starts with its end. */
  const gone = Effect.fnUntraced(function* (every: Duration.Duration) {
    yield* Deferred.await(ended)
    while (yield* command.signalGroup(0)) yield* Effect.sleep(every)
  })

  const answer = Effect.gen(function* () {
    const exit = yield* command.exit
    const durationMs = Number((yield* Clock.monotonicTimeNanos) - started) / 1e6
    const why = reason
    yield* Deferred.succeed(ended, undefined)
    const grace = yield* Effect.forkChild(Effect.delay(command.closeOutput, limits.outputGrace))
    const { both, stderr, stdout } = yield* command.output
    yield* Fiber.interrupt(grace)
    const lingers = yield* command.signalGroup(0)
    const { pid, startedAt } = command
    const ends = { exit, timedOut: why === "timeout", endedEarly: why === "early", durationMs }
    const output = both === undefined ? {} : { output: both }
    yield* attendance.answer({ ...ends, pid, startedAt, stdout, stderr, ...output }, lingers)
  })

  const patience = Effect.timeoutOrElse(
    Effect.andThen(Deferred.await(stopping), Effect.sleep(Duration.min(stopGrace, limits.killGrace))),
    { duration: limits.killGrace, orElse: () => Effect.void }
  )

  const endGroup = Effect.gen(function* () {
    yield* command.signalGroup("SIGTERM")
    const obeyed = yield* Effect.raceFirst(Effect.as(gone(endingPoll), true), Effect.as(patience, false))
    if (obeyed) return
    yield* command.signalGroup("SIGKILL")
    // No member can refuse KILL; only the command's own process is waited for, because its end is the answer.
    yield* Effect.timeoutOrElse(Deferred.await(ended), {
      duration: reapWait,
      orElse: () => {
        const why = `it has not ended ${Duration.toSeconds(reapWait)} s after KILL`
        return Effect.fail(new CommandLost({ program: limits.argv[0], pid: command.pid, why }))
      }
    })
  })

  // Both end with this fiber. A command that nobody can tell the end of is no reason to signal: its spawner has done so.
  yield* Effect.forkChild(Effect.delay(Deferred.succeed(ending, "timeout"), limits.timeout))
  yield* answer.pipe(
    Effect.onExit((exit) => Deferred.done(answered, exit)),
    Effect.andThen(gone(groupPoll)),
    Effect.ensuring(Deferred.succeed(ending, "gone")),
    Effect.forkChild
  )
  reason = yield* Deferred.await(ending)
  if (reason !== "gone") yield* endGroup
  yield* Deferred.await(answered)
})
