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

/** Gives each that waits to `waits`, oldest first, and answers those that ran. */
export const recover = Effect.fnUntraced(function* (
  { log, processes, store }: RecoveryServices,
  waits: (operation: Operation) => void
): Effect.fn.Return<ReadonlyArray<Operation>> {
  const running: Array<Operation> = []
  for (let after = 0; ;) {
    const page = yield* insistently(store.unfinished(after, pageSize))
    for (const operation of page) {
      if (operation.status === "running") running.push(operation)
      else waits(operation)
      after = operation.seq
    }
    if (page.length < pageSize) break
  }
  yield* endLeftovers({ log, processes, store }, running)
  return running
})

const endLeftovers = Effect.fnUntraced(function* (
  { log, processes, store }: RecoveryServices,
  running: ReadonlyArray<Operation>
) {
  const suspects = yield* Effect.forEach(
    running,
    ({ id }) => Effect.map(insistently(store.journal(id)), (entries) => suspectsOf(id, entries)),
    { concurrency: 32 }
  )
  for (const { left, operation: id, pids } of yield* processes.endLeftovers(suspects.flat())) {
    const one = running.find((operation) => operation.id === id)
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
