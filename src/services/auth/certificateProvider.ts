/**
 * Client certificates: whoever the configuration names for one that was verified. A verified certificate that it names
 * nobody for is nobody's: the CA may sign for others than those who may come in here.
 */
import type * as Clock from "effect/Clock"
import type { CertificateConfig } from "../config/IdentityConfig.ts"
import type { CurrentRoles } from "../identity/CurrentRoles.ts"
import { type Outcome, refused } from "./Attempt.ts"
import type { BasicSecret } from "./BasicSecret.ts"
import type { ClientCertificate } from "./Peer.ts"

export interface CertificateProviderParts {
  readonly clock: Clock.Clock
  /** What the configuration says about a certificate. */
  readonly entryOf: (certificate: ClientCertificate) => CertificateConfig | undefined
  readonly roles: CurrentRoles["Service"]
  readonly secret: BasicSecret["Service"]
}

export const makeCertificateProvider =
  ({ clock, entryOf, roles, secret }: CertificateProviderParts) =>
  (certificate: ClientCertificate): Outcome => {
    const entry = entryOf(certificate)
    if (entry === undefined) {
      return refused("certificate", "the certificate is nobody's here", certificate.subject)
    }
    const id = `certificate:${entry.name}`
    const principal = {
      id,
      kind: "certificate",
      roles: entry.roles,
      permissions: roles.get().grants(entry.roles),
      owner: id,
      provider: "certificate",
      authenticatedAt: clock.currentTimeMillisUnsafe(),
      credential: certificate.fingerprint,
      session: undefined,
      expiresAt: certificate.notAfter
    } as const
    return { _tag: "admitted", principal, secretVersion: secret.version() }
  }
