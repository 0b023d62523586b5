/**
 * The files that clients' certificates are judged by: the CA bundle and the revocation lists of those CAs, both PEM, one
 * or more of each in a file. Whatever is wrong with either is an error that names the file, and nothing is taken from
 * them: half of what an operator wrote would let in, or shut out, whom they did not mean.
 *
 * Bounds: `caBytesMax` and `casMax`; `listBytesMax`, `listsMax` and `revokedMax` over all lists of a file.
 */
import { X509Certificate } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Disk } from "../files/Disk.ts"
import type { Bundle, ClientTrust } from "./ClientTrust.ts"
import { DerFault } from "./DerReader.ts"
import { allows, isSignedBy, mayUse, type ParsedCertificate, parseCertificate } from "./ParsedCertificate.ts"
import { pemBlocks } from "./pemBlocks.ts"
import { readRevocationList, type RevocationList, revokedMax } from "./RevocationList.ts"
import { turn } from "./turn.ts"

export class ClientTrustUnusable extends Schema.TaggedError<ClientTrustUnusable>()("ClientTrustUnusable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

export interface ClientTrustPaths {
  readonly caPath: string
  /** Undefined: nothing is revoked. */
  readonly crlPath: string | undefined
}

/** The bundles of operating systems have two hundred certificates in 300 KiB. */
const caBytesMax = 1024 * 1024
const casMax = 500

/** Half a million entries with long serial numbers. */
const listBytesMax = 32 * 1024 * 1024
const listsMax = 500

/** Reads both. What is the same as before is that again, and what was judged by it stays so. */
export const load = Effect.fnUntraced(function* (
  { caPath, crlPath }: ClientTrustPaths,
  before?: ClientTrust
): Effect.fn.Return<ClientTrust, ClientTrustUnusable, Disk> {
  const loaded = yield* loadBundle(caPath)
  const bundle = loaded.pem === before?.bundle.pem ? before.bundle : loaded
  const lists = crlPath === undefined ? [] : yield* loadLists(crlPath, caPath, bundle)
  const isSame =
    before?.bundle === bundle &&
    before.lists.length === lists.length &&
    before.lists.every(({ digest }, n) => digest === lists[n]?.digest)
  return isSame ? before : { bundle, lists }
})

const unusable = (path: string, reason: string) => new ClientTrustUnusable({ path, reason })

const read = Effect.fnUntraced(function* (path: string, bytesMax: number) {
  const disk = yield* Disk
  const bytes = yield* Effect.mapError(disk.readFile(path, bytesMax), (error) => unusable(path, error.reason))
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1")
})

const loadBundle = Effect.fnUntraced(function* (path: string) {
  const ders = yield* pemBlocks(yield* read(path, caBytesMax), "CERTIFICATE")
  if (ders.length === 0) return yield* unusable(path, "no certificate is in it (PEM: BEGIN CERTIFICATE)")
  if (ders.length > casMax) return yield* unusable(path, `more than ${casMax} certificates are in it`)
  const byFingerprint = new Map<string, ParsedCertificate>()
  for (const [index, der] of ders.entries()) {
    yield* turn
    const certificate = yield* Effect.try({
      try: () => parseCertificate(new X509Certificate(der ?? "")),
      catch: (cause) =>
        unusable(
          path,
          `certificate ${index + 1} cannot be read${cause instanceof DerFault ? `: ${cause.message}` : ""}`
        )
    })
    byFingerprint.set(certificate.shown.fingerprint, certificate)
  }
  return yield* bundleOf(path, [...byFingerprint.values()])
})

const bundleOf = Effect.fnUntraced(function* (path: string, all: ReadonlyArray<ParsedCertificate>) {
  const roots: Array<ParsedCertificate> = []
  const intermediates: Array<ParsedCertificate> = []
  for (const certificate of all) {
    yield* turn
    if (!certificate.isCa || !allows(certificate, mayUse.signCertificates)) {
      return yield* unusable(path, `${named(certificate)} is no CA certificate`)
    }
    if (isSignedBy(certificate, certificate)) {
      roots.push(certificate)
    } else if (all.some((other) => isSignedBy(certificate, other))) {
      intermediates.push(certificate)
    } else {
      // TLS asks for the whole path, up to a root.
      return yield* unusable(path, `the CA that signed ${named(certificate)} is not in the file`)
    }
  }
  if (roots.length === 0) return yield* unusable(path, "no root is in it: no CA certificate that signed itself")
  const bundle: Bundle = { pem: all.map(({ x509 }) => x509.toString()).join(""), roots, intermediates }
  return bundle
})

const named = ({ shown }: ParsedCertificate): string => shown.subject || `certificate ${shown.serial}`

const loadLists = Effect.fnUntraced(function* (path: string, caPath: string, { intermediates, roots }: Bundle) {
  const ders = yield* pemBlocks(yield* read(path, listBytesMax), "X509 CRL")
  if (ders.length === 0) return yield* unusable(path, "no revocation list is in it (PEM: BEGIN X509 CRL)")
  if (ders.length > listsMax) return yield* unusable(path, `more than ${listsMax} revocation lists are in it`)
  const authorities = [...roots, ...intermediates].filter((ca) => allows(ca, mayUse.signRevocations))
  const lists: Array<RevocationList> = []
  let room = revokedMax
  for (const [index, der] of ders.entries()) {
    const failed = (reason: string) =>
      unusable(path, `revocation list ${index + 1}: ${reason}; the CAs are in ${caPath}`)
    if (der === undefined) return yield* failed("it is empty or has no end")
    const list = yield* Effect.mapError(readRevocationList(der, authorities, room), ({ reason }) => failed(reason))
    room -= list.size
    lists.push(list)
  }
  return lists
})
