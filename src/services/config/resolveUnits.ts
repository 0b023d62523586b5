/** Makes the units of `[units]`, each decoded on its own, or those of the original where the file has none. */
import * as Result from "effect/Result"
import type { UnitConfig } from "./Config.ts"
import { decode } from "./decode.ts"
import { type Problem, quote } from "./Problem.ts"
import { type Entries, eachEntry } from "./resolveEntries.ts"
import {
  defaultUnits,
  recordedMax,
  UnitEntry,
  unitIdAllowed,
  unitIdPattern,
  unitsMax,
  UnitTable
} from "./UnitSection.ts"

export const resolveUnits = (section: unknown): Entries<UnitConfig> => {
  const resolved = eachEntry("units", section ?? defaultUnits, unitIdPattern, unitIdAllowed, (id, value) =>
    Result.flatMap(decode(UnitEntry, value, []), (entry) =>
      Result.flatMap(
        typeof entry === "string" ? decode(UnitTable, { unit: entry }, []) : Result.succeed(entry),
        (table) => {
          const faults = [...patternFaults(table), ...recordFaults(table)]
          return faults.length > 0 ? Result.fail(faults) : Result.succeed(unit(id, table))
        }
      )
    )
  )
  const { size } = resolved.entries
  const recorded = [...resolved.entries.values()].filter(({ record }) => record).length
  const tooMany: Array<Problem> = []
  if (size > unitsMax) tooMany.push({ path: ["units"], text: `found ${size} units, allowed: at most ${unitsMax}` })
  if (recorded > recordedMax)
    tooMany.push({
      path: ["units"],
      text: `found ${recorded} units with record = true, allowed: at most ${recordedMax}`
    })
  return tooMany.length === 0 ? resolved : { ...resolved, problems: [...resolved.problems, ...tooMany] }
}

const unit = (id: string, { control, ...table }: UnitTable): UnitConfig => ({
  ...table,
  id,
  control: [...new Set(control)]
})

/** Whoever reads events would read what nobody may read of the journal. */
const recordFaults = ({ logs, record }: UnitTable): ReadonlyArray<Problem> =>
  record && !logs ? [{ path: ["record"], text: "found true, but logs = false lets nobody read its journal" }] : []

const patternFaults = ({ redact }: UnitTable): ReadonlyArray<Problem> =>
  redact.flatMap((pattern, index) => {
    if (pattern === "") return [{ path: ["redact", index], text: 'found "", allowed: a regular expression' }]
    if (compiles(pattern)) return []
    return [{ path: ["redact", index], text: `found ${quote(pattern)}, which is no regular expression` }]
  })

const compiles = (pattern: string): boolean => {
  try {
    return new RegExp(pattern, "gu").global
  } catch {
    return false
  }
}
