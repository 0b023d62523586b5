/** OperationStore over OperationsStorage: what each command answers as the contract's values and errors. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { OperationsCommand, StoredEntry, StoredOperation } from "../storage/operations/commands.ts"
import { OperationsStorage } from "../storage/OperationsStorage.ts"
import type { Json, Operation, OperationFault } from "./Operation.ts"
import { IdempotencyConflict, type OperationsUnavailable, type Submitted, TooManyOperations } from "./Operations.ts"
import { type JournalEntry, OperationStore } from "./OperationStore.ts"
import { toKeptOutput, toStoredOutput } from "./outputBytes.ts"

/** Every step of the largest workflow, tried again a few times, each. */
const childrenMax = 10_000

/** When somebody may have ended, or not; asking costs little. */
const retryAfterSeconds = 5

const make = Effect.gen(function* () {
  const { ask } = yield* OperationsStorage
  const changed = (command: OperationsCommand) =>
    Effect.map(ask(command, "changed"), ({ changed: isChanged }) => isChanged)
  const one = (command: OperationsCommand) =>
    Effect.map(ask(command, "operation"), ({ operation }) => (operation === null ? null : toOperation(operation)))

  /** As many as were asked for, in as many answers as their size takes. */
  const read = (
    command: (beyond: number | null, limit: number) => OperationsCommand,
    beyond: number | null,
    limit: number
  ): Effect.Effect<ReadonlyArray<Operation>, OperationsUnavailable> =>
    Effect.flatMap(ask(command(beyond, limit), "operations"), ({ cut, operations }) => {
      const page = operations.map(toOperation)
      const last = page.at(-1)
      if (!cut || last === undefined) return Effect.succeed(page)
      return Effect.map(read(command, last.seq, limit - page.length), (rest) => [...page, ...rest])
    })

  return OperationStore.of({
    submit: (asked, now, maxPending) =>
      Effect.flatMap(
        ask({ tag: "submit", operation: { ...asked, input: JSON.stringify(asked.input) }, now, maxPending }, "submit"),
        ({ outcome }): Effect.Effect<Submitted, TooManyOperations | IdempotencyConflict> => {
          switch (outcome._tag) {
            case "submitted":
              return Effect.succeed({ operation: toOperation(outcome.operation), replayed: outcome.replayed })
            case "many":
              return Effect.fail(
                new TooManyOperations({ pending: outcome.pending, retry_after_seconds: retryAfterSeconds })
              )
            case "conflict":
              return Effect.fail(new IdempotencyConflict({ key: asked.idempotency?.key ?? "" }))
          }
        }
      ),
    begin: (id, now) => changed({ tag: "begin", id, now }),
    progress: (id, fraction, text, now) => Effect.asVoid(changed({ tag: "progress", id, fraction, text, now })),
    end: (id, { error, output, result, status }, now) =>
      Effect.suspend(() =>
        changed({
          tag: "end",
          id,
          status,
          result: JSON.stringify(result),
          error: error === null ? null : JSON.stringify(error),
          output: output === null ? null : toStoredOutput(output),
          now
        })
      ),
    requestCancel: (id, who, now) => one({ tag: "cancel", id, who, now }),
    get: (id) => one({ tag: "get", id }),
    list: (query) =>
      read((before, limit) => ({ tag: "list", query: { ...query, before, limit } }), query.before, query.limit),
    unfinished: (after, limit) =>
      read((beyond, left) => ({ tag: "unfinished", after: beyond ?? 0, limit: left }), after, limit),
    children: (parent) =>
      read((after, limit) => ({ tag: "children", parent, after: after ?? 0, limit }), null, childrenMax),
    counts: Effect.map(ask({ tag: "counts" }, "counts"), ({ counts }) => counts),
    journal: (operation) =>
      Effect.map(ask({ tag: "journal", operation }, "journal"), ({ entries }) => entries.map(toEntry)),
    note: ({ exit, ...entry }) =>
      Effect.asVoid(changed({ tag: "note", entry: { ...entry, exit: exit === null ? null : JSON.stringify(exit) } })),
    output: (id) =>
      Effect.map(ask({ tag: "output", id }, "output"), ({ output }) => (output === null ? null : toKeptOutput(output))),
    keepOutput: (id, output) =>
      Effect.suspend(() => Effect.asVoid(changed({ tag: "keep-output", id, output: toStoredOutput(output) }))),
    prune: (limits, now) => Effect.map(ask({ tag: "prune", limits, now }, "pruned"), ({ more }) => more)
  })
})

/** What this program has written as JSON, not looked at again: a page of a thousand would take tens of milliseconds. */
const jsonOf = (text: string): Json => {
  const value: Json = JSON.parse(text)
  return value
}

const Fault = Schema.Struct({
  code: Schema.String,
  message: Schema.String,
  details: Schema.optionalKey(Schema.JsonObject)
})

const faultOf: (text: string) => OperationFault = Schema.decodeSync(Schema.fromJsonString(Fault))

const toOperation = ({ error, input, result, ...operation }: StoredOperation): Operation => ({
  ...operation,
  input: jsonOf(input),
  result: jsonOf(result),
  error: error === null ? null : faultOf(error)
})

const toEntry = ({ exit, ...entry }: StoredEntry): JournalEntry => ({
  ...entry,
  exit: exit === null ? null : jsonOf(exit)
})

export const layer: Layer.Layer<OperationStore, never, OperationsStorage> = Layer.effect(OperationStore, make)
