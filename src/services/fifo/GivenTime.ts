/**
 * A time that the writer of a line gives: a UNIX time in seconds (10 digits) or milliseconds (13 digits) at its start,
 * then one space or tab. Whoever may write can forge it, so taking it is opt-in and a value that cannot be meant as the
 * time of an event stays part of the text. Pure; constant work per line.
 */

/** 2001-01-01T00:00:00Z: what is older was not written as a time, or by a machine whose clock was never set. */
const earliestMs = 978_307_200_000

/** A writer's clock, or its time zone, may be off by a day; beyond that the number is something else. */
const aheadMsMax = 24 * 60 * 60 * 1000

export interface GivenTime {
  readonly ms: number
  /** Where the message begins. */
  readonly messageAt: number
}

/** The time given at the start of the line, if it is one that is plausible at `nowMs`. */
export const parseGivenTime = (line: string, nowMs: number): GivenTime | undefined => {
  const digits = isBlank(line, 10) ? 10 : isBlank(line, 13) ? 13 : 0
  if (digits === 0) return undefined
  let value = 0
  for (let at = 0; at < digits; at++) {
    const digit = line.charCodeAt(at) - zero
    if (digit < 0 || digit > 9) return undefined
    value = value * 10 + digit
  }
  const ms = digits === 10 ? value * 1000 : value
  return ms < earliestMs || ms > nowMs + aheadMsMax ? undefined : { ms, messageAt: digits + 1 }
}

const zero = 48

const isBlank = (line: string, at: number): boolean => {
  const code = line.charCodeAt(at)
  return code === 32 || code === 9
}
