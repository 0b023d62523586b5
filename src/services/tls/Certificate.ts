/**
 * The certificate and key files of the listeners: loaded and checked as a pair, made when both are missing and that is
 * allowed, renewed when they are ours.
 *
 * Both files are 0600 and written whole or not at all, the key before the certificate. A daemon killed between the two
 * would leave a key alone, which is an error; so the certificate waits beside its place under a name of its own and
 * the next start finishes the work. Bounds: `pemBytesMax` per file. Fails with errors that name the file and what to
 * do; never with the key's content, which is `Redacted` throughout.
 */
import { createPrivateKey, X509Certificate } from "node:crypto"
import { createSecureContext } from "node:tls"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { atomicWriteFile } from "../files/AtomicFile.ts"
import { Disk, type DiskError } from "../files/Disk.ts"
import { type CertificateHostInvalid, isSelfMade, makeSelfSigned, type PemPair } from "./SelfSigned.ts"

/** One of the two files is missing, or both and they may not be made. */
export class CertificateMissing extends Schema.TaggedError<CertificateMissing>()("CertificateMissing", {
  missing: Schema.Array(Schema.String),
  present: Schema.Array(Schema.String)
}) {
  override get message() {
    return this.present.length === 0
      ? `TLS certificate ${this.missing.join(" and key ")} missing: put them there, or set tls_create_if_missing = true`
      : `TLS file ${this.missing.join()} missing while ${this.present.join()} is there: put it back, or remove the other and set tls_create_if_missing = true`
  }
}

/** The files are there and are no certificate with its key. */
export class CertificateUnusable extends Schema.TaggedError<CertificateUnusable>()("CertificateUnusable", {
  cert_path: Schema.String,
  key_path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `TLS certificate ${this.cert_path} with key ${this.key_path}: ${this.reason}`
  }
}

export class CertificateNotWritten extends Schema.TaggedError<CertificateNotWritten>()("CertificateNotWritten", {
  path: Schema.String,
  code: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `TLS certificate not made: write ${this.path}: ${this.reason}`
  }
}

export interface CertificateFiles {
  readonly certPath: string
  readonly keyPath: string
  readonly createIfMissing: boolean
  /** DNS names and IP addresses for a certificate we make; empty ones are skipped. */
  readonly hosts: ReadonlyArray<string>
}

export interface Certificate extends PemPair {
  /** UNIX time in milliseconds. */
  readonly notAfter: number
  readonly fingerprint256: string
  /** Ours to renew. */
  readonly isSelfMade: boolean
}

type Files = Pick<CertificateFiles, "certPath" | "keyPath">

/** A chain of a dozen certificates is a tenth of this. */
const pemBytesMax = 256 * 1024

const fileMode = 0o600

/** Where a new certificate waits until its key is in place. */
const pendingPath = (certPath: string): string => `${certPath}.pending`

/** For the start of the daemon: what is there, checked, or a new pair where that is allowed. */
export const ensure = Effect.fn("Certificate.ensure")(function* (
  files: CertificateFiles
): Effect.fn.Return<
  Certificate,
  CertificateMissing | CertificateUnusable | CertificateNotWritten | CertificateHostInvalid,
  Disk
> {
  const { certPath, createIfMissing, hosts, keyPath } = files
  const cert = yield* isThere(files, certPath)
  const key = yield* isThere(files, keyPath)
  if (cert && key) return yield* load(files)
  if (createIfMissing && key && (yield* finishCreation(files))) return yield* load(files)
  if (cert || key || !createIfMissing) {
    const paths = [
      [certPath, cert],
      [keyPath, key]
    ] as const
    const where = (present: boolean) => paths.filter(([, there]) => there === present).map(([path]) => path)
    return yield* new CertificateMissing({ missing: where(false), present: where(true) })
  }
  const made = yield* makeSelfSigned(hosts)
  yield* write(pendingPath(certPath), made.cert)
  yield* write(keyPath, Redacted.value(made.key))
  yield* putInPlace(certPath, made.cert)
  const { subjectAltName } = new X509Certificate(made.cert)
  yield* Effect.logInfo(`made a self-signed TLS certificate ${certPath} for ${subjectAltName ?? "no host"}`)
  return yield* load(files)
})

