/**
 * Something wrong in a configuration: where, and what. Also how places and found values are written, so that a message
 * fits a line and shows no secret.
 */

/** From the document's root, or inside a table from that table. */
export type KeyPath = ReadonlyArray<string | number>

export interface Problem {
  readonly path: KeyPath
  readonly text: string
  /** Not from the file: the path names a flag or a variable of the environment. */
  readonly outside?: true
}

export const inside = (path: KeyPath, problems: ReadonlyArray<Problem>): Array<Problem> =>
  problems.map((problem) => ({ path: [...path, ...problem.path], text: problem.text }))

/** One by one: what `push(...many)` is given goes over the stack, and a file can hold more mistakes than fit there. */
export const addProblems = (all: Array<Problem>, more: ReadonlyArray<Problem>): void => {
  for (const problem of more) all.push(problem)
}

/** As the key is written in TOML, with the index of an array's element in brackets: `actions.x.args[0].name`. */
export const formatPath = (path: KeyPath): string => {
  let text = ""
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`
    else text += `${text === "" ? "" : "."}${isBare(part) ? part : quote(part)}`
  }
  return text
}

const isBare = (name: string): boolean => name.length <= quotedLengthMax && /^[A-Za-z0-9_-]+$/u.test(name)

/** Enough to recognise what one has written. */
const quotedLengthMax = 60

/** On one line, escaped, and not endless. */
export const quote = (text: string): string => {
  const cut = text.length > quotedLengthMax
  const shown = JSON.stringify(cut ? text.slice(0, quotedLengthMax) : text).replace(
    /[\u007f-\u009f\u2028\u2029]/gu,
    escape
  )
  return cut ? `${shown}… (${text.length} characters)` : shown
}

const escape = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`

/** What a message says was found. Of a secret, how long it is. */
export const describe = (value: unknown, secret: boolean): string => {
  if (value === undefined) return "nothing"
  if (Array.isArray(value)) return value.length === 0 ? "an empty array" : `an array of ${value.length}`
  if (value instanceof Date) return "a date-time"
  if (typeof value === "string") return secret ? `a string of ${value.length} characters` : quote(value)
  if (typeof value === "object") return "a table"
  if (secret) return `a ${typeof value}`
  // TOML's own words for what JavaScript writes as NaN and Infinity.
  return String(value).replace("NaN", "nan").replace("Infinity", "inf")
}
