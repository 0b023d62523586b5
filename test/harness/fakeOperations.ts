/**
 * Operations in memory: submitted, listed, waited for and cancelled as the actor's are, but begun, written to and ended by the
 * test.
 */
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { makeOwnOutput, type OwnOutput } from "../../src/services/commands/LiveOutput.ts"
import type { OutputStream } from "../../src/services/commands/OutputLog.ts"
import {
  type FinalStatus,
  isFinal,
  type Operation,
  type OperationFault
} from "../../src/services/operations/Operation.ts"
import {
  IdempotencyConflict,
  OperationNotFound,
  Operations,
  type OperationsUnavailable,
  type TooManyOperations
} from "../../src/services/operations/Operations.ts"

interface Kept {
  operation: Operation
  readonly output: OwnOutput
  readonly ended: Deferred.Deferred<Operation>
}

interface Ended {
  readonly status: FinalStatus
  readonly result?: Operation["result"]
  readonly error?: OperationFault
}

export const makeFakeOperations = (bounds = { headBytes: 1024 * 1024, tailBytes: 1024 * 1024 }) => {
  const all: Array<Kept> = []
  const faults: { submit?: OperationsUnavailable | TooManyOperations; list?: OperationsUnavailable } = {}

  const known = (id: string): Kept => {
    const one = all.find(({ operation }) => operation.id === id)
    if (one === undefined) throw new Error(`there is no operation ${id}`)
    return one
  }
  const found = (id: string) =>
    Effect.suspend(() =>
      all.some(({ operation }) => operation.id === id)
        ? Effect.succeed(known(id))
        : Effect.fail(new OperationNotFound({ id }))
    )
  const change = (one: Kept, changes: Partial<Operation>) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      one.operation = { ...one.operation, ...changes, updatedAt: now }
      return one.operation
    })
  const finish = Effect.fnUntraced(function* (one: Kept, { error, result, status }: Ended) {
    one.output.end()
    const endedAt = yield* Clock.currentTimeMillis
    const ended = yield* change(one, { status, result: result ?? null, error: error ?? null, endedAt })
    yield* Deferred.succeed(one.ended, ended)
    return ended
  })

  const service = Operations.of({
    submit: Effect.fnUntraced(function* (asked) {
      if (faults.submit !== undefined) return yield* faults.submit
      const { idempotency } = asked
      const same =
        idempotency === null
          ? undefined
          : all.find(
              ({ operation: { idempotency: its } }) => its?.owner === idempotency.owner && its.key === idempotency.key
            )?.operation
      if (same !== undefined && idempotency !== null) {
        if (same.idempotency?.fingerprint === idempotency.fingerprint) return { operation: same, replayed: true }
        return yield* new IdempotencyConflict({ key: idempotency.key })
      }
      const now = yield* Clock.currentTimeMillis
      const operation: Operation = {
        ...asked,
        id: randomUUID(),
        seq: all.length + 1,
        status: "pending",
        progress: null,
        progressText: null,
        result: null,
        error: null,
        createdAt: now,
        updatedAt: now,
        startedAt: null,
        endedAt: null,
        cancelRequestedAt: null,
        cancelRequestedBy: null
      }
      all.push({ operation, output: makeOwnOutput(bounds), ended: yield* Deferred.make<Operation>() })
      return { operation, replayed: false }
    }),
    get: (id) => Effect.map(found(id), ({ operation }) => operation),
    list: ({ before, kind, limit, statuses, who }) =>
      Effect.suspend(() => {
        if (faults.list !== undefined) return Effect.fail(faults.list)
        const matching = all
          .map(({ operation }) => operation)
          .filter(
            (one) =>
              (before === null || one.seq < before) &&
              (kind === null || one.kind === kind) &&
              (who === null || one.who === who) &&
              (statuses === null || statuses.includes(one.status))
          )
        return Effect.succeed(matching.toReversed().slice(0, limit))
      }),
    wait: (id, atMost) =>
      Effect.flatMap(found(id), (one) =>
        Effect.andThen(
          Effect.timeoutOption(Deferred.await(one.ended), atMost),
          Effect.sync(() => one.operation)
        )
      ),
    cancel: Effect.fnUntraced(function* (id, who) {
      const one = yield* found(id)
      if (isFinal(one.operation.status)) return { operation: one.operation, accepted: false }
      const now = yield* Clock.currentTimeMillis
      const asked = yield* change(one, { cancelRequestedAt: now, cancelRequestedBy: who })
      return {
        operation: asked.status === "pending" ? yield* finish(one, { status: "cancelled" }) : asked,
        accepted: true
      }
    }),
    position: ({ id, kind, name, status }) =>
      status === "pending"
        ? 1 +
          all
            .filter(({ operation: one }) => one.status === "pending" && one.kind === kind && one.name === name)
            .findIndex(({ operation: one }) => one.id === id)
        : undefined,
    output: (id) => Effect.map(found(id), ({ output }) => output.live),
    counts: Effect.die(new Error("nobody counts here")),
    endings: () => ({ completed: 0, failed: 0, cancelled: 0 })
  })

  return {
    service,
    /** What is thrown at callers as long as it is set. */
    faults,
    /** In the order in which they were asked for. */
    asked: () => all.map(({ operation }) => operation),
    begin: (id: string) =>
      Effect.flatMap(Clock.currentTimeMillis, (startedAt) => change(known(id), { status: "running", startedAt })),
    progress: (id: string, progress: number | null, progressText: string | null) =>
      change(known(id), { progress, progressText }),
    write: (id: string, stream: OutputStream, bytes: string | Uint8Array) =>
      known(id).output.write(stream, Buffer.from(bytes)),
    /** Nothing more is written; the operation goes on. */
    endOutput: (id: string) => void known(id).output.end(),
    end: (id: string, ended: Ended) => finish(known(id), ended),
    /** Nobody remembers it. */
    forget: (id: string) => void all.splice(all.indexOf(known(id)), 1)
  }
}
