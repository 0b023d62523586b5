/**
 * Who there is: users, service tokens, logins, signing keys and approvals, durable, and shared by every process that has
 * the file open: other daemons of the machine, and `systemapi user` at its console.
 *
 * What requests are checked against is a snapshot in memory. `current` says at each use, at the price of a look into
 * the page cache, whether anybody has changed the file since: a user disabled by another process is refused at the next
 * request. Each change is one transaction, durable when it has succeeded; what it says of a state it depends on (a refresh
 * token not used yet, an approval still pending) is decided within it.
 *
 * Bounds: those of bounds.ts; of logins, `sessionsMax` for each user, the oldest ends first, and
 * `endingsMax` that have ended. What has
 * expired is removed by `prune`.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

export interface User {
  /** `userNamePattern`. */
  readonly name: string
  readonly roles: ReadonlyArray<string>
  /** PHC string of argon2id; undefined: no password, so no login. */
  readonly passwordHash: Redacted.Redacted | undefined
  readonly disabled: boolean
  /** Access tokens issued before this (UNIX milliseconds), and those of logins that began before, count no longer. */
  readonly sessionsFrom: number
  readonly createdAt: number
  readonly updatedAt: number
}

/** No colon, which other principals' ids have; no capitals, so that no two look alike. */
export const userNamePattern = /^[a-z0-9][a-z0-9._@-]{0,63}$/u

export interface ServiceToken {
  /** Public part, by which it is found and revoked. */
  readonly id: string
  readonly name: string
  /** Whoever made it and answers for it; undefined: it was made at the console of the machine. */
  readonly owner: string | undefined
  /** Grants; it never does more than these, nor more than its owner may now. */
  readonly permissions: ReadonlyArray<string>
  /** SHA-256 of the secret part, which has 256 random bits. */
  readonly hash: Uint8Array
  readonly createdAt: number
  readonly expiresAt: number | undefined
  /** To the minute. */
  readonly lastUsedAt: number | undefined
  readonly revokedAt: number | undefined
}

export interface SigningKey {
  readonly kid: string
  readonly alg: "HS256" | "EdDSA"
  /** JWK (RFC 7517) as JSON, the private part included. */
  readonly jwk: Redacted.Redacted
  readonly createdAt: number
  /** It signs no more from then on; tokens it signed still count until `expiresAt`. */
  readonly retiredAt: number | undefined
  readonly expiresAt: number | undefined
}

export interface Approval {
  readonly id: string
  /** What was asked for: the request must come again just so. */
  readonly permission: string
  readonly method: string
  /** Path and query. */
  readonly target: string
  /** SHA-256 of the body, hex. */
  readonly bodyHash: string
  readonly requester: string
  readonly requesterOwner: string
  readonly justification: string | undefined
  readonly state: "pending" | "approved" | "denied" | "used" | "expired"
  readonly decidedBy: string | undefined
  readonly decidedAt: number | undefined
  readonly createdAt: number
  readonly expiresAt: number
}

/** Everything that is asked for at each request. */
export interface Snapshot {
  readonly users: ReadonlyMap<string, User>
  /** By id; revoked ones are among them until they are pruned. */
  readonly tokens: ReadonlyMap<string, ServiceToken>
  /** In the order in which they were made; of each algorithm one is not retired. */
  readonly keys: ReadonlyArray<SigningKey>
  /** Sessions that have ended and access tokens (`jti`) that were revoked, while tokens of theirs could still live. */
  readonly endedSessions: ReadonlySet<string>
  readonly revokedTokens: ReadonlySet<string>
  readonly approvals: ReadonlyMap<string, Approval>
}

export interface NewSession {
  readonly id: string
  readonly user: string
  /** SHA-256 of the first refresh token. */
  readonly refreshHash: Uint8Array
  readonly createdAt: number
  readonly expiresAt: number
}

export interface Rotation {
  readonly session: string
  /** SHA-256 of the refresh token shown, whose signature says that it is one of this session. */
  readonly shown: Uint8Array
  /** SHA-256 of the one that takes its place. */
  readonly next: Uint8Array
  readonly now: number
  readonly expiresAt: number
  /** A token that was used less than this ago, and whose successor was never shown, may be shown again: the answer was lost. */
  readonly graceMs: number
}

