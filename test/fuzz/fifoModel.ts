/**
 * What becomes of bytes that come through a FIFO, in the fewest words: one byte, one line, one rule at a time, with
 * nothing kept from the code it is compared with. And the bytes that are tried.
 */
import type { LineOptions } from "../../src/services/fifo/LineFramer.ts"
import { mutate, type Random, split } from "./random.ts"

export interface Chunk {
  readonly bytes: Buffer
  readonly nowMs: number
}

export interface Recorded {
  readonly message: string
  readonly fields: string | undefined
  readonly atMs: number
}

export interface Expected {
  readonly events: ReadonlyArray<Recorded>
  readonly lines: number
  readonly cutLines: number
  readonly invalidLines: number
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true })
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true })

export const isText = (bytes: Uint8Array): boolean => {
  try {
    strictDecoder.decode(bytes)
    return true
  } catch {
    return false
  }
}

/** The unfinished line is ended at `flushedAtMs`. */
export const expected = (options: LineOptions, chunks: ReadonlyArray<Chunk>, flushedAtMs: number): Expected => {
  const events: Array<Recorded> = []
  let cutLines = 0
  let invalidLines = 0
  let line: Array<number> = []

  const end = (nowMs: number) => {
    const whole = Buffer.from(line)
    const isCut = whole.length > options.lineMaxBytes
    const kept = whole.subarray(0, isCut ? placeToCut(whole, options.lineMaxBytes) : whole.length)
    line = []
    if (isCut) cutLines += 1
    if (!isText(kept)) invalidLines += 1
    const fields = isCut ? `{"truncated":true,"bytes":${whole.length}}` : undefined
    let message = decoder.decode(kept)
    let atMs = nowMs
    if (options.trim) message = message.replace(/^[\t-\r ]+/u, "")
    const given = options.givenTime ? /^(?:(\d{10})|(\d{13}))[ \t]/u.exec(message) : null
    if (given !== null) {
      const ms = given[1] === undefined ? Number(given[2]) : Number(given[1]) * 1000
      if (ms >= Date.UTC(2001, 0, 1) && ms <= nowMs + 86_400_000) {
        atMs = ms
        message = message.slice(given[0].length)
      }
    }
    if (options.trim) message = message.replace(/^[\t-\r ]+|[\t-\r ]+$/gu, "")
    if (options.skipEmpty && message === "" && !isCut) return
    events.push({ message, fields, atMs })
  }

  for (const { bytes, nowMs } of chunks) {
    for (const byte of bytes) {
      if (byte === 0x0a) end(nowMs)
      else line.push(byte)
    }
  }
  if (line.length > 0) end(flushedAtMs)
  return { events, lines: events.length, cutLines, invalidLines }
}

/** The last of the four places at and before the cap where a code point may begin; the cap where there is none. */
const placeToCut = (line: Buffer, cap: number): number =>
  [cap, cap - 1, cap - 2, cap - 3].find((at) => at > 0 && ((line[at] ?? 0) & 0xc0) !== 0x80) ?? cap

const pieces: readonly [Buffer, ...ReadonlyArray<Buffer>] = [
  Buffer.from("\n"),
  Buffer.from("\r\n"),
  Buffer.from("\n\n\n"),
  Buffer.from("\r"),
  Buffer.from("\0"),
  Buffer.from(" \t\v\f "),
  Buffer.from("\uFEFF"),
  Buffer.from("é€😀"),
  Buffer.from("\u2028\u0085\u00a0"),
  Buffer.from([0xff]),
  Buffer.from([0xc0, 0x80]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from([0xf0, 0x9f]),
  Buffer.from([0x80, 0x80, 0x80, 0x80, 0x80]),
  Buffer.from("\n1700000000 "),
  Buffer.from("\n1700000000123\t"),
  Buffer.from("\n 9999999999 x"),
  Buffer.from("\n0978307199 x\n978307200000 y\n0978307200000 z")
]

const lineOf = (random: Random, longMax: number): Buffer => {
  switch (random.below(8)) {
    case 0:
      return Buffer.alloc(0)
    case 1:
      return random.bytes(random.size(80))
    case 2:
      return Buffer.from(random.pick(["x", "é", "€", "😀", " ", "ab\r"]).repeat(random.between(1, longMax)))
    case 3:
      return Buffer.concat([Buffer.from("y".repeat(random.between(0, longMax))), random.bytes(random.size(6))])
    case 4:
      return Buffer.from(
        `${random.pick(["", " ", "\t"])}${random.between(900_000_000, 4_294_967_295)}${random.pick(["", "000", "123", "0"])}${random.pick([" ", "\t", "", "\n"])}at`
      )
    default:
      return Buffer.from(
        random.pick(["plain", "  both ends \t", "Ünïcödé ✓", "\uFEFFmark", "tab\there", "-", "\u00a0nbsp\u00a0"])
      )
  }
}

/** The bytes of one case; lines are up to half as long again as their cap. */
export const bytesOf = (random: Random, lineMaxBytes: number): Buffer => {
  const lines = random.times(1 + random.size(12), () => lineOf(random, Math.ceil(lineMaxBytes * 1.5)))
  const bytes = Buffer.concat(lines.flatMap((line) => [line, Buffer.from("\n")]))
  const whole = random.percent(50) ? bytes : bytes.subarray(0, -1)
  return random.percent(60) ? mutate(random, whole, pieces) : whole
}

/** The clock goes on between chunks, stands still, or steps back. */
export const chunksOf = (random: Random, bytes: Buffer): ReadonlyArray<Chunk> => {
  let nowMs = 1_700_000_000_000 + random.below(1_000_000)
  return split(random, bytes, 10).map((part) => {
    nowMs += random.pick([0, 0, 1, 7, -3])
    return { bytes: part, nowMs }
  })
}
