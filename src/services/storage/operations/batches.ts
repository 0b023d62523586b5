/**
 * How much is asked of the operations file at once. Events wait behind a batch in the same thread, so it is bounded by
 * what it weighs: about the bytes it takes there and back.
 */
import type { OperationsCommand } from "./commands.ts"

/** A small command, for the 50 to 100 µs that it takes there. */
const commandWeight = 8192

/** An operation of a page. */
const rowWeight = 1024

/** 128 small commands, or one page of 1000 operations: some 15 ms of the thread, beside the fsync. */
export const batchWeightMax = 1024 * 1024

/**
 * What may wait: some 8000 small commands, a second's work. What operations say of themselves counts, but is never
 * refused for it: how much that can be is bounded by how many run.
 */
export const waitingWeightMax = 64 * batchWeightMax

export const weightOf = (command: OperationsCommand): number => commandWeight + heaviness(command)

const heaviness = (command: OperationsCommand): number => {
  switch (command.tag) {
    case "submit":
      return command.operation.input.length
    case "end":
      return command.result.length + (command.output?.segments.length ?? 0)
    case "keep-output":
      return command.output.segments.length
    case "note":
      return command.entry.exit?.length ?? 0
    case "list":
      return command.query.limit * rowWeight
    case "unfinished":
      return command.limit * rowWeight
    case "output":
    case "servers":
    case "taskservs":
    case "workspaces":
      return batchWeightMax / 8
    case "prune":
      return batchWeightMax
    default:
      return 0
  }
}

const requests: ReadonlySet<OperationsCommand["tag"]> = new Set([
  "submit",
  "cancel",
  "get",
  "list",
  "counts",
  "output",
  "servers",
  "taskservs",
  "workspaces",
  "add-workspace"
])

/** Whether somebody waits for it who may be told to come again. */
export const isRequest = ({ tag }: OperationsCommand): boolean => requests.has(tag)

/** In their order, each batch within its weight; a heavier one goes alone. */
export const batchesOf = <A extends { readonly weight: number }>(
  waiting: ReadonlyArray<A>
): ReadonlyArray<ReadonlyArray<A>> => {
  const batches: Array<Array<A>> = []
  let weight = Infinity
  for (const one of waiting) {
    weight += one.weight
    if (weight > batchWeightMax) {
      weight = one.weight
      batches.push([one])
    } else batches.at(-1)?.push(one)
  }
  return batches
}
