/**
 * `[auth]`, `[roles]`, `[[certificates]]`, `[cors]`, `[rate_limits]` and `[audit]`: who may come in, what they may do and
 * what is written down about it. The rules between their keys, and between them and the listeners, are in
 * resolveIdentity.ts and resolveListeners.ts.
 */
import * as Schema from "effect/Schema"
import { boolean, choice, integer, key, number, optional, path, required, secretFileOrNone, text } from "./keys.ts"

const day_s = 86_400

/** A name in tokens, log lines and URLs: one plain word. */
export const plainNamePattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/u
export const plainNameAllowed = "1 to 64 letters, digits, dots, underscores and dashes, the first a letter or a digit"

const plainName = Schema.String.check(Schema.isPattern(plainNamePattern)).annotate({ allowed: plainNameAllowed })

/** More than there are kinds of people on a machine; each is compiled at every reload. */
export const rolesMax = 256

/** A role that names more things one by one wants a pattern. */
const grantsMax = 1024

/** Certificates are compared one after the other, at each handshake. */
const certificatesMax = 1024

/** Each origin is compared with those of every request of a browser. */
const originsMax = 64

/** Checked one by one when the file is resolved, so that each mistake is told with what was probably meant. */
const grants = Schema.Array(text(256).annotate({ allowed: "a permission" }))
  .check(Schema.isMaxLength(grantsMax))
  .annotate({ allowed: `an array of at most ${grantsMax} permissions` })

export const roleNames = Schema.Array(plainName).check(Schema.isMaxLength(rolesMax)).annotate({
  allowed: "an array of names of roles"
})

/** Shorter ones would be over before they are used; an access token that is longer is a password. */
const tokenHours = number(0.01, 720)
const refreshTokenHours = number(0.01, 8784)

const claim = text(256).check(Schema.isMinLength(1)).annotate({ allowed: "text of 1 to 256 characters" })

export const Auth = Schema.Struct({
  identity_path: optional(path, {
    description:
      "File of users, service tokens, sessions, keys and approvals; daemons of one machine may share it. Default: identity.sqlite in store.directory."
  }),
  jwt_secret: key(text(), "", {
    description:
      'Secret that signs access tokens with HS256, 32 bytes at least. "": the environment\'s JWT_SECRET, else one is made and kept in identity_path.',
    secret: true
  }),
  jwt_secret_path: key(secretFileOrNone, "", {
    description: 'File with that secret instead, which only its owner may read. "" for none.'
  }),
  jwt_algorithm: key(choice(["HS256", "EdDSA"]), "HS256", {
    description:
      "How access tokens are signed. EdDSA keys are made, kept in identity_path and shown at the JWKS endpoint."
  }),
  jwt_issuer: key(claim, "systemapi", { description: "Who made a token (iss); tokens of others are refused." }),
  jwt_audience: key(claim, "systemapi", { description: "Whom a token is for (aud); tokens for others are refused." }),
  token_expiry_hours: key(tokenHours, 24, { description: "How long an access token is good; 0.25 is 15 minutes." }),
  refresh_token_expiry_hours: key(refreshTokenHours, 168, {
    description: "How long a login can be refreshed; no shorter than token_expiry_hours."
  }),
  development_users: key(boolean, false, {
    description:
      "Have the users admin/admin123, operator/operator123 and developer/dev123. On loopback and UNIX sockets alone."
  }),
  password_min_length: key(integer(8, 128), 12, { description: "Shortest password a user may be given." }),
  justification_required: key(grants, [], {
    description: "Permissions (patterns too) of which each use must say why, in the X-Justification header.",
    live: true
  }),
  approval_required: key(grants, [], {
    description: "Permissions (patterns too) of which each use must be approved by somebody else.",
    live: true
  }),
  approval_ttl_s: key(integer(10, 30 * day_s), 3600, {
    description: "How long a request waits for its approval, and an approval for its use."
  }),
  mtls_enabled: key(boolean, false, {
    description: "Ask for client certificates on every TLS listener that has no client_ca_path of its own."
  }),
  mtls_ca_cert: key(secretFileOrNone, "", {
    description: 'CA certificates those are checked against, PEM. "" for none.'
  })
}).annotate({ description: "Users, tokens and what their use requires.", allowed: "a table" })

export type Auth = typeof Auth.Type

export const Role = Schema.Struct({
  permissions: required(grants, {
    description:
      'What it grants: permissions, or patterns with "*" at the end. "actions:run:restart_*"; "*" is everything.'
  }),
  description: key(text(), "", { description: "Shown in the list of roles." })
}).annotate({ description: "What the role grants.", allowed: "a table with the key permissions" })

