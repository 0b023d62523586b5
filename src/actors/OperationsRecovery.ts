/**
 * What an earlier daemon has left of operations: first its processes, which nobody attends any more, are found and ended;
 * then those that ran are known, and those that wait. Part of the actor Operations.
 *
 * An unreadable store is asked again: nothing is run before it is known what ran.
 */
import * as Effect from "effect/Effect"
import type { EventLog } from "../services/events/EventLog.ts"
import type { Processes, Suspect } from "../services/operations/leftovers/Processes.ts"
import type { Operation } from "../services/operations/Operation.ts"
import type { OperationStore } from "../services/operations/OperationStore.ts"
import { insistently } from "../services/workflow/Journal.ts"

/** What is read of the unfinished at once. */
const pageSize = 500

interface RecoveryServices {
  readonly store: OperationStore["Service"]
  readonly processes: Processes["Service"]
  readonly log: EventLog["Service"]
}

/** Oldest first, a page at a time. */
export const eachUnfinished = Effect.fnUntraced(function* (
  store: Pick<OperationStore["Service"], "unfinished">,
  found: (operation: Operation) => void
) {
  for (let after = 0; ;) {
    const page = yield* store.unfinished(after, pageSize)
    for (const operation of page) {
      found(operation)
      after = operation.seq
    }
    if (page.length < pageSize) return
  }
})

/** Gives each that waits to `waits`, oldest first, and answers those that ran. */
export const recover = Effect.fnUntraced(function* (
  { log, processes, store }: RecoveryServices,
  waits: (operation: Operation) => void
): Effect.fn.Return<ReadonlyArray<Operation>> {
  const running = new Map<string, Operation>()
  yield* insistently(
    eachUnfinished(store, (operation) => {
      if (operation.status === "running") running.set(operation.id, operation)
      else waits(operation)
    })
  )
  yield* endLeftovers({ log, processes, store }, running)
  return [...running.values()]
})

const endLeftovers = Effect.fnUntraced(function* (
  { log, processes, store }: RecoveryServices,
  running: ReadonlyMap<string, Operation>
) {
  const suspects = yield* Effect.forEach(
    running.keys(),
    (id) => Effect.map(insistently(store.journal(id)), (entries) => suspectsOf(id, entries)),
    { concurrency: 32 }
  )
  for (const { left, operation: id, pids } of yield* processes.endLeftovers(suspects.flat())) {
    const one = running.get(id)
    const what = `operation ${id}${one === undefined ? "" : ` (${one.kind} ${one.name})`}`
    const live = left.length === 0 ? "" : `; KILL did not end ${left.join(", ")}`
    yield* log.record(`ended processes that an earlier daemon left of ${what}: ${pids.join(", ")}${live}`, {
      level: "warning",
      who: one?.who
    })
  }
})

/** One without a process, for what was started and not written down. */
const suspectsOf = (
  operation: string,
  entries: ReadonlyArray<{ readonly process: Suspect["process"] }>
): ReadonlyArray<Suspect> => [
  { operation, process: null },
  ...entries.flatMap(({ process }) => (process === null ? [] : [{ operation, process }]))
]
