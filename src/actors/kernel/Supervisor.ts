/**
 * Owns every actor's fiber. An actor that fails is restarted with back-off; too many restarts in too short a time end
 * the supervisor with `GaveUp`, and with it the process, so that systemd starts it anew. Every change of an actor's
 * state passes one place (`transition`), which records it, logs it and publishes it.
 *
 * Bounds: one entry per actor name, one failure text per actor, a sliding buffer of transitions for each subscriber.
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as FiberMap from "effect/FiberMap"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import {
  type ActorStateName,
  type ActorStatus,
  type Child,
  defaultLimits,
  type Restart,
  type Transition
} from "./Child.ts"
import type { MailboxStats } from "./Mailbox.ts"

/** An actor could not be kept running; the daemon must end and be started anew. */
export class GaveUp extends Schema.TaggedError<GaveUp>()("GaveUp", {
  actor: Schema.String,
  restarts: Schema.Int,
  failure: Schema.String
}) {
  override get message() {
    return `gave up on ${this.actor} after ${this.restarts} restarts: ${this.failure}`
  }
}

/** Long enough for a whole stack, short enough for a status answer. */
const failureTextMax = 2000

/** Transitions are rare; a subscriber that misses 256 of them has stopped reading. */
const transitionBuffer = 256

export interface ActorReport extends ActorStatus {
  readonly restart: Restart
  readonly mailbox: MailboxStats | undefined
  /** By the monotonic clock: since when it has a message in hand. */
  readonly busySince: bigint | undefined
}

interface Entry {
  status: ActorStatus
  readonly child: Child
}

export class Supervisor extends Context.Service<
  Supervisor,
  {
    /** Starts an actor under supervision. Closing the scope ends it and waits until its finalizers have run. */
    readonly start: (child: Child) => Effect.Effect<void, never, Scope.Scope>
    readonly report: Effect.Effect<ReadonlyArray<ActorReport>>
    /** Every change of state from now on. */
    readonly transitions: Effect.Effect<PubSub.Subscription<Transition>, never, Scope.Scope>
    /** Fails when the supervisor gives up; never succeeds. */
    readonly join: Effect.Effect<never, GaveUp>
  }
>()("systemapi/actors/kernel/Supervisor") {
  static readonly layer = Layer.effect(
    Supervisor,
    Effect.gen(function* () {
      const fibers = yield* FiberMap.make<string, void, never>()
      const gaveUp = yield* Deferred.make<never, GaveUp>()
      const hub = yield* PubSub.sliding<Transition>(transitionBuffer)
      const entries = new Map<string, Entry>()

      const transition = Effect.fnUntraced(function* (
        name: string,
        state: ActorStateName,
        change: { readonly failure?: string; readonly restarts?: number } = {}
      ) {
        const entry = entries.get(name)
        if (entry === undefined) return
        const from = entry.status.state
        entry.status = {
          name,
          state,
          since: yield* Clock.currentTimeMillis,
          restarts: change.restarts ?? entry.status.restarts,
          lastFailure: change.failure ?? entry.status.lastFailure
        }
        yield* Effect.annotateLogs(
          state === "backing-off" || state === "failed"
            ? Effect.logWarning(`actor ${name} ${state}`, change.failure ?? "")
            : Effect.logDebug(`actor ${name} ${state}`),
          { actor: name, restarts: entry.status.restarts }
        )
        yield* PubSub.publish(hub, { ...entry.status, from })
      })

      const supervise = Effect.fnUntraced(function* (child: Child) {
        const limits = child.limits ?? defaultLimits
        const recent: Array<number> = []
        let failuresInARow = 0
        for (let restarts = 0; ; restarts++) {
          yield* transition(child.name, "running", { restarts })
          const started = yield* Clock.monotonicTimeNanos
          // A stop interrupts this fiber and ends the loop here; an actor whose own work was interrupted has failed.
          const exit = yield* Effect.exit(Effect.ensuring(child.run, child.mailbox?.abandonInHand ?? Effect.void))
          if (child.restart === "temporary" || (child.restart === "transient" && Exit.isSuccess(exit))) {
            return yield* transition(child.name, Exit.isSuccess(exit) ? "stopped" : "failed", failureOf(exit))
          }
          const now = yield* Clock.monotonicTimeNanos
          const nowMs = Number(now / 1_000_000n)
          const ranMs = nowMs - Number(started / 1_000_000n)
          failuresInARow = ranMs >= Duration.toMillis(limits.within) ? 1 : failuresInARow + 1
          recent.push(nowMs)
          while (recent[0] !== undefined && recent[0] <= nowMs - Duration.toMillis(limits.within)) recent.shift()
          const { failure } = failureOf(exit)
          if (recent.length > limits.maxRestarts) {
            yield* transition(child.name, "failed", { failure })
            return yield* Deferred.fail(gaveUp, new GaveUp({ actor: child.name, restarts, failure }))
          }
          yield* transition(child.name, "backing-off", { failure })
          const wait = Duration.toMillis(limits.backoffFirst) * 2 ** Math.min(failuresInARow - 1, 30)
          yield* Effect.sleep(Math.min(wait, Duration.toMillis(limits.backoffMax)))
        }
      })

      return Supervisor.of({
        start: (child) =>
          Effect.gen(function* () {
            if (FiberMap.hasUnsafe(fibers, child.name)) {
              return yield* Effect.die(new Error(`an actor named ${child.name} runs already`))
            }
            const since = yield* Clock.currentTimeMillis
            entries.set(child.name, {
              child,
              status: { name: child.name, state: "starting", since, restarts: 0, lastFailure: undefined }
            })
            yield* FiberMap.run(fibers, child.name, supervise(child))
            yield* Effect.addFinalizer(() =>
              Effect.andThen(
                FiberMap.remove(fibers, child.name),
                Effect.suspend(() => transition(child.name, "stopped"))
              )
            )
          }),
        report: Effect.sync(() =>
          [...entries.values()].map(({ child, status }) => ({
            ...status,
            restart: child.restart,
            mailbox: child.mailbox?.stats(),
            busySince: child.mailbox?.busySince?.()
          }))
        ),
        transitions: PubSub.subscribe(hub),
        join: Deferred.await(gaveUp)
      })
    })
  )
}

const failureOf = (exit: Exit.Exit<void, unknown>): { readonly failure: string } => ({
  failure: (Exit.isFailure(exit) ? Cause.pretty(exit.cause) : "ended without a failure").slice(0, failureTextMax)
})
