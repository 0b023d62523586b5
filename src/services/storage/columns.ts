/** Values of SQLite's columns as the program's. The tables are STRICT, so another type than the declared one is a bug. */
import type { SQLOutputValue } from "node:sqlite"

type Column = SQLOutputValue | undefined

export const textOf = (value: Column): string => {
  if (typeof value !== "string") throw new Error(`expected text of the file, found ${typeof value}`)
  return value
}

export const textOrNone = (value: Column): string | undefined => (value === null ? undefined : textOf(value))

export const numberOf = (value: Column): number => {
  if (typeof value !== "number") throw new Error(`expected a number of the file, found ${typeof value}`)
  return value
}

export const numberOrNone = (value: Column): number | undefined => (value === null ? undefined : numberOf(value))

export const bytesOf = (value: Column): Uint8Array => {
  if (!(value instanceof Uint8Array)) throw new Error(`expected bytes of the file, found ${typeof value}`)
  return value
}

/** A list of names, kept as JSON. */
export const namesOf = (value: Column): ReadonlyArray<string> => {
  const names: unknown = JSON.parse(textOf(value))
  if (!Array.isArray(names)) throw new Error("expected a list of names of the file")
  return names.map(String)
}
