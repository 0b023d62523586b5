/**
 * Whether a client's certificate stands: a path of signatures to a root of the CA bundle, every date on it, what its
 * certificates may be used for, and what has been revoked. Asked at each request with the material and the time of then;
 * a certificate that stood when its connection began may not any more.
 *
 * OpenSSL has judged the same certificates in the handshake and knows more rules (name constraints, policies, strength of
 * keys). Both must agree: what it has refused stays refused for that connection, and where its verdict depended on
 * constraints in a bundle that has since been replaced, the client has to connect again.
 *
 * Bounds: `sentMax` certificates of the client's, `signaturesMax` signatures a judgement.
 */
import type { X509Certificate } from "node:crypto"
import { allows, isSignedBy, mayUse, type ParsedCertificate } from "./ParsedCertificate.ts"
import type { RevocationList } from "./RevocationList.ts"

/** CA certificates, taken apart. */
export interface Bundle {
  /** As TLS takes them. */
  readonly pem: string
  /** Those that signed themselves: where a path may end. */
  readonly roots: ReadonlyArray<ParsedCertificate>
  /** The others, which lead to one of the roots. */
  readonly intermediates: ReadonlyArray<ParsedCertificate>
}

/** What clients' certificates are judged by; never changed, but replaced by another. */
export interface ClientTrust {
  readonly bundle: Bundle
  readonly lists: ReadonlyArray<RevocationList>
}

/** What a client has shown in the handshake, and what TLS made of it. */
export interface Shown {
  readonly leaf: ParsedCertificate
  /** What it sent along, in whatever order. */
  readonly sent: ReadonlyArray<ParsedCertificate>
  /** By which TLS judged. */
  readonly bundle: Bundle
  /** The code of OpenSSL; undefined: it found nothing wrong. */
  readonly refusal: string | undefined
}

export interface Verdict {
  /** Undefined: the certificate stands. */
  readonly reason: string | undefined
  /** The same is true while the material is the same and the time is not before `from` and before `until`. */
  readonly from: number
  readonly until: number
}

/** Real chains have one to three. */
export const sentMax = 8

/** A path has three. More are a client that sent many of one name, to see what looking for a path costs. */
const signaturesMax = 24

const clientAuth = "1.3.6.1.5.5.7.3.2"

export const judge = (trust: ClientTrust, shown: Shown, now: number): Verdict => {
  const { bundle } = trust
  const all = [shown.leaf, ...shown.sent, ...bundle.roots, ...bundle.intermediates]
  let from = Number.NEGATIVE_INFINITY
  let until = Number.POSITIVE_INFINITY
  for (const { notAfter, notBefore } of all) {
    for (const date of [notBefore, notAfter + 1]) {
      if (date <= now) from = Math.max(from, date)
      else until = Math.min(until, date)
    }
  }
  const ours = faultOf(shown.leaf, now, "it") ?? new PathSearch(trust, shown, now).from(shown.leaf, 0)
  const theirs = shown.refusal === undefined ? undefined : `refused in the TLS handshake: ${shown.refusal}`
  return { reason: ours ?? theirs, from, until }
}

/** What is wrong with the certificate itself. */
const faultOf = (certificate: ParsedCertificate, now: number, it: string): string | undefined => {
  if (now < certificate.notBefore) return `${it} is not valid yet`
  if (now > certificate.notAfter) return `${it} has expired`
  return certificate.purposes?.has(clientAuth) === false ? `${it} is not for clients (extendedKeyUsage)` : undefined
}

const unknownCa = "no CA that is trusted here has signed it"

class PathSearch {
  readonly #trust: ClientTrust
  readonly #shown: Shown
  readonly #now: number
  readonly #issuers: ReadonlyArray<ParsedCertificate>
  readonly #path = new Set<ParsedCertificate>()
  #signatures = 0

  constructor(trust: ClientTrust, shown: Shown, now: number) {
    this.#trust = trust
    this.#shown = shown
    this.#now = now
    this.#issuers = [...trust.bundle.roots, ...trust.bundle.intermediates, ...shown.sent]
  }

  /** Undefined: there is a path from here to a root on which nothing is wrong; else why the first one is none. */
  from(child: ParsedCertificate, below: number): string | undefined {
    let reason: string | undefined
    this.#path.add(child)
    for (const issuer of this.#issuers) {
      if (this.#path.has(issuer) || !child.x509.checkIssued(issuer.x509)) continue
      if (!isKnownSigner(child, issuer)) {
        this.#signatures += 1
        if (this.#signatures > signaturesMax) return "too many certificates were sent along with it"
        if (!isSignedBy(child, issuer)) continue
        remember(child, issuer)
      }
      const fault = this.#stepFault(child, issuer, below)
      if (fault === undefined) return undefined
      reason ??= fault
    }
    this.#path.delete(child)
    return reason ?? unknownCa
  }

  #stepFault(child: ParsedCertificate, issuer: ParsedCertificate, below: number): string | undefined {
    if (!issuer.isCa || !allows(issuer, mayUse.signCertificates) || below > issuer.pathLength) {
      return "the certificate that signed it may not sign such certificates"
    }
    const { lists } = this.#trust
    if (lists.some((list) => list.authority === issuer.authority && list.has(child.serial))) {
      return child === this.#shown.leaf ? "it has been revoked" : "the certificate of its CA has been revoked"
    }
    const fault = faultOf(issuer, this.#now, "the certificate of its CA")
    if (fault !== undefined) return fault
    if (issuer.hasNameConstraints && this.#trust.bundle !== this.#shown.bundle) {
      return "the CA bundle has changed since the connection began, and its CA has name constraints"
    }
    if (this.#trust.bundle.roots.includes(issuer)) return undefined
    return this.from(issuer, below + (isSelfIssued(issuer.x509) ? 0 : 1))
  }
}

/**
 * A signature that was right stays so: after new revocations every live connection is judged anew, and only these cost
 * more than microseconds. Ends with the certificates.
 */
const signersOf = new WeakMap<ParsedCertificate, WeakSet<ParsedCertificate>>()

const isKnownSigner = (child: ParsedCertificate, issuer: ParsedCertificate): boolean =>
  signersOf.get(child)?.has(issuer) === true

const remember = (child: ParsedCertificate, issuer: ParsedCertificate): void => {
  const signers = signersOf.get(child)
  if (signers === undefined) signersOf.set(child, new WeakSet([issuer]))
  else signers.add(issuer)
}

/** A CA that certifies its own next key. */
const isSelfIssued = ({ issuer, subject }: X509Certificate): boolean => issuer === subject
