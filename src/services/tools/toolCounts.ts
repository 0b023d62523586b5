/**
 * How often each tool was asked and what became of it, beside the executor that ran it. Counted by hand: a question costs a
 * process, and somebody looks once a minute.
 *
 * Bounds: one entry for each name that the daemon gives its tools, all of them its own.
 */
import type { Executor } from "../commands/Executor.ts"
import type { ToolError } from "./Tool.ts"

export interface ToolCounts {
  asked: number
  /** It was missing, failed or did not answer in time. */
  failed: number
  timedOut: number
}

type Asked = Pick<Executor["Service"], "run">

const counted = new WeakMap<Asked, Map<string, ToolCounts>>()

export const toolCounts = (executor: Asked): ReadonlyMap<string, Readonly<ToolCounts>> => ofAll(executor)

export const countAsked = (executor: Asked, name: string): void => {
  countsOf(executor, name).asked += 1
}

export const countFailed = (executor: Asked, name: string, { _tag }: ToolError): void => {
  const counts = countsOf(executor, name)
  counts.failed += 1
  if (_tag === "ToolTimeout") counts.timedOut += 1
}

const ofAll = (executor: Asked): Map<string, ToolCounts> => {
  const known = counted.get(executor)
  if (known !== undefined) return known
  const made = new Map<string, ToolCounts>()
  counted.set(executor, made)
  return made
}

const countsOf = (executor: Asked, name: string): ToolCounts => {
  const all = ofAll(executor)
  const known = all.get(name)
  if (known !== undefined) return known
  const made: ToolCounts = { asked: 0, failed: 0, timedOut: 0 }
  all.set(name, made)
  return made
}
