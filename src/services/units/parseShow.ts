/**
 * Reads what `systemctl show` prints of several units: for each a block of `Property=value` lines, in the order in which
 * they were asked for, with a blank line between. What is not said, or not as expected, is null.
 *
 * A unit that was asked for by an alias is shown under its own Id; its Names have the alias.
 */
import type { UnitState } from "./Units.ts"

export const shownProperties = [
  "Id",
  "Names",
  "LoadState",
  "ActiveState",
  "SubState",
  "UnitFileState",
  "MainPID",
  "ExecMainCode",
  "ExecMainStatus",
  "Result",
  "NRestarts",
  "StateChangeTimestamp",
  "MemoryCurrent",
  "InvocationID"
] as const

type Properties = ReadonlyMap<string, string>

/** By name as it was asked for; a name that nothing was said of is not in it. */
export const parseShow = (text: string, asked: ReadonlyArray<string>): ReadonlyMap<string, UnitState> => {
  const blocks = blocksOf(text)
  const byName = new Map<string, Properties>()
  for (const block of blocks) {
    for (const name of namesOf(block)) if (!byName.has(name)) byName.set(name, block)
  }
  const states = new Map<string, UnitState>()
  for (const [index, name] of asked.entries()) {
    const block = byName.get(name) ?? (blocks.length === asked.length ? blocks[index] : undefined)
    if (block !== undefined) states.set(name, stateOf(block))
  }
  return states
}

const blocksOf = (text: string): ReadonlyArray<Properties> => {
  const blocks: Array<Map<string, string>> = []
  let current: Map<string, string> | undefined
  for (const line of text.split("\n")) {
    const equals = line.indexOf("=")
    if (line === "") current = undefined
    if (equals <= 0) continue
    if (current === undefined) blocks.push((current = new Map()))
    current.set(line.slice(0, equals), line.slice(equals + 1))
  }
  return blocks
}

/** Separated by spaces; one with a backslash stands in quotes, as in C. */
const namesOf = (block: Properties): ReadonlyArray<string> => {
  const names = block.get("Names")?.match(/"(?:[^"\\]|\\.)*"|[^\s"]+/gu) ?? []
  return [block.get("Id") ?? "", ...names.map(unquoted)].filter((name) => name !== "")
}

const unquoted = (name: string): string => (name.startsWith('"') ? name.slice(1, -1).replaceAll(/\\(.)/gu, "$1") : name)

const stateOf = (block: Properties): UnitState => {
  const said = (property: (typeof shownProperties)[number]): string | null => {
    const value = block.get(property) ?? ""
    return value === "" || value === "[not set]" ? null : value
  }
  return {
    load_state: said("LoadState"),
    active_state: said("ActiveState"),
    sub_state: said("SubState"),
    unit_file_state: said("UnitFileState"),
    main_pid: said("MainPID"),
    exit_code: said("ExecMainCode"),
    exit_status: said("ExecMainStatus"),
    result: said("Result"),
    restarts: countOf(said("NRestarts")),
    since: timeOf(said("StateChangeTimestamp")),
    memory_bytes: countOf(said("MemoryCurrent")),
    invocation_id: said("InvocationID")
  }
}

/** 2^64 - 1 stands for a number that there is not; whatever is no exact number is none either. */
const countOf = (text: string | null): number | null => {
  const value = text !== null && /^\d+$/u.test(text) ? Number(text) : Number.NaN
  return Number.isSafeInteger(value) ? value : null
}

/** `Sun 2026-11-22 14:32:53.086457 UTC`, as `--timestamp=us+utc` has it. */
const timePattern = /^[A-Z][a-z]{2} (\d{4}-\d{2}-\d{2}) (\d{2}:\d{2}:\d{2})(\.\d{3})?\d* UTC$/u

const timeOf = (text: string | null): number | null => {
  const match = timePattern.exec(text ?? "")
  if (match === null) return null
  const [, day, time, fraction = ""] = match
  const at = Date.parse(`${day}T${time}${fraction}Z`)
  return Number.isNaN(at) ? null : at
}
