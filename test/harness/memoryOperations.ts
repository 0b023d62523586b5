/**
 * An OperationStore in memory that outlives the layers that use it, so that a test can end a daemon wherever it likes and
 * start another on what is there. Changes can be counted, watched, held up and refused.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { KeptOutput } from "../../src/services/commands/OutputLog.ts"
import { type Idempotency, isFinal, type Operation } from "../../src/services/operations/Operation.ts"
import {
  IdempotencyConflict,
  OperationsUnavailable,
  TooManyOperations
} from "../../src/services/operations/Operations.ts"
import { type JournalEntry, OperationStore } from "../../src/services/operations/OperationStore.ts"

export const makeMemoryOperations = () => {
  const operations = new Map<string, Operation>()
  const journals = new Map<string, Map<string, JournalEntry>>()
  const outputs = new Map<string, KeptOutput>()
  const keys = new Map<string, string>()
  let lastSeq = 0
  let pending = 0
  let changes = 0
  /** Run before each change, told which: it may count, wait, refuse it, or have it made and nobody answered. */
  let onChange: (change: string, id: string) => Effect.Effect<void | "unanswered", OperationsUnavailable> = () =>
    Effect.void

  /** Run after it, and before its answer. */
  let onChanged: (change: string, id: string) => Effect.Effect<void> = () => Effect.void

  const changing = <A, E>(change: string, id: string, make: () => Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      const how = yield* onChange(change, id)
      changes += 1
      const made = yield* make()
      yield* onChanged(change, id)
      return how === "unanswered" ? yield* unavailable : made
    })

  const update = (id: string, change: Partial<Operation>): Operation | null => {
    const operation = operations.get(id)
    if (operation === undefined) return null
    const next = { ...operation, ...change }
    operations.set(id, next)
    return next
  }

  const all = () => [...operations.values()]

  const store = OperationStore.of({
    submit: (asked, now, maxPending) =>
      changing("submit", asked.id, (): ReturnType<OperationStore["Service"]["submit"]> => {
        const { idempotency } = asked
        const same = idempotency === null ? undefined : operations.get(keys.get(keyOf(idempotency)) ?? "")
        if (same !== undefined) {
          return same.idempotency?.fingerprint === idempotency?.fingerprint
            ? Effect.succeed({ operation: same, replayed: true })
            : Effect.fail(new IdempotencyConflict({ key: idempotency?.key ?? "" }))
        }
        if (pending >= maxPending) return Effect.fail(new TooManyOperations({ pending, retry_after_seconds: 1 }))
        const operation: Operation = {
          ...asked,
          seq: (lastSeq += 1),
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
        operations.set(asked.id, operation)
        pending += 1
        if (idempotency !== null) keys.set(keyOf(idempotency), asked.id)
        return Effect.succeed({ operation, replayed: false })
      }),
    begin: (id, now) =>
      changing("begin", id, () => {
        if (operations.get(id)?.status !== "pending") return Effect.succeed(false)
        pending -= 1
        update(id, { status: "running", startedAt: now, updatedAt: now })
        return Effect.succeed(true)
      }),
    progress: (id, progress, progressText, updatedAt) =>
      changing("progress", id, () =>
        Effect.sync(() => {
          if (operations.get(id)?.status === "running") update(id, { progress, progressText, updatedAt })
        })
      ),
    end: (id, { error, output, result, status }, now) =>
      changing("end", id, () => {
        const operation = operations.get(id)
        if (operation === undefined || isFinal(operation.status)) return Effect.succeed(false)
        if (operation.status === "pending") pending -= 1
        update(id, { status, result, error, endedAt: now, updatedAt: now })
        if (output !== null) outputs.set(id, output)
        journals.delete(id)
        return Effect.succeed(true)
      }),
    requestCancel: (id, who, now) =>
      changing("requestCancel", id, () => {
        const operation = operations.get(id)
        if (operation === undefined) return Effect.succeed(null)
        if (isFinal(operation.status)) return Effect.succeed(operation)
        const asked = {
          updatedAt: now,
          cancelRequestedAt: operation.cancelRequestedAt ?? now,
          cancelRequestedBy: operation.cancelRequestedBy ?? who
        }
        if (operation.status === "running") return Effect.succeed(update(id, asked))
        pending -= 1
        const error = { code: "cancelled", message: "it was cancelled" }
        return Effect.succeed(update(id, { ...asked, status: "cancelled", error, endedAt: now }))
      }),
    get: (id) => Effect.sync(() => operations.get(id) ?? null),
    list: ({ before, kind, limit, statuses, who }) =>
      Effect.sync(() =>
        all()
          .toReversed()
          .filter((one) => before === null || one.seq < before)
          .filter((one) => kind === null || one.kind === kind)
          .filter((one) => who === null || one.who === who)
          .filter((one) => statuses === null || statuses.includes(one.status))
          .slice(0, limit)
      ),
    unfinished: (after, limit) =>
      Effect.sync(() =>
        all()
          .filter(({ seq, status }) => seq > after && !isFinal(status))
          .slice(0, limit)
      ),
    children: (parent) => Effect.sync(() => all().filter((one) => one.parent === parent)),
    counts: Effect.sync(() => ({
      pending,
      running: all().filter(({ status }) => status === "running").length,
      total: operations.size,
      outputBytes: 0
    })),
    journal: (id) => Effect.sync(() => [...(journals.get(id) ?? new Map<string, JournalEntry>()).values()]),
    note: (entry) =>
      changing(`note ${entry.key}`, entry.operation, () =>
        Effect.sync(() => {
          const journal = journals.get(entry.operation) ?? new Map<string, JournalEntry>()
          journals.set(entry.operation, journal.set(entry.key, entry))
        })
      ),
    output: (id) => Effect.sync(() => outputs.get(id) ?? null),
    keepOutput: (id, output) => changing("keepOutput", id, () => Effect.sync(() => void outputs.set(id, output))),
    prune: ({ maxAgeMs, maxCount }, now) =>
      Effect.sync(() => {
        const ended = all().filter(({ status }) => isFinal(status))
        const old = ended.filter(
          ({ endedAt }, index) => index < ended.length - maxCount || (endedAt ?? now) < now - maxAgeMs
        )
        for (const { id } of old) operations.delete(id)
        return false
      })
  })

  return {
    store,
    layer: Layer.succeed(OperationStore, store),
    operations,
    journals,
    outputs,
    changes: () => changes,
    onChange: (hook: typeof onChange) => {
      onChange = hook
    },
    onChanged: (hook: typeof onChanged) => {
      onChanged = hook
    }
  }
}

export const unavailable = new OperationsUnavailable({ reason: "refused by the test", full: false })

const keyOf = ({ key, owner }: Idempotency) => `${owner} ${key}`