export const RolesSection = Schema.Record(Schema.String, Role).annotate({
  description: "Roles by name, beside admin, operator, developer and viewer, which cannot be changed.",
  allowed: "a table"
})

/** As openssl and browsers print it, too. */
const fingerprint = Schema.String.check(
  Schema.isPattern(/^(?:[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){31}|[0-9A-Fa-f]{64})$/u)
)

const san = Schema.String.check(
  Schema.isPattern(/^(?:DNS|URI|email|IP):[^\s\p{Cc}]+$/u),
  Schema.isMaxLength(1024)
).annotate({ allowed: '"DNS:name", "URI:uri", "email:address" or "IP:address"' })

const subject = Schema.String.check(Schema.isMaxLength(1024), Schema.isPattern(/^[^\0=]+=[^\0]+$/u)).annotate({
  allowed: 'a name such as "CN=build,O=Example"'
})

export const Certificate = Schema.Struct({
  name: required(plainName, { description: "What the audit log calls whoever shows it, after `certificate:`." }),
  fingerprint: optional(
    fingerprint.annotate({ allowed: "the SHA-256 of the certificate, 64 hex digits with or without colons" }),
    { description: "SHA-256 of the certificate. One of fingerprint, san and subject names the certificate." }
  ),
  san: optional(san, { description: "One of its subject alternative names: DNS:, URI:, email: or IP: and the name." }),
  subject: optional(subject, {
    description: "Its subject, as `openssl x509 -noout -subject -nameopt RFC2253` prints it."
  }),
  roles: required(roleNames, { description: "What whoever shows it may do." })
}).annotate({ allowed: "a table with the keys name, roles and one of fingerprint, san and subject" })

export type Certificate = typeof Certificate.Type

export const Certificates = Schema.Array(Certificate)
  .check(Schema.isMaxLength(certificatesMax))
  .annotate({
    description: "Client certificates and who they are: by fingerprint, else by alternative name, else by subject.",
    allowed: `at most ${certificatesMax} [[certificates]] tables`
  })

/** What a browser puts into Origin: its own spelling, which a URL parser gives back unchanged. */
const isOrigin = (value: string): boolean =>
  /^https?:\/\//u.test(value) && URL.canParse(value) && new URL(value).origin === value

const origin = Schema.String.check(Schema.makeFilter(isOrigin), Schema.isMinLength(8)).annotate({
  allowed: 'an origin as browsers send it, such as "https://ops.example" or "http://localhost:8080"'
})

export const Cors = Schema.Struct({
  origins: key(
    Schema.Array(origin)
      .check(Schema.isMaxLength(originsMax))
      .annotate({
        allowed: `an array of at most ${originsMax} origins`
      }),
    [],
    { description: "Web pages that may call this from a browser, by their origin. There is no wildcard.", live: true }
  ),
  max_age_s: key(integer(0, day_s), 600, {
    description: "How long a browser may keep the answer to its question whether it may call.",
    live: true
  })
}).annotate({ description: "Which web pages may call.", allowed: "a table" })

const rate = integer(0, 1_000_000_000)

export const RateLimits = Schema.Struct({
  window_s: key(integer(1, 3600), 60, { description: "The limits below are for this many seconds.", live: true }),
  read: key(rate, 0, { description: "Requests that read, for each caller. 0: no limit.", live: true }),
  write: key(rate, 0, { description: "Requests that change something. 0: no limit.", live: true }),
  run: key(rate, 0, { description: "Requests that start something: actions, uploads. 0: no limit.", live: true }),
  login: key(rate, 0, {
    description: "Logins and refreshes, for each network. 0: no limit beside that on wrong ones.",
    live: true
  })
}).annotate({ description: "How often one caller may ask.", allowed: "a table" })

export const Audit = Schema.Struct({
  required: key(boolean, false, {
    description: "Refuse what cannot be recorded, instead of doing it and saying so.",
    live: true
  }),
  reads: key(boolean, false, { description: "Record who was let read, too.", live: true }),
  max_count: key(integer(0, Number.MAX_SAFE_INTEGER), 100_000, {
    description: "How many entries are kept, whatever becomes of other events. 0: no limit.",
    live: true
  }),
  max_age_s: key(integer(0, Number.MAX_SAFE_INTEGER), 365 * day_s, {
    description: "Entries older than this many seconds are removed. 0: no limit.",
    live: true
  })
}).annotate({ description: "What is kept of who did what.", allowed: "a table" })
