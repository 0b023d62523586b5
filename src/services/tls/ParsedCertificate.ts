/**
 * A certificate, taken apart as far as trust needs it. Names, validity and extensions are read here from the DER form;
 * signatures are left to OpenSSL, which also has the last word on what is not looked at here (ClientTrust.ts).
 *
 * Fails with a `DerFault` on what is no certificate. Bounds: those of the DER form, which TLS limits to 100 KiB for a
 * whole chain; a subjectAltName counts with its first `sansMax` names.
 */
import type { KeyObject, X509Certificate } from "node:crypto"
import { SocketAddress } from "node:net"
import type { ClientCertificate } from "../auth/Peer.ts"
import { constructed, primitive, universal } from "./Der.ts"
import { DerReader } from "./DerReader.ts"
import { type DistinguishedName, formatName, nameKey, readName } from "./DistinguishedName.ts"

/** What its DER form says. */
interface Fields {
  /** As in the DER form. */
  readonly serial: Uint8Array
  readonly subject: DistinguishedName
  readonly sans: ReadonlyArray<string>
  readonly notBefore: number
  readonly notAfter: number
  readonly isCa: boolean
  /** How many CA certificates may stand between this one and the end of a path. */
  readonly pathLength: number
  /** Undefined: for every purpose. */
  readonly purposes: ReadonlySet<string> | undefined
  /** Undefined: for everything. */
  readonly keyUsage: number | undefined
  readonly hasNameConstraints: boolean
}

export interface ParsedCertificate extends Fields {
  readonly x509: X509Certificate
  readonly publicKey: KeyObject
  readonly shown: ClientCertificate
  /** Whose revocations count for what this one has signed (authorityKey). */
  readonly authority: string
}

/** Certificates of load balancers have a hundred. */
const sansMax = 256

/** The bits of keyUsage that are asked for here, in its first byte. */
export const mayUse = { signCertificates: 0b0000_0100, signRevocations: 0b0000_0010 } as const

const extensionOf = {
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  nameConstraints: "2.5.29.30",
  extendedKeyUsage: "2.5.29.37"
} as const

export const parseCertificate = (x509: X509Certificate): ParsedCertificate => {
  const fields = readFields(x509.raw)
  const { notAfter, sans, serial, subject } = fields
  let publicKey: KeyObject | undefined
  return {
    ...fields,
    x509,
    // That of a client is never asked for.
    get publicKey() {
      return (publicKey ??= x509.publicKey)
    },
    authority: authorityKey(subject),
    shown: {
      fingerprint: x509.fingerprint256.replaceAll(":", "").toLowerCase(),
      subject: formatName(subject),
      subjectKey: nameKey(subject),
      sans,
      serial: serialText(serial),
      notAfter
    }
  }
}

export const readFields = (der: Uint8Array): Fields => {
  const body = new DerReader(der).enter().enter()
  if (body.tag === constructed(0)) body.skip() // version
  const serial = body.integer()
  body.skip() // signature algorithm
  body.skip() // issuer: OpenSSL compares it
  const validity = body.enter()
  const notBefore = validity.time()
  const notAfter = validity.time()
  const subject = readName(body)
  const extensions = extensionsOf(body)
  const basic = extensions.get(extensionOf.basicConstraints)?.enter()
  const isCa = basic?.tag === universal.boolean && basic.boolean()
  return {
    serial,
    subject,
    sans: alternativeNames(extensions.get(extensionOf.subjectAltName) ?? DerReader.nothing),
    notBefore,
    notAfter,
    isCa,
    pathLength: basic?.tag === universal.integer ? basic.count() : Number.POSITIVE_INFINITY,
    purposes: purposesOf(extensions.get(extensionOf.extendedKeyUsage)),
    keyUsage: extensions.get(extensionOf.keyUsage)?.bits().bytes[0],
    hasNameConstraints: extensions.has(extensionOf.nameConstraints)
  }
}

/**
 * Two names of one authority. OpenSSL takes names that differ in case and blanks for the same, so a difference in these
 * must not part a certificate from its revocation.
 */
export const authorityKey = (name: DistinguishedName): string =>
  nameKey(name)
    .toLowerCase()
    .replaceAll(/ +/gu, " ")
    .replaceAll(/(?<==:) | (?=")/gu, "")

/** Whether the key may be used so. */
export const allows = ({ keyUsage }: ParsedCertificate, use: number): boolean =>
  keyUsage === undefined || (keyUsage & use) !== 0

/**
 * Whether the issuer has signed it, by name and by signature. A key of a kind that OpenSSL does not know signs nothing:
 * Node throws there, and anybody may send such a certificate.
 */
export const isSignedBy = ({ x509 }: ParsedCertificate, issuer: ParsedCertificate): boolean => {
  try {
    return x509.checkIssued(issuer.x509) && x509.verify(issuer.publicKey)
  } catch {
    return false
  }
}

const extensionsOf = (body: DerReader): ReadonlyMap<string, DerReader> => {
  const found = new Map<string, DerReader>()
  while (!body.atEnd && body.tag !== constructed(3)) body.skip() // public key, unique identifiers
  const all = body.enterIf(constructed(3)).enterIf(universal.sequence)
  while (!all.atEnd) {
    const extension = all.enter()
    const type = extension.oid()
    if (extension.tag === universal.boolean) extension.skip() // critical
    found.set(type, extension.enter(universal.octetString))
  }
  return found
}

const purposesOf = (extension: DerReader | undefined): ReadonlySet<string> | undefined => {
  if (extension === undefined) return undefined
  const purposes = new Set<string>()
  const all = extension.enter()
  while (!all.atEnd) purposes.add(all.oid())
  return purposes
}

/** The kinds of GeneralName that the configuration can name. */
const kinds: ReadonlyMap<number, (content: Uint8Array) => string | undefined> = new Map([
  [primitive(1), (content) => plain("email:", content)],
  [primitive(2), (content) => plain("DNS:", content)],
  [primitive(6), (content) => plain("URI:", content)],
  [primitive(7), (content) => addressText(content)]
])

const alternativeNames = (extension: DerReader): ReadonlyArray<string> => {
  const names: Array<string> = []
  const all = extension.enterIf(universal.sequence)
  for (let seen = 0; !all.atEnd && seen < sansMax; seen++) {
    const { tag } = all
    const name = kinds.get(tag)?.(all.content(tag))
    if (name === undefined && !kinds.has(tag)) all.skip()
    if (name !== undefined) names.push(name)
  }
  return names
}

/** Nothing where it holds what such a name never has: it could be taken for another, or for two. */
const plain = (kind: string, content: Uint8Array): string | undefined =>
  content.length > 0 && content.every((byte) => byte > 0x20 && byte < 0x7f)
    ? `${kind}${Buffer.from(content).toString("latin1")}`
    : undefined

const addressText = (content: Uint8Array): string | undefined => {
  if (content.length === 4) return `IP:${content.join(".")}`
  if (content.length !== 16) return undefined
  const groups = Buffer.from(content).toString("hex").match(/.{4}/gu) ?? []
  return `IP:${new SocketAddress({ family: "ipv6", address: groups.join(":") }).address}`
}

const serialText = (serial: Uint8Array): string => {
  const isNegative = (serial[0] ?? 0) >= 0x80
  const value = BigInt(`0x${Buffer.from(serial).toString("hex")}`)
  const magnitude = (isNegative ? (1n << BigInt(serial.length * 8)) - value : value).toString(16).toUpperCase()
  return `${isNegative ? "-" : ""}${magnitude.length % 2 === 0 ? magnitude : `0${magnitude}`}`
}
