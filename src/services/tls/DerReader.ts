/**
 * Reads ASN.1 in DER (X.690) that others have written: what is not the one right encoding is a `DerFault`, and so is
 * whatever reaches beyond its surroundings. It copies nothing (what it returns are views) and keeps nothing.
 *
 * Bounds: no recursion, each call looks at one element; tags of one byte and lengths of four at most, which is all that
 * certificates have.
 */
import * as Schema from "effect/Schema"
import { type Tag, universal } from "./Der.ts"

/** These bytes are no DER, or not of the kind that was expected. Thrown: whoever reads catches it once, at the outside. */
export class DerFault extends Schema.TaggedError<DerFault>()("DerFault", { reason: Schema.String, at: Schema.Int }) {
  override get message() {
    return `${this.reason} at byte ${this.at}`
  }
}

/** The element that comes next, before anything of its content is looked at. */
interface Header {
  readonly tag: number
  readonly start: number
  readonly end: number
}

/** The highest of the bits that say how a tag goes on in the next byte. */
const longTag = 0x1f
const lengthBytesMax = 4

/** Longer object identifiers are somebody's joke. */
const oidBytesMax = 64

export class DerReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at: number

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  static readonly nothing = new DerReader(new Uint8Array())

  get atEnd(): boolean {
    return this.#at === this.#end
  }

  /** Of the next element; -1 at the end. */
  get tag(): number {
    return this.atEnd ? -1 : this.#byte(this.#at)
  }

  /** Bytes left. */
  get length(): number {
    return this.#end - this.#at
  }

  /** The content of the next element, which is of this kind. */
  content(tag: Tag): Uint8Array {
    const { end, start } = this.#take(tag)
    return this.#bytes.subarray(start, end)
  }

  /** The next element as a whole, whatever it is. */
  whole(tag: Tag = this.tag): Uint8Array {
    const from = this.#at
    return this.#bytes.subarray(from, this.#take(tag).end)
  }

  /** Where the content of the next element lies in the bytes this reader was given. */
  place(tag: Tag): { readonly start: number; readonly end: number } {
    return this.#take(tag)
  }

  enter(tag: Tag = universal.sequence): DerReader {
    const { end, start } = this.#take(tag)
    return new DerReader(this.#bytes, start, end)
  }

  /** The same where it may be absent: then there is nothing in it. */
  enterIf(tag: Tag): DerReader {
    return this.tag === tag ? this.enter(tag) : DerReader.nothing
  }

  skip(): void {
    this.#take(this.tag)
  }

  /** Nothing may be left. */
  end(): void {
    if (!this.atEnd) throw this.#fault("more than was expected", this.#at)
  }

  /** Content of an integer in two's complement. */
  integer(): Uint8Array {
    const { end, start } = this.#take(universal.integer)
    const first = this.#byte(start)
    const isPadded = end - start > 1 && (first === 0 || first === 0xff) && first >> 7 === this.#byte(start + 1) >> 7
    if (end === start || isPadded) throw this.#fault("an integer that is not written in the shortest way", start)
    return this.#bytes.subarray(start, end)
  }

  /** A small number that is not negative. */
  count(): number {
    const at = this.#at
    const bytes = this.integer()
    if (bytes.length > 4 || (bytes[0] ?? 0) >= 0x80) throw this.#fault("a number out of its range", at)
    return bytes.reduce((value, byte) => value * 256 + byte, 0)
  }

  boolean(): boolean {
    const at = this.#at
    const [value, ...more] = this.content(universal.boolean)
    if (more.length > 0 || (value !== 0 && value !== 0xff)) throw this.#fault("neither true nor false", at)
    return value === 0xff
  }

  /** In dotted form. */
  oid(): string {
    const at = this.#at
    const bytes = this.content(universal.oid)
    const last = bytes.at(-1)
    if (last === undefined || last >= 0x80 || bytes.length > oidBytesMax) throw this.#fault("no object identifier", at)
    const arcs: Array<bigint> = []
    let value = 0n
    let isFirst = true
    for (const byte of bytes) {
      if (isFirst && byte === 0x80)
        throw this.#fault("an object identifier that is not written in the shortest way", at)
      value = (value << 7n) | BigInt(byte & 0x7f)
      isFirst = byte < 0x80
      if (!isFirst) continue
      arcs.push(value)
      value = 0n
    }
    const [both = 0n, ...rest] = arcs
    const first = both < 80n ? both / 40n : 2n
    return [first, both - first * 40n, ...rest].join(".")
  }

  /** The bits, most significant first. */
  bits(): { readonly bytes: Uint8Array; readonly unused: number } {
    const at = this.#at
    const content = this.content(universal.bitString)
    const [unused = 8] = content
    if (unused > 7 || (unused > 0 && content.length === 1)) throw this.#fault("no bit string", at)
    return { bytes: content.subarray(1), unused }
  }

  /** UTCTime or GeneralizedTime as RFC 5280 has them, with seconds and in UTC; UNIX time in milliseconds. */
  time(): number {
    const at = this.#at
    const isUtcTime = this.tag === universal.utcTime
    const text = Buffer.from(this.content(isUtcTime ? universal.utcTime : universal.generalizedTime)).toString("latin1")
    const [, year = "", month = "", day = "", hour = "", minute = "", second = ""] =
      (isUtcTime ? twoDigitYear : fourDigitYear).exec(text) ?? []
    // Two digits are of the years 1950 to 2049.
    const century = isUtcTime ? (Number(year) < 50 ? "20" : "19") : ""
    const unixMs = Date.parse(`${century}${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
    // Date.parse takes the 30th of February for the 2nd of March.
    if (!Number.isFinite(unixMs) || new Date(unixMs).getUTCDate() !== Number(day)) throw this.#fault("no time", at)
    return unixMs
  }

  #take(tag: number): Header {
    const header = this.#header()
    if (header.tag !== tag) throw this.#fault(`an element of kind ${header.tag} where ${tag} was expected`, this.#at)
    this.#at = header.end
    return header
  }

  #header(): Header {
    const at = this.#at
    const tag = this.#byte(at)
    if ((tag & longTag) === longTag) throw this.#fault("a tag of several bytes", at)
    const first = this.#byte(at + 1)
    if (first < 0x80) return this.#within(tag, at + 2, first)
    const count = first & 0x7f
    if (count === 0 || count > lengthBytesMax) throw this.#fault("a length that is indefinite or too long", at)
    let length = 0
    for (let i = 0; i < count; i++) length = length * 256 + this.#byte(at + 2 + i)
    if (length < 0x80 || length < 256 ** (count - 1)) throw this.#fault("a length not written in the shortest way", at)
    return this.#within(tag, at + 2 + count, length)
  }

  #within(tag: number, start: number, length: number): Header {
    if (length > this.#end - start) throw this.#fault("an element that reaches beyond its surroundings", this.#at)
    return { tag, start, end: start + length }
  }

  #byte(at: number): number {
    const byte = at < this.#end ? this.#bytes[at] : undefined
    if (byte === undefined) throw this.#fault("the end in the middle of an element", at)
    return byte
  }

  #fault(reason: string, at: number): DerFault {
    return new DerFault({ reason, at })
  }
}

const twoDigitYear = /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/u
const fourDigitYear = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/u
