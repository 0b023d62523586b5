/**
 * Who did what: each refusal, each grant of what changes something, and each change of who may what, as events of level
 * `audit` in the one log, written by the daemon alone and shown by `GET /v1/audit` alone. Never with a secret.
 *
 * Refusals are recorded one by one within a budget (RefusalBudget) and beyond it counted and summed up, so that a flood
 * of them fills neither the log nor the disk, and none goes uncounted. Everything else is recorded in its order
 * (AuditQueue), waits while the log refuses it, and where even that has no room any more it is counted as lost, which
 * `degraded`, the metrics and an entry of its own tell. At the stop what waits is written, `flushDeadline` at the longest.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { EventLog } from "../events/EventLog.ts"
import type { PrincipalKind } from "../identity/Principal.ts"
import { auditRun, type Summed } from "./auditEvent.ts"
import { AuditQueue } from "./AuditQueue.ts"
import { RefusalBudget } from "./RefusalBudget.ts"

export interface AuditEntry {
  /** `request` (a grant or refusal at the edge), or what changed: `login`, `user.created`, `token.revoked`, `approval.denied`. */
  readonly action: string
  readonly outcome: "granted" | "refused" | "succeeded" | "failed"
  readonly who: string | undefined
  readonly kind: PrincipalKind
  /** Of the client; empty where there is none. */
  readonly address: string
  /** The listener it came through. */
  readonly listener: string
  readonly requestId: string | undefined
  /** The permission that was asked for, or the name of what was changed. */
  readonly on: string | undefined
  readonly method?: string
  /** Without the query, which may hold anything. */
  readonly path?: string
  readonly status?: number
  readonly durationMs?: number
  readonly justification?: string | undefined
  /** Why it was refused; who approved; what changed, without secrets. */
  readonly detail?: string | undefined
  /** Token id, jti, certificate's fingerprint: what can be revoked. */
  readonly credential?: string | undefined
  /** When it happened (UNIX milliseconds), where that was not just now. */
  readonly atMs?: number
}

export interface AuditStats {
  /** Entries in the log. */
  readonly recorded: number
  /** Refusals beyond the budget; each is counted in the entry of its sum. */
  readonly summed: number
  /** Entries that were lost, or refused to whoever asked for them first. */
  readonly failed: number
}

/** It could not be recorded, and `audit.required` says that what is not recorded does not happen (HTTP 503, 507). */
export class AuditFailed extends Schema.TaggedError<AuditFailed>()("AuditFailed", {
  reason: Schema.String,
  full: Schema.Boolean
}) {
  override get message() {
    return `not done, because it cannot be recorded: ${this.reason}`
  }
}

export class Audit extends Context.Service<
  Audit,
  {
    /** Hands the entry to the log, in order, and returns at once; what fails is counted, and tells in `degraded`. */
    readonly record: (entry: AuditEntry) => void
    /** With `audit.required`: succeeds once the entry is durable. Otherwise as `record`. */
    readonly before: (entry: AuditEntry) => Effect.Effect<void, AuditFailed>
    /** Succeeds once all of them are durable, in one piece, whatever `audit.required` says; for what is kept elsewhere until then. */
    readonly durably: (entries: ReadonlyArray<AuditEntry>) => Effect.Effect<void, AuditFailed>
    /** Waits until what was recorded before now can be read; a second at most. Refusals that are summed up come later. */
    readonly recorded: Effect.Effect<void>
    readonly degraded: () => string | undefined
    readonly stats: () => AuditStats
  }
>()("systemapi/services/audit/Audit") {
  static readonly layer = Layer.effect(
    Audit,
    Effect.suspend(() => make)
  )
}

/** How often the sums of refusals are written. */
const sumEvery = Duration.seconds(10)

/** What must be durable first may wait for a slow disk, not for a dead one. */
const durablePatience = Duration.seconds(5)

/** As whoever reads the log waits for `EventLog.recorded`. */
const recordedPatience = Duration.seconds(1)

const flushDeadline = Duration.seconds(5)

/** Of the daemon itself, about its own audit log. */
const own = { who: undefined, kind: "anonymous", address: "", listener: "", requestId: undefined } as const

const lostRun = (lost: Summed) =>
  auditRun(
    { ...own, action: "audit.lost", outcome: "failed", on: undefined, detail: "entries were not recorded" },
    lost.lastAt,
    lost
  )

const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const config = yield* CurrentConfig
  const log = yield* EventLog
  const budget = new RefusalBudget()
  const queue = new AuditQueue(log, lostRun)
  let summed = 0

  const timeOf = ({ atMs }: AuditEntry): bigint =>
    atMs === undefined ? clock.currentTimeNanosUnsafe() : BigInt(Math.round(atMs)) * 1_000_000n

  const record = (entry: AuditEntry): void => {
    const at = timeOf(entry)
    if (entry.outcome === "refused" && !budget.admits(entry, at, clock.monotonicTimeNanosUnsafe(), queue.isCrowded)) {
      summed += 1
      return
    }
    queue.offer([auditRun(entry, at)])
  }

  const tellSums = Effect.sync(() => {
    for (const sum of budget.take()) queue.offer([auditRun(sum.entry, sum.summed.lastAt, sum.summed)])
  })

  const durably = (entries: ReadonlyArray<AuditEntry>): Effect.Effect<void, AuditFailed> =>
    Effect.suspend(() => {
      const reply = Deferred.makeUnsafe<void, AuditFailed>()
      queue.offer(
        entries.map((entry) => auditRun(entry, timeOf(entry))),
        (refused) =>
          Deferred.doneUnsafe(reply, refused === undefined ? Effect.void : Effect.fail(new AuditFailed(refused)))
      )
      return Effect.timeoutOrElse(Deferred.await(reply), {
        duration: durablePatience,
        orElse: () => Effect.fail(new AuditFailed({ reason: "the event store has not stored it in time", full: false }))
      })
    })

  yield* Effect.forkScoped(queue.run)
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(sumEvery), tellSums)))
  yield* Effect.addFinalizer(() =>
    Effect.gen(function* () {
      yield* tellSums
      yield* Effect.timeoutOption(queue.settled, flushDeadline)
      const left = queue.giveUp()
      if (left > 0) yield* Effect.logError(`${left} audit entries were not recorded`)
    })
  )

  return Audit.of({
    record,
    before: (entry) =>
      Effect.suspend(() => (config.get().audit.required ? durably([entry]) : Effect.sync(() => record(entry)))),
    durably,
    recorded: Effect.asVoid(Effect.timeoutOption(queue.settled, recordedPatience)),
    degraded: () => queue.degraded,
    stats: () => ({ recorded: queue.recorded, summed, failed: queue.failed })
  })
})
