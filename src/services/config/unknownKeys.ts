/**
 * Finds the keys of a document that its schema does not know, each with the known name that is nearest to it.
 *
 * Bounds: names longer than any of ours by far get no suggestion, and after the first hundred none does, so that the
 * distances stay cheap on any input.
 */
import { type KeyPath, type Problem, quote } from "./Problem.ts"
import { childOf, isTable, namesOf, type Shape } from "./SchemaShape.ts"

/** Longer than every key there is; the distance takes the product of both lengths. */
const comparedLengthMax = 64

/** As many as are shown. */
const suggestionsMax = 100

export const unknownKeys = (
  shape: Shape,
  value: unknown,
  path: KeyPath = [],
  suggestions = { left: suggestionsMax }
): Array<Problem> => {
  const descend = (child: unknown, part: string | number): Array<Problem> => {
    const inner = childOf(shape, value, part)
    return inner === undefined ? [] : unknownKeys(inner, child, [...path, part], suggestions)
  }
  if (Array.isArray(value)) return value.flatMap(descend)
  if (!isTable(value)) return []
  const known = namesOf(shape, value)
  return Object.keys(value).flatMap((name) => {
    if (known === undefined || known.includes(name)) return descend(value[name], name)
    const near = suggestions.left-- > 0 ? nearest(name, known) : undefined
    return [{ path: [...path, name], text: `unknown key${near === undefined ? "" : `, did you mean ${quote(near)}?`}` }]
  })
}

/** The candidate with the fewest slips, where they are few for a name of that length. */
export const nearest = (name: string, candidates: ReadonlyArray<string>): string | undefined => {
  if (name.length > comparedLengthMax) return undefined
  const slipsMax = Math.max(1, Math.floor(name.length / 3))
  let best: string | undefined
  let bestSlips = slipsMax + 1
  for (const candidate of candidates) {
    const slips = distance(name.toLowerCase(), candidate.toLowerCase())
    if (slips < bestSlips) {
      best = candidate
      bestSlips = slips
    }
  }
  return best
}

/** Insertions, deletions, replacements and swaps of neighbours (optimal string alignment). */
export const distance = (a: string, b: string): number => {
  let beforeLast: ReadonlyArray<number> = []
  let last: ReadonlyArray<number> = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1]
      let slips = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1))
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        slips = Math.min(slips, at(beforeLast, column - 2) + 1)
      }
      current.push(slips)
    }
    beforeLast = last
    last = current
  }
  return at(last, b.length)
}

const at = (row: ReadonlyArray<number>, column: number): number => row[column] ?? Number.POSITIVE_INFINITY
