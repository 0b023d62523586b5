/** The client certificate of a connection, as whoever decides about it needs to know it. */

/** What was shown in the handshake; `verified` says whether it stands, at this request and not only at the handshake. */
export type Peer =
  | { readonly _tag: "verified"; readonly certificate: ClientCertificate }
  /** No chain to the CA, expired, revoked. The reason is for the audit log. */
  | { readonly _tag: "refused"; readonly certificate: ClientCertificate; readonly reason: string }

export interface ClientCertificate {
  /** SHA-256 of its DER form, 64 lower-case hex digits. */
  readonly fingerprint: string
  /** RFC 2253: `CN=build,O=Example`; for people. */
  readonly subject: string
  /** The subject for comparing, as `nameKey` has it: its parts, and no text that its author could have shaped. */
  readonly subjectKey: string
  /** `DNS:name`, `URI:uri`, `email:address`, `IP:address`. */
  readonly sans: ReadonlyArray<string>
  /** Upper-case hex, as `openssl x509 -serial` prints it. */
  readonly serial: string
  /** UNIX time in milliseconds. */
  readonly notAfter: number
}
