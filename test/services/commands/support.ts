/** Helpers for tests that run commands: specifications with usual bounds, and a Spawner that starts nothing. */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import {
  type GroupSignal,
  type RunningCommand,
  SpawnError,
  Spawner,
  type StreamOutput
} from "../../../src/services/commands/Spawner.ts"
import type { CommandOutput, CommandSpec, ExitStatus } from "../../../src/services/commands/Spawner.ts"
import { makeOwnOutput } from "../../../src/services/commands/LiveOutput.ts"
import type { OutputStream } from "../../../src/services/commands/OutputLog.ts"
import * as SpawnerWorker from "../../../src/services/commands/SpawnerWorker.ts"

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

export const script = (text: string, options: Partial<CommandSpec> = {}): CommandSpec => ({
  argv: ["/bin/sh", "-c", text],
  env: { PATH: path },
  headBytes: 4096,
  tailBytes: 4096,
  ...options
})

export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(`${tmpdir()}/systemapi-test-`)),
  (folder) => Effect.promise(() => rm(folder, { recursive: true }))
)

export const finished = (command: RunningCommand) => Effect.all({ exit: command.exit, output: command.output })

/**
 * A FIFO that a command under test opens (`exec 9>PATH`) and everything it starts inherits. `connected` waits until the
 * command has opened it; `gone` then waits until nobody holds it any more: the whole tree is dead then.
 */
export const makeLeash = Effect.gen(function* () {
  const spawner = yield* SpawnerWorker.make()
  const folder = yield* temporaryFolder
  const path = `${folder}/leash`
  const run = (text: string) => Effect.scoped(Effect.flatMap(spawner.spawn(script(text)), finished))
  yield* run(`mkfifo ${path} ${folder}/ready`)
  const connected = Effect.gen(function* () {
    const reader = yield* spawner.spawn(script(`exec 8<${path}; echo >${folder}/ready; cat <&8`))
    yield* run(`cat ${folder}/ready`)
    return { gone: Effect.asVoid(reader.exit) }
  })
  return { path, connected }
})

const nothing: StreamOutput = { head: "", tail: "", bytes: 0, sha256: "", truncated: false }
export const exited = (code: number): ExitStatus => ({ _tag: "Exited", code })

/** A command under the control of the test. */
export interface FakeCommand {
  readonly spec: CommandSpec
  /** What its group was sent, in order; looking (0) is not recorded. */
  readonly signals: Queue.Queue<GroupSignal>
  /** Ends the command's own process; its group lives on until `disband`. */
  readonly end: (status: ExitStatus) => void
  readonly disband: () => void
  readonly finishOutput: (stdout: string) => void
  /** Something of its live output, which ends with the other. */
  readonly write: (stream: OutputStream, text: string) => void
  /** Completed when the executor reads no further. */
  readonly outputClosed: Deferred.Deferred<void>
  /** Completed when the scope of the command was closed. */
  readonly released: Deferred.Deferred<void>
}

interface FakeSpawner {
  readonly layer: Layer.Layer<Spawner>
  readonly started: Queue.Queue<FakeCommand>
  /** Ends every command there is and will be, so that a stop under the test clock has nothing to wait for. */
  readonly endAll: Effect.Effect<void>
}

export const makeFakeSpawner = Effect.gen(function* () {
  const started = yield* Queue.unbounded<FakeCommand>()
  const commands: Array<FakeCommand> = []
  let ending = false
  let lastPid = 100

  const endAll = Effect.sync(() => {
    ending = true
    for (const command of commands) {
      command.finishOutput("")
      command.disband()
      command.end(exited(0))
    }
  })

  const spawn = (spec: CommandSpec) =>
    Effect.gen(function* () {
      const [program] = spec.argv
      if (program === "/missing") return yield* new SpawnError({ program, reason: "not-found", detail: "ENOENT" })
      const exit = yield* Deferred.make<ExitStatus>()
      const output = yield* Deferred.make<CommandOutput>()
      const outputClosed = yield* Deferred.make<void>()
      const released = yield* Deferred.make<void>()
      const signals = yield* Queue.unbounded<GroupSignal>()
      let alive = true
      const own = spec.live && makeOwnOutput(spec.live)
      const settle = (stdout: string) =>
        Deferred.doneUnsafe(
          output,
          Effect.succeed({
            stdout: { ...nothing, head: stdout, bytes: stdout.length },
            stderr: nothing,
            both: own?.end()
          })
        )
      yield* Effect.addFinalizer(() => Deferred.succeed(released, undefined))
      const pid = (lastPid += 1)
      const command: FakeCommand = {
        spec,
        signals,
        end: (status) => Deferred.doneUnsafe(exit, Effect.succeed(status)),
        disband: () => {
          alive = false
        },
        finishOutput: settle,
        write: (stream, text) => own?.write(stream, Buffer.from(text)),
        outputClosed,
        released
      }
      commands.push(command)
      yield* Queue.offer(started, command)
      if (ending) yield* endAll
      return {
        pid,
        startedAt: yield* Clock.currentTimeMillis,
        exit: Deferred.await(exit),
        output: Deferred.await(output),
        live: own?.live,
        closeOutput: Effect.sync(() => {
          settle("so far")
          Deferred.doneUnsafe(outputClosed, Effect.void)
        }),
        signalGroup: (signal: GroupSignal) =>
          Effect.sync(() => {
            if (alive && signal !== 0) Queue.offerUnsafe(signals, signal)
            return alive
          })
      }
    })

  const fake: FakeSpawner = { layer: Layer.succeed(Spawner, { spawn }), started, endAll }
  return fake
})
