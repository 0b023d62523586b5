/**
 * Writes ASN.1 in DER (X.690), as much of it as one certificate needs. Every function returns the bytes of one whole
 * element. Lengths are bounded by what four bytes can say; DerReader reads.
 */

export type Der = Uint8Array

/** The first byte of an element: what kind it is. */
export type Tag = number

export const universal = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  visibleString: 0x1a,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31
} as const

const element = (tag: number, ...content: ReadonlyArray<Uint8Array>): Der => {
  const length = content.reduce((sum, part) => sum + part.length, 0)
  return Buffer.concat([Uint8Array.of(tag), lengthBytes(length), ...content])
}

/** One byte below 128; above, the number of bytes that follow with the high bit set, then these. */
const lengthBytes = (length: number): Uint8Array => {
  if (length < 0x80) return Uint8Array.of(length)
  const bytes: Array<number> = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return Uint8Array.of(0x80 | bytes.length, ...bytes)
}

export const sequence = (...elements: ReadonlyArray<Der>): Der => element(universal.sequence, ...elements)
export const set = (...elements: ReadonlyArray<Der>): Der => element(universal.set, ...elements)
export const octetString = (bytes: Uint8Array): Der => element(universal.octetString, bytes)
export const utf8String = (text: string): Der => element(universal.utf8String, Buffer.from(text))
export const boolean = (value: boolean): Der => element(universal.boolean, Uint8Array.of(value ? 0xff : 0))

/** A whole number that is not negative, most significant byte first. */
export const integer = (bytes: Uint8Array): Der => {
  const start = bytes.findIndex((byte) => byte !== 0)
  const magnitude = start === -1 ? Uint8Array.of(0) : bytes.subarray(start)
  // A leading high bit would make it negative.
  return (magnitude[0] ?? 0) < 0x80
    ? element(universal.integer, magnitude)
    : element(universal.integer, Uint8Array.of(0), magnitude)
}

export const bitString = (bytes: Uint8Array, unusedBits = 0): Der =>
  element(universal.bitString, Uint8Array.of(unusedBits), bytes)

/** From the dotted form; the first two arcs share a byte. */
export const oid = (dotted: string): Der => {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number)
  return element(universal.oid, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)))
}

/** Seven bits a byte, all but the last with the high bit set. */
const base128 = (value: number): ReadonlyArray<number> => {
  const bytes = [value % 128]
  for (let rest = Math.floor(value / 128); rest > 0; rest = Math.floor(rest / 128)) bytes.unshift(0x80 | (rest % 128))
  return bytes
}

/** Context-specific tag of what has elements for its content. */
export const constructed = (number: number): Tag => 0xa0 | number

/** Context-specific tag in place of a primitive type's own. */
export const primitive = (number: number): Tag => 0x80 | number

/** Context-specific tag around whole elements (explicit tagging). */
export const explicit = (number: number, ...elements: ReadonlyArray<Der>): Der =>
  element(constructed(number), ...elements)

/** Context-specific tag in place of a primitive type's own (implicit tagging). */
export const implicit = (number: number, content: Uint8Array): Der => element(primitive(number), content)

/** A date as RFC 5280 wants it: UTCTime, whose year has two digits, until 2049, GeneralizedTime from 2050 on. */
export const time = (unixMs: number): Der => {
  const date = new Date(unixMs)
  const digits = date
    .toISOString()
    .replace(/\.\d+Z$/u, "Z")
    .replaceAll(/[-:T]/gu, "")
  const year = date.getUTCFullYear()
  return year >= 1950 && year < 2050
    ? element(universal.utcTime, Buffer.from(digits.slice(2)))
    : element(universal.generalizedTime, Buffer.from(digits))
}
