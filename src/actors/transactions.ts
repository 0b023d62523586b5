/** What one transaction of the event store holds: as much of what waits as is worth one fsync. */
import type { EventRun } from "../services/events/Event.ts"

/** One transaction: large enough that its fsync is a small part of it, small enough that nobody waits 100 ms for it. */
export const transactionAppendsMax = 2048
const transactionWeightMax = 4 * 1024 * 1024

export const countOf = (runs: ReadonlyArray<EventRun>): number => {
  let count = 0
  for (const run of runs) count += run.messages.length
  return count
}

/** Cuts what was taken from the mailbox into transactions of bounded weight, in order. */
export const transactionsOf = function* <A extends { readonly weight: number }>(
  appends: ReadonlyArray<A>
): Generator<ReadonlyArray<A>> {
  let transaction: Array<A> = []
  let weight = 0
  for (const append of appends) {
    if (transaction.length > 0 && weight + append.weight > transactionWeightMax) {
      yield transaction
      transaction = []
      weight = 0
    }
    transaction.push(append)
    weight += append.weight
  }
  if (transaction.length > 0) yield transaction
}