export type Rotated =
  | { readonly _tag: "rotated"; readonly user: string }
  /** It is one of this session's that had been used before: the session has ended by this. */
  | { readonly _tag: "reused"; readonly user: string }
  /** No such session or token, or it has ended or expired. */
  | { readonly _tag: "unknown" }

/** The file of identities cannot be read or written now (HTTP 503), or has no room (HTTP 507). */
export class IdentityUnavailable extends Schema.TaggedError<IdentityUnavailable>()("IdentityUnavailable", {
  reason: Schema.String,
  full: Schema.Boolean
}) {
  override get message() {
    return `the identity store ${this.full ? "has no room" : "cannot be used"}: ${this.reason}`
  }
}

/** It is there already (HTTP 409). */
export class AlreadyThere extends Schema.TaggedError<AlreadyThere>()("AlreadyThere", { what: Schema.String }) {
  override get message() {
    return `${this.what} exists already`
  }
}

/** It is not there (HTTP 404). */
export class NotThere extends Schema.TaggedError<NotThere>()("NotThere", { what: Schema.String }) {
  override get message() {
    return `there is no ${this.what}`
  }
}

/** There are as many as there may be (HTTP 409). */
export class TooMany extends Schema.TaggedError<TooMany>()("TooMany", { what: Schema.String, max: Schema.Int }) {
  override get message() {
    return `there are ${this.max} ${this.what} already, which is as many as there may be`
  }
}

export interface UserChange {
  readonly roles?: ReadonlyArray<string>
  readonly disabled?: boolean
  readonly passwordHash?: Redacted.Redacted
  /** Ends every session of the user, and revokes the access tokens issued before. */
  readonly endSessions?: boolean
}

type Done<A, E = never> = Effect.Effect<A, E | IdentityUnavailable>

export class IdentityStore extends Context.Service<
  IdentityStore,
  {
    /** The snapshot, if nobody has changed the file since it was read. */
    readonly current: () => Snapshot | undefined
    /** The snapshot as of now. What must not start a fiber asks `current` first. */
    readonly fresh: Effect.Effect<Snapshot, IdentityUnavailable>

    readonly createUser: (user: User) => Done<void, AlreadyThere | TooMany>
    readonly changeUser: (name: string, change: UserChange, now: number) => Done<User, NotThere>
    /** With its sessions and its service tokens. */
    readonly deleteUser: (name: string, now: number) => Done<void, NotThere>

    readonly createToken: (token: ServiceToken) => Done<void, TooMany>
    readonly revokeToken: (id: string, now: number) => Done<void, NotThere>
    /** When tokens were last used, by id. */
    readonly touchTokens: (lastUsed: ReadonlyMap<string, number>) => Done<void>

    readonly startSession: (session: NewSession) => Done<void>
    readonly rotate: (rotation: Rotation) => Done<Rotated>
    /** Ends it, and remembers that until `until`, when its last access token has expired. */
    readonly endSession: (id: string, until: number) => Done<void>
    /** Revokes one access token. */
    readonly revokeAccess: (jti: string, until: number) => Done<void>

    /** Adds a key that signs from now on; the one of its algorithm before is retired and counts until `overlapUntil`. */
    readonly addKey: (key: SigningKey, overlapUntil: number) => Done<void>

    readonly createApproval: (approval: Approval) => Done<void, TooMany>
    /** Only while it is pending and has not expired; otherwise `undefined`, and nothing changes. */
    readonly decideApproval: (
      id: string,
      decision: { readonly state: "approved" | "denied"; readonly by: string; readonly now: number }
    ) => Done<Approval | undefined>
    /** Takes an approved one that has not expired, once: whether this call got it. */
    readonly useApproval: (id: string, now: number) => Done<boolean>

    /** Removes what has expired: a bounded number, `true` when there is more. */
    readonly prune: (now: number) => Done<boolean>
  }
>()("systemapi/services/identity/IdentityStore") {}
