/**
 * Takes out of a unit's lines what its entry says is never shown: each match becomes `[redacted]`.
 *
 * A pattern is the operator's, but whoever can write into the journal can write the line that makes it backtrack for
 * minutes, and this happens on the event loop. So the lines are gone through in slices, with a deadline for each and a turn
 * of the loop between them. A line that needs a whole slice and more is withheld: what cannot be searched is not shown.
 *
 * Bounds: `sliceMs` at a time; once `slowMax` lines of an entry have been withheld within a minute, so are all the others
 * that come in it.
 */
import { createContext, Script } from "node:vm"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { UnitConfig } from "../config/Config.ts"

const replacement = "[redacted]"
const withheld = "[withheld: redacting it took too long]"

/** Hundreds of honest lines, and no stall that anybody would notice. */
const sliceMs = 20

/** Of lines that cost a slice and show nothing: a sixth of a second in each minute. */
const slowMax = 8
const slowWithinMs = 60_000

/** Characters that are gone through in a turn of the loop; a line that is longer has one for itself. */
const sliceChars = 64 * 1024

/**
 * The deadline is the clock's, and a machine with too much to do may not have let this thread run at all meanwhile: then
 * it is tried again, so often.
 */
const triesMax = 20

/** Lines that are done stay done when it is ended in the midst. An empty match hides nothing. */
const text = `
for (let i = done.length; i < lines.length; i++) {
  let line = lines[i]
  for (const pattern of patterns) line = line.replace(pattern, (match) => match === "" ? "" : ${JSON.stringify(replacement)})
  done.push(line)
}`

interface Work {
  readonly lines: ReadonlyArray<string>
  readonly patterns: ReadonlyArray<RegExp>
  readonly done: Array<string>
}

/** A context of its own costs a start time and memory: made for the first line. */
const make = () => ({ script: new Script(text), context: createContext({ lines: [], patterns: [], done: [] }) })

let made: ReturnType<typeof make> | undefined

/** True when all of it is done. */
const runSlice = (work: Work): boolean => {
  const { context, script } = (made ??= make())
  Object.assign(context, work)
  for (let tries = 0; tries < triesMax; tries++) {
    const before = process.threadCpuUsage()
    const doneBefore = work.done.length
    try {
      script.runInContext(context, { timeout: sliceMs })
      return true
    } catch {
      const { system, user } = process.threadCpuUsage(before)
      if (work.done.length > doneBefore || user + system > (sliceMs * 1000) / 2) return false
    }
  }
  return false
}

interface Compiled {
  readonly patterns: ReadonlyArray<RegExp>
  /** When lines were withheld, by the monotonic clock in milliseconds; at most `slowMax`. */
  slow: Array<number>
}

/** By the entry's own array: a reload brings another one. */
const compiled = new WeakMap<ReadonlyArray<string>, Compiled>()

const compile = (patterns: ReadonlyArray<string>): Compiled => {
  const known = compiled.get(patterns)
  if (known !== undefined) return known
  const fresh: Compiled = { patterns: patterns.map((pattern) => new RegExp(pattern, "gu")), slow: [] }
  compiled.set(patterns, fresh)
  return fresh
}

/** The lines as they may be shown, one for each, in their order. */
export const redact = (
  { redact: patterns }: Pick<UnitConfig, "redact">,
  lines: ReadonlyArray<string>
): Effect.Effect<ReadonlyArray<string>> =>
  patterns.length === 0 || lines.length === 0 ? Effect.succeed(lines) : redactAll(compile(patterns), lines)

const redactAll = Effect.fnUntraced(function* (unit: Compiled, lines: ReadonlyArray<string>) {
  const clock = yield* Clock.Clock
  const done: Array<string> = []
  const isGivenUp = (): boolean => {
    const nowMs = Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n)
    unit.slow = unit.slow.filter((at) => nowMs - at < slowWithinMs)
    return unit.slow.length >= slowMax
  }
  while (done.length < lines.length) {
    if (isGivenUp()) {
      done.push(withheld)
      continue
    }
    const slice: Work = { lines: sliceFrom(lines, done.length), patterns: unit.patterns, done: [] }
    const isDone = runSlice(slice)
    for (const line of slice.done) done.push(line)
    // The first of a slice had all of its time.
    if (!isDone && slice.done.length === 0) {
      unit.slow.push(Number(clock.monotonicTimeNanosUnsafe() / 1_000_000n))
      done.push(withheld)
    }
    if (done.length < lines.length) yield* Effect.yieldNow
  }
  return done
})

const sliceFrom = (lines: ReadonlyArray<string>, start: number): ReadonlyArray<string> => {
  let end = start
  for (let chars = 0; end < lines.length && (end === start || chars < sliceChars); end++) {
    chars += 1 + (lines[end]?.length ?? 0)
  }
  return lines.slice(start, end)
}
