/**
 * Certificate revocation lists (RFC 5280, section 5): read from DER, their signature checked with the key of their CA. A
 * list of half a million serial numbers is read in slices between which others get their turn, and kept as it came,
 * with an index of four bytes for each: a Set of texts would be five times as large and stop the collector for long.
 *
 * What a list says is revoked is revoked, also once the list is out of date: a clock or a publisher that stands still
 * must neither lock everybody out nor let anybody back in. Lists that hold less than they seem to (deltas) or speak for
 * other authorities (indirect ones) are not taken.
 */
import { type KeyObject, hash as hashOf, verify } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { constructed, universal } from "./Der.ts"
import { DerFault, DerReader } from "./DerReader.ts"
import { formatName, readName } from "./DistinguishedName.ts"
import { authorityKey } from "./ParsedCertificate.ts"
import { turn } from "./turn.ts"

/** This is no list that can be used. */
export class ListUnusable extends Schema.TaggedError<ListUnusable>()("ListUnusable", { reason: Schema.String }) {
  override get message() {
    return this.reason
  }
}

/** Who may have signed it. */
export interface Authority {
  readonly authority: string
  readonly publicKey: KeyObject
}

export interface RevocationList {
  readonly authority: string
  /** Of its issuer, for people. */
  readonly issuer: string
  /** UNIX time in milliseconds; undefined: it does not say. */
  readonly nextUpdate: number | undefined
  readonly size: number
  /** Tells two lists apart: its signature covers all of it. */
  readonly digest: string
  readonly has: (serial: Uint8Array) => boolean
}

/** A large CA that never prunes; together with their index they take some 30 MiB. */
export const revokedMax = 500_000

/** About two milliseconds. */
const entriesPerSlice = 4096

/** The least that an entry takes: a sequence, an integer of a byte, a time. */
const entryBytesMin = 20

/** Of the extensions that must be understood: the number, the key's name, and which certificates the list is about. */
const understood: ReadonlySet<string> = new Set(["2.5.29.20", "2.5.29.35", "2.5.29.28"])

const distributionPoint = "2.5.29.28"
/** `indirectCRL` in the distribution point. */
const isIndirectTag = 0x84
const deltaIndicator = "2.5.29.27"
const certificateIssuer = "2.5.29.29"

/** SHA-1 and older are refused: whoever finds a collision writes the list. Ed25519 and Ed448 hash by themselves. */
const digests: ReadonlyMap<string, string | null> = new Map([
  ["1.2.840.113549.1.1.11", "sha256"],
  ["1.2.840.113549.1.1.12", "sha384"],
  ["1.2.840.113549.1.1.13", "sha512"],
  ["1.2.840.10045.4.3.2", "sha256"],
  ["1.2.840.10045.4.3.3", "sha384"],
  ["1.2.840.10045.4.3.4", "sha512"],
  ["1.3.101.112", null],
  ["1.3.101.113", null]
])

export const readRevocationList = Effect.fnUntraced(function* (
  der: Uint8Array,
  authorities: ReadonlyArray<Authority>,
  room = revokedMax
): Effect.fn.Return<RevocationList, ListUnusable> {
  const outer = yield* attempt(() => readOuter(der))
  const { head } = outer
  const own = authorities.filter(({ authority }) => authority === head.authority)
  if (own.length === 0) {
    return yield* unusable(`its issuer ${head.issuer} is no CA of ours that may sign revocation lists`)
  }
  let isSigned = false
  for (const { publicKey } of own) isSigned ||= yield* isSignedBy(outer, publicKey)
  if (!isSigned) return yield* unusable(`its signature is not that of its issuer ${head.issuer}`)

  const serials = new Serials(der, head.entries?.length ?? 0)
  while (head.entries !== undefined && !head.entries.atEnd) {
    const { entries } = head
    yield* attempt(() => readEntries(entries, serials))
    if (serials.size > room) return yield* unusable(`more than ${revokedMax} certificates are revoked`)
    yield* turn
  }
  return {
    authority: head.authority,
    issuer: head.issuer,
    nextUpdate: head.nextUpdate,
    size: serials.size,
    digest: hashOf("sha256", outer.signature),
    has: (serial) => serials.has(serial)
  }
})

const unusable = (reason: string) => new ListUnusable({ reason })

const attempt = <A>(read: () => A): Effect.Effect<A, ListUnusable> =>
  Effect.try({
    try: read,
    catch: (cause) => {
      if (cause instanceof ListUnusable) return cause
      if (cause instanceof DerFault) return unusable(`not a revocation list: ${cause.message}`)
      throw cause
    }
  })

interface Outer {
  readonly signed: Uint8Array
  readonly algorithm: string
  readonly signature: Uint8Array
  readonly head: Head
}

interface Head {
  readonly authority: string
  readonly issuer: string
  readonly nextUpdate: number | undefined
  /** Undefined: nothing is revoked. */
  readonly entries: DerReader | undefined
}

const readOuter = (der: Uint8Array): Outer => {
  const file = new DerReader(der)
  const list = file.enter()
  file.end()
  const signed = list.whole(universal.sequence)
  const algorithm = list.enter().oid()
  const { bytes, unused } = list.bits()
  list.end()
  if (unused > 0) throw unusable("its signature is not of whole bytes")
  return { signed, algorithm, signature: bytes, head: readHead(new DerReader(signed).enter(), der, signed, algorithm) }
}

