/**
 * The blocks of one kind in a PEM text (RFC 7468); what stands between them is nobody's business. What is no base64 is
 * skipped, as Node does: whatever is read here is signed, and a change is found there.
 *
 * Bounds: those of the text. Long blocks are decoded in slices, between which others get their turn.
 */
import * as Effect from "effect/Effect"
import { turn } from "./turn.ts"

/** In their order; undefined for a block that is empty or does not end. */
export const pemBlocks = Effect.fnUntraced(function* (text: string, label: string) {
  const begin = `-----BEGIN ${label}-----`
  const end = `-----END ${label}-----`
  const blocks: Array<Uint8Array | undefined> = []
  for (let at = text.indexOf(begin); at !== -1;) {
    const start = at + begin.length
    const stop = text.indexOf(end, start)
    blocks.push(stop === -1 ? undefined : yield* decoded(text, start, stop))
    at = stop === -1 ? -1 : text.indexOf(begin, stop)
  }
  return blocks
})

/** About a millisecond. */
const charactersPerSlice = 256 * 1024

const decoded = Effect.fnUntraced(function* (text: string, start: number, stop: number) {
  const slices: Array<Uint8Array> = []
  // Four characters are three bytes: what is left over of a slice belongs to the next.
  let rest = ""
  for (let at = start; at < stop; at += charactersPerSlice) {
    const characters = rest + text.slice(at, Math.min(at + charactersPerSlice, stop)).replaceAll(/\s+/gu, "")
    const whole = characters.length - (characters.length % 4)
    slices.push(Buffer.from(characters.slice(0, whole), "base64"))
    rest = characters.slice(whole)
    if (at + charactersPerSlice < stop) yield* turn
  }
  slices.push(Buffer.from(rest, "base64"))
  const bytes = Buffer.concat(slices)
  return bytes.length > 0 ? bytes : undefined
})
