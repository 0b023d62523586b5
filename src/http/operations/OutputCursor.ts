/**
 * Where a reader of an output is. Written for it as a number, mostly: the offset of the next byte. Where the last bytes it
 * was given end within a character, `100.o98` says that of stdout those from 98 on are still to come, whatever was sent of
 * stderr since: so nothing is lost or sent twice, and no character is cut.
 */
import type { OutputStream } from "../../services/commands/OutputLog.ts"

export interface OutputCursor {
  /** All before it was sent, but for what is said below. */
  readonly next: number
  /** Of each stream, where the unfinished character begins. */
  readonly stdout?: number | undefined
  readonly stderr?: number | undefined
}

const pattern = /^(\d{1,15})(?:\.o(\d{1,15}))?(?:\.e(\d{1,15}))?$/u

export const cursorAllowed = "an offset in bytes, or what a record has as next"

/** Undefined: it is none. */
export const parseCursor = (text: string): OutputCursor | undefined => {
  const match = pattern.exec(text)
  if (match === null) return undefined
  const [, next, stdout, stderr] = match
  const cursor = { next: Number(next), stdout: numberOf(stdout), stderr: numberOf(stderr) }
  return heldIsWithin(cursor) ? cursor : undefined
}

const numberOf = (digits: string | undefined): number | undefined => (digits === undefined ? undefined : Number(digits))

const heldIsWithin = ({ next, stderr = 0, stdout = 0 }: OutputCursor): boolean => stdout <= next && stderr <= next

export const cursorText = ({ next, stderr, stdout }: OutputCursor): string =>
  `${next}${stdout === undefined ? "" : `.o${stdout}`}${stderr === undefined ? "" : `.e${stderr}`}`

/** The first byte that has not been sent. */
export const startOf = ({ next, stderr, stdout }: OutputCursor): number =>
  Math.min(next, stdout ?? next, stderr ?? next)

/** The first byte of one stream that has not been sent. */
export const startIn = (cursor: OutputCursor, stream: OutputStream): number => cursor[stream] ?? cursor.next
