/**
 * Makes events of the bytes that come through a FIFO. Pure: however the bytes are cut into chunks, the events are the
 * same (only their times are those of the chunk that ended the line).
 *
 * One event for each `\n`; `\r`, NUL and empty lines are kept. Invalid UTF-8 becomes U+FFFD and is counted. A line
 * over the cap is kept cut, at a code point boundary, with its true size in the fields, and counted. What follows the
 * last newline waits here until its newline comes or `flush` is called. Bound: one buffer of the cap and one byte,
 * whatever a writer does. Work is done per chunk (one validation, one decode, one split) and per line only where an
 * option, invalid text or a line over the cap asks for it.
 */
import { isUtf8 } from "node:buffer"
import { offsetMax } from "../events/Event.ts"
import { parseGivenTime } from "./GivenTime.ts"
import { type LineCounts, noLines } from "./LineCounts.ts"

export interface LineOptions {
  /** Cut ASCII white space from both ends. */
  readonly trim: boolean
  /** No event for a line that is empty (after trimming, and after a given time). */
  readonly skipEmpty: boolean
  /** Take the time of the event from the start of the line; see GivenTime. */
  readonly givenTime: boolean
  /** Bytes of a line that are kept; at least 4, so that any one character fits. */
  readonly lineMaxBytes: number
}

/** Lines that follow each other and differ in their text and time only. */
export interface LineRun {
  /** Nanoseconds since the UNIX epoch; whole milliseconds, so that what comes together has one time. */
  readonly receivedAt: bigint
  /** As in an EventRun: where the lines gave times that differ. */
  offsets?: Array<number>
  readonly fields: string | undefined
  /** Belongs to whoever takes the run, who may add to it. */
  readonly messages: Array<string>
}

const newline = 10

/** Most lines are shorter; the buffer of an unfinished line grows from here to the cap. */
const restBytesFirst = 1024

export class LineFramer {
  private readonly options: LineOptions
  /** The start of the unfinished line: up to one byte more than the cap, to see where a code point ends. */
  private rest: Buffer = Buffer.alloc(0)
  private restKept = 0
  private restBytes = 0
  private readonly counts: LineCounts

  /** `counts` may be shared by framers that follow each other. */
  constructor(options: LineOptions, counts = noLines()) {
    this.options = options
    this.counts = counts
  }

  /** Bytes of the line that has no newline yet. */
  get unfinishedBytes(): number {
    return this.restBytes
  }

  /** Takes bytes in; keeps no reference to them. */
  push(chunk: Buffer, nowMs: number): ReadonlyArray<LineRun> {
    const last = chunk.lastIndexOf(newline)
    if (last === -1) {
      this.keep(chunk)
      return []
    }
    const runs = new Runs(nowMs)
    let start = 0
    if (this.restBytes > 0) {
      const first = chunk.indexOf(newline)
      this.keep(chunk.subarray(0, first))
      this.endRest(runs)
      start = first + 1
    }
    if (start <= last) this.block(chunk.subarray(start, last), runs)
    this.keep(chunk.subarray(last + 1))
    return runs.done
  }

  /** Makes an event of the unfinished line, if there is one. */
  flush(nowMs: number): ReadonlyArray<LineRun> {
    const runs = new Runs(nowMs)
    if (this.restBytes > 0) this.endRest(runs)
    return runs.done
  }

  private keep(bytes: Buffer): void {
    this.restBytes += bytes.length
    const kept = Math.min(this.restKept + bytes.length, this.options.lineMaxBytes + 1)
    if (kept > this.rest.length) {
      const size = Math.min(Math.max(kept, this.rest.length * 2, restBytesFirst), this.options.lineMaxBytes + 1)
      const grown = Buffer.allocUnsafeSlow(size)
      this.rest.copy(grown, 0, 0, this.restKept)
      this.rest = grown
    }
    bytes.copy(this.rest, this.restKept, 0, kept - this.restKept)
    this.restKept = kept
  }

  private endRest(runs: Runs): void {
    this.line(this.rest.subarray(0, this.restKept), this.restBytes, runs)
    this.restKept = 0
    this.restBytes = 0
  }