/** Reads both files and checks that a listener can use them together. */
export const load = Effect.fnUntraced(function* (
  files: Files
): Effect.fn.Return<Certificate, CertificateUnusable, Disk> {
  const disk = yield* Disk
  const read = (path: string) =>
    Effect.mapBoth(disk.readFile(path, pemBytesMax), {
      onSuccess: (bytes) => Buffer.from(bytes).toString("latin1"),
      onFailure: (error) => unusable(files, error.message)
    })
  return yield* parse(files, yield* read(files.certPath), Redacted.make(yield* read(files.keyPath)))
})

/** Replaces a certificate of ours by one that is valid for longer, for the same key. */
export const renew = Effect.fn("Certificate.renew")(function* (
  files: CertificateFiles,
  current: Certificate
): Effect.fn.Return<Certificate, CertificateUnusable | CertificateNotWritten | CertificateHostInvalid, Disk> {
  const renewed = yield* makeSelfSigned(files.hosts, current.key)
  const parsed = yield* parse(files, renewed.cert, current.key)
  yield* write(files.certPath, renewed.cert)
  return parsed
})

const unusable = ({ certPath, keyPath }: Files, reason: string) =>
  new CertificateUnusable({ cert_path: certPath, key_path: keyPath, reason })

const parse = (
  files: Files,
  cert: string,
  key: Redacted.Redacted<string>
): Effect.Effect<Certificate, CertificateUnusable> =>
  Effect.gen(function* () {
    const attempt = <A>(what: string, work: () => A) =>
      Effect.try({ try: work, catch: (cause) => unusable(files, `${what}: ${reasonOf(cause)}`) })
    const x509 = yield* attempt("the certificate cannot be read", () => new X509Certificate(cert))
    const privateKey = yield* attempt("the key cannot be read", () => createPrivateKey(Redacted.value(key)))
    if (!x509.checkPrivateKey(privateKey)) {
      return yield* unusable(files, "the key does not belong to the certificate")
    }
    // What a listener would refuse (a key too short, a broken chain) is refused here.
    yield* attempt("refused by TLS", () => createSecureContext({ cert, key: Redacted.value(key) }))
    return {
      cert,
      key,
      notAfter: x509.validToDate.getTime(),
      fingerprint256: x509.fingerprint256,
      isSelfMade: isSelfMade(x509)
    }
  })

/** OpenSSL says "error:0480006C:PEM routines::no start line": the last part is for people. */
const reasonOf = (cause: unknown): string =>
  cause instanceof Error
    ? (cause.message
        .split(":")
        .findLast((part) => part !== "")
        ?.trim() ?? cause.name)
    : String(cause)

const isThere = (files: Files, path: string) =>
  Effect.gen(function* () {
    return (yield* (yield* Disk).stat(path)) !== undefined
  }).pipe(Effect.mapError((error) => unusable(files, error.message)))

const notWritten = (path: string) => (error: DiskError) =>
  new CertificateNotWritten({ path, code: error.code, reason: error.reason })

const write = (path: string, text: string) =>
  Effect.mapError(atomicWriteFile(path, Buffer.from(text), fileMode), notWritten(path))

const putInPlace = Effect.fnUntraced(function* (certPath: string, cert: string) {
  yield* write(certPath, cert)
  // It holds nothing secret, and the next one made replaces it.
  yield* Effect.ignore((yield* Disk).remove(pendingPath(certPath)))
})

/** Whether a certificate for the key that is there waited to be put in its place. */
const finishCreation = Effect.fnUntraced(function* ({ certPath, keyPath }: Files) {
  const waiting = yield* Effect.option(load({ certPath: pendingPath(certPath), keyPath }))
  if (waiting._tag === "None") return false
  yield* putInPlace(certPath, waiting.value.cert)
  yield* Effect.logInfo(`put TLS certificate ${certPath} in its place: a daemon was killed while it made it`)
  return true
})
