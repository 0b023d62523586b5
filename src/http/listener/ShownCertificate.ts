/**
 * The certificate that the client of one connection has shown, and what is thought of it at this request. The judgement
 * is kept with the connection while the material it was made by is in force and until a date on the way to the CA comes
 * or goes: until then a request costs two comparisons.
 *
 * It never throws: a certificate that cannot be read is one that is refused.
 */
import type { X509Certificate } from "node:crypto"
import type { TLSSocket } from "node:tls"
import type { ClientCertificate, Peer } from "../../services/auth/Peer.ts"
import { type Bundle, type ClientTrust, judge, sentMax, type Shown } from "../../services/tls/ClientTrust.ts"
import { type ParsedCertificate, parseCertificate } from "../../services/tls/ParsedCertificate.ts"

/** What a listener judges clients' certificates by. */
export interface ClientCertificates {
  /** In force now. */
  readonly trust: () => ClientTrust
  /** Nobody is served without one. */
  readonly required: boolean
}

export class ShownCertificate {
  readonly #shown: Shown | ClientCertificate
  readonly #clients: ClientCertificates
  readonly #now: () => number
  #judgedBy: ClientTrust | undefined
  #from = 0
  #until = 0
  #peer: Peer

  private constructor(shown: Shown | ClientCertificate, clients: ClientCertificates, now: () => number) {
    this.#shown = shown
    this.#clients = clients
    this.#now = now
    this.#peer = refused("leaf" in shown ? shown.leaf.shown : shown, "it cannot be read")
  }

  /** Undefined where the client has shown none; `bundle` is what TLS has judged by. */
  static of(socket: TLSSocket, bundle: Bundle, clients: ClientCertificates, now: () => number) {
    // Once only: Node takes the chain apart as it hands it out.
    const x509 = socket.getPeerX509Certificate()
    if (x509 === undefined) return undefined
    return new ShownCertificate(shownBy(x509, bundle, socket) ?? unreadable(x509), clients, now)
  }

  /** Of the moment at which it is asked for. */
  get peer(): Peer {
    const trust = this.#clients.trust()
    const now = this.#now()
    const isJudged = trust === this.#judgedBy && now >= this.#from && now < this.#until
    if (!isJudged && "leaf" in this.#shown) this.#judge(this.#shown, trust, now)
    return this.#peer
  }

  /** Nobody is served without a certificate here, and this one is refused: the application says so, and that is the end. */
  get isEnd(): boolean {
    return this.#clients.required && this.peer._tag === "refused"
  }

  #judge(shown: Shown, trust: ClientTrust, now: number): void {
    const { from, reason, until } = judge(trust, shown, now)
    this.#judgedBy = trust
    this.#from = from
    this.#until = until
    const certificate = shown.leaf.shown
    this.#peer = reason === undefined ? { _tag: "verified", certificate } : refused(certificate, reason)
  }
}

const refused = (certificate: ClientCertificate, reason: string): Peer => ({ _tag: "refused", certificate, reason })

const shownBy = (x509: X509Certificate, bundle: Bundle, socket: TLSSocket): Shown | undefined => {
  const leaf = parsed(x509)
  if (leaf === undefined) return undefined
  const sent: Array<ParsedCertificate> = []
  let next = x509.issuerCertificate
  for (let n = 0; next !== undefined && n < sentMax; n++) {
    const certificate = parsed(next)
    // One that cannot be read leads nowhere.
    if (certificate !== undefined) sent.push(certificate)
    next = next.issuerCertificate
  }
  // In Node's types an Error, in truth OpenSSL's name for what is wrong.
  const refusal = socket.authorized ? undefined : String(socket.authorizationError)
  return { leaf, sent, bundle, refusal }
}

const parsed = (x509: X509Certificate): ParsedCertificate | undefined => {
  try {
    return parseCertificate(x509)
  } catch {
    return undefined
  }
}

/** As much as can be said of it for the audit log. */
const unreadable = (x509: X509Certificate): ClientCertificate => ({
  fingerprint: x509.fingerprint256.replaceAll(":", "").toLowerCase(),
  subject: "",
  subjectKey: "",
  sans: [],
  serial: x509.serialNumber,
  notAfter: 0
})