const readHead = (body: DerReader, der: Uint8Array, signed: Uint8Array, algorithm: string): Head => {
  if (body.tag === universal.integer) body.skip() // version
  if (body.enter().oid() !== algorithm) throw unusable("it names two signature algorithms")
  const name = readName(body)
  body.time() // thisUpdate
  const isTime = body.tag === universal.utcTime || body.tag === universal.generalizedTime
  const nextUpdate = isTime ? body.time() : undefined
  const entries = body.tag === universal.sequence ? entriesIn(body, der, signed) : undefined
  const extensions = body.enterIf(constructed(0)).enterIf(universal.sequence)
  while (!extensions.atEnd) checkExtension(extensions.enter())
  body.end()
  return { authority: authorityKey(name), issuer: formatName(name), nextUpdate, entries }
}

/** A reader over the bytes of the whole list: the index refers to places in them. */
const entriesIn = (body: DerReader, der: Uint8Array, signed: Uint8Array): DerReader => {
  const { end, start } = body.place(universal.sequence)
  const before = signed.byteOffset - der.byteOffset
  return new DerReader(der, before + start, before + end)
}

const checkExtension = (extension: DerReader): void => {
  const type = extension.oid()
  const isCritical = extension.tag === universal.boolean && extension.boolean()
  if (type === deltaIndicator) throw unusable("it is a delta list, which says only what has changed")
  if (isCritical && !understood.has(type)) throw unusable(`its critical extension ${type} is not known here`)
  if (type !== distributionPoint) return
  const point = extension.enter(universal.octetString).enter()
  while (!point.atEnd) {
    if (point.tag === isIndirectTag) throw unusable("it is an indirect list, which speaks for other CAs")
    point.skip()
  }
}

/** Reads one slice. */
const readEntries = (entries: DerReader, serials: Serials): void => {
  for (let n = 0; n < entriesPerSlice && !entries.atEnd; n++) {
    const entry = entries.enter()
    const { end, start } = entry.place(universal.integer)
    serials.add(start, end)
    entry.skip() // when it was revoked
    const extensions = entry.enterIf(universal.sequence)
    while (!extensions.atEnd) {
      if (extensions.enter().oid() === certificateIssuer) throw unusable("it speaks for other CAs")
    }
    entry.end()
  }
}

const isSignedBy = ({ algorithm, signature, signed }: Outer, key: KeyObject): Effect.Effect<boolean, ListUnusable> => {
  const digest = digests.get(algorithm)
  if (digest === undefined) return Effect.fail(unusable(`its signature algorithm ${algorithm} is not accepted`))
  // In the thread pool: sixteen mebibytes are hashed.
  return Effect.callback((resume) => {
    verify(digest, signed, key, signature, (cause, isRight) => resume(Effect.succeed(cause === null && isRight)))
  })
}

/** Serial numbers as places in the list that names them, found by hash (open addressing, at most half full). */
class Serials {
  size = 0
  readonly #bytes: Uint8Array
  /** Place of the first byte and one; 0 is free. */
  readonly #slots: Uint32Array
  /** Length of the serial number in each slot. */
  readonly #lengths: Uint8Array

  constructor(bytes: Uint8Array, entryBytes: number) {
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2, (2 * entryBytes) / entryBytesMin)))
    this.#bytes = bytes
    this.#slots = new Uint32Array(slots)
    this.#lengths = new Uint8Array(slots)
  }

  add(start: number, end: number): void {
    const length = end - start
    if (length === 0 || length > serialBytesMax) throw unusable("a serial number is longer than any may be")
    const slot = this.#find(this.#bytes, start, length)
    if (this.#slots[slot] !== 0) return
    this.#slots[slot] = start + 1
    this.#lengths[slot] = length
    this.size += 1
  }

  has(serial: Uint8Array): boolean {
    return this.#slots[this.#find(serial, 0, serial.length)] !== 0
  }

  /** Its slot, or the free one it would get. */
  #find(from: Uint8Array, start: number, length: number): number {
    const mask = this.#slots.length - 1
    let slot = hash(from, start, length) & mask
    for (;;) {
      const place = this.#slots[slot]
      if (place === undefined || place === 0) return slot
      if (this.#lengths[slot] === length && this.#isAt(place - 1, from, start, length)) return slot
      slot = (slot + 1) & mask
    }
  }

  #isAt(place: number, from: Uint8Array, start: number, length: number): boolean {
    for (let i = 0; i < length; i++) if (this.#bytes[place + i] !== from[start + i]) return false
    return true
  }
}

/** RFC 5280 allows twenty; some have written one more. */
const serialBytesMax = 64

/** FNV-1a. Whoever chooses serial numbers here is the CA. */
const hash = (bytes: Uint8Array, start: number, length: number): number => {
  let value = 0x811c9dc5
  for (let at = start; at < start + length; at++) value = Math.imul(value ^ (bytes[at] ?? 0), 0x01000193)
  return (value ^ (value >>> 15)) >>> 0
}