  /** Whole lines, the last one without its newline. */
  private block(bytes: Buffer, runs: Runs): void {
    if (isUtf8(bytes) && !hasLineOver(bytes, this.options.lineMaxBytes)) {
      return this.add(bytes.toString("utf8").split("\n"), undefined, runs)
    }
    for (let start = 0; start <= bytes.length;) {
      const found = bytes.indexOf(newline, start)
      const end = found === -1 ? bytes.length : found
      this.line(bytes.subarray(start, end), end - start, runs)
      start = end + 1
    }
  }

  /** One line of `size` bytes, of which `bytes` may be the first ones only, but always one more than the cap. */
  private line(bytes: Buffer, size: number, runs: Runs): void {
    const max = this.options.lineMaxBytes
    const kept = size > max ? bytes.subarray(0, boundaryBefore(bytes, max)) : bytes
    if (!isUtf8(kept)) this.counts.invalidLines += 1
    if (size > max) this.counts.cutLines += 1
    const fields = size > max ? JSON.stringify({ truncated: true, bytes: size }) : undefined
    this.add([kept.toString("utf8")], fields, runs)
  }

  private add(messages: Array<string>, fields: string | undefined, runs: Runs): void {
    const { givenTime, skipEmpty, trim } = this.options
    if (!trim && !skipEmpty && !givenTime) {
      this.counts.lines += messages.length
      return runs.addAll(fields, messages)
    }
    for (const whole of messages) {
      const line = trim ? whole.slice(textStart(whole)) : whole
      const given = givenTime ? parseGivenTime(line, runs.nowMs) : undefined
      const said = given === undefined ? line : line.slice(given.messageAt)
      const message = trim ? said.slice(textStart(said), textEnd(said)) : said
      // A line that was cut lost more than is seen here, so it is not empty.
      if (skipEmpty && message === "" && fields === undefined) continue
      this.counts.lines += 1
      runs.add(given?.ms ?? runs.nowMs, fields, message)
    }
  }
}

/** The runs made of one chunk. */
class Runs {
  readonly done: Array<LineRun> = []
  readonly nowMs: number
  private last: LineRun | undefined
  private lastMs = 0

  constructor(nowMs: number) {
    this.nowMs = nowMs
  }

  add(ms: number, fields: string | undefined, message: string): void {
    const offset = (ms - this.lastMs) * nanosPerMs
    const { last } = this
    if (last === undefined || last.fields !== fields || Math.abs(offset) > offsetMax)
      return this.begin(ms, fields, [message])
    if (offset !== 0) last.offsets ??= last.messages.map(() => 0)
    last.messages.push(message)
    last.offsets?.push(offset)
  }

  /** Lines that have the time of the chunk. */
  addAll(fields: string | undefined, messages: Array<string>): void {
    const { last } = this
    if (last === undefined || last.fields !== fields) this.begin(this.nowMs, fields, messages)
    else for (const message of messages) last.messages.push(message)
  }

  private begin(ms: number, fields: string | undefined, messages: Array<string>): void {
    this.last = { receivedAt: BigInt(ms) * BigInt(nanosPerMs), fields, messages }
    this.lastMs = ms
    this.done.push(this.last)
  }
}

const nanosPerMs = 1_000_000

/** Looks at one place per `max` bytes, not at every line. */
const hasLineOver = (bytes: Buffer, max: number): boolean => {
  for (let start = 0; bytes.length - start > max;) {
    const end = bytes.lastIndexOf(newline, start + max)
    if (end < start) return true
    start = end + 1
  }
  return false
}

/** The last place at or before `at` that is not inside of a code point; `at` itself where the bytes are no UTF-8. */
const boundaryBefore = (bytes: Buffer, at: number): number => {
  for (let place = at; place > at - 4 && place > 0; place--) {
    const byte = bytes[place]
    if (byte === undefined || (byte & 0xc0) !== 0x80) return place
  }
  return at
}

const textStart = (text: string): number => {
  let at = 0
  while (at < text.length && isWhiteSpace(text.charCodeAt(at))) at++
  return at
}

const textEnd = (text: string): number => {
  let at = text.length
  while (at > 0 && isWhiteSpace(text.charCodeAt(at - 1))) at--
  return at
}

/** Space, and tab, line feed, vertical tab, form feed, carriage return. */
const isWhiteSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13)
