/** What the configuration says about who may come in and what they may do; parts of Config. */
import type * as Redacted from "effect/Redacted"
import type { RoleConfig } from "../identity/Roles.ts"

/** `[auth]` */
export interface AuthConfig {
  /** File of users, tokens, sessions, keys and approvals; several daemons of one machine may share it. */
  readonly identity_path: string
  /** Of the file, of `jwt_secret_path` or of the environment. Undefined: a key is made and kept in the identity store. */
  readonly jwt_secret: Redacted.Redacted | undefined
  readonly jwt_secret_path: string | undefined
  readonly jwt_algorithm: "HS256" | "EdDSA"
  readonly jwt_issuer: string
  readonly jwt_audience: string
  readonly token_expiry_s: number
  readonly refresh_token_expiry_s: number
  /** The three users of the Provisioning API's document; on loopback alone. */
  readonly development_users: boolean
  readonly password_min_length: number
  /** Grants (Permission.ts) of which each use must say why, in X-Justification. */
  readonly justification_required: ReadonlyArray<string>
  /** Grants of which each use must be approved by somebody else. */
  readonly approval_required: ReadonlyArray<string>
  /** How long a request waits for its approval, and an approval for its use. */
  readonly approval_ttl_s: number
  /** What these ask for is in the listeners' `tls.clients`. */
  readonly mtls_enabled: boolean
  readonly mtls_ca_cert: string
}

/** `[[certificates]]`: one of fingerprint, san and subject names the certificate. */
export interface CertificateConfig {
  /** The principal is `certificate:` and this. */
  readonly name: string
  /** SHA-256 of the certificate, 64 lower-case hex digits without colons. */
  readonly fingerprint: string | undefined
  /** `DNS:name`, `URI:uri`, `email:address` or `IP:address`, exactly. */
  readonly san: string | undefined
  /** As `openssl x509 -subject -nameopt RFC2253` prints it, `CN=build,O=Example`. */
  readonly subject: string | undefined
  readonly roles: ReadonlyArray<string>
}

/** `[cors]` */
export interface CorsConfig {
  /** Exactly as browsers send them: `https://ops.example`. */
  readonly origins: ReadonlyArray<string>
  readonly max_age_s: number
}

/** `[rate_limits]`: requests of one principal (or, before it is known, one network) in a window; 0: no limit. */
export interface RateLimitsConfig {
  readonly window_s: number
  readonly read: number
  readonly write: number
  readonly run: number
  readonly login: number
}

/** `[audit]` */
export interface AuditConfig {
  /** Refuse what cannot be recorded, where otherwise the daemon goes on, counts it and says that it is degraded. */
  readonly required: boolean
  /** Record grants of reading too. */
  readonly reads: boolean
  /** How many entries are kept, whatever becomes of the other events, and how old they may be; 0: no limit. */
  readonly max_count: number
  readonly max_age_s: number
}

export interface IdentityConfig {
  readonly auth: AuthConfig
  readonly roles: ReadonlyMap<string, RoleConfig>
  readonly certificates: ReadonlyArray<CertificateConfig>
  readonly cors: CorsConfig
  readonly rate_limits: RateLimitsConfig
  readonly audit: AuditConfig
}
