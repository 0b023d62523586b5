/**
 * What is asked of the identity file and what it answers, between the main thread and the storage worker, or within one
 * thread. Both ends are this program in the same version, so these are types, not schemas.
 *
 * Every answer brings along what has changed in the file since the asker last heard of it, whoever changed it: the view that the
 * main thread keeps is brought up to date before the one who asked goes on.
 */
import type { ConsoleNote } from "../../identity/ConsoleNotes.ts"
import type {
  Approval,
  NewSession,
  Rotated,
  Rotation,
  ServiceToken,
  SigningKey,
  User
} from "../../identity/IdentityStore.ts"
import type { FileIdentity } from "../KeptFile.ts"

/** As they cross threads: secrets as what they are, which a Redacted does not survive. */
export interface StoredUser extends Omit<User, "passwordHash"> {
  readonly passwordHash: string | undefined
}

export interface StoredKey extends Omit<SigningKey, "jwk"> {
  readonly jwk: string
}

export interface StoredChange {
  readonly roles: ReadonlyArray<string> | undefined
  readonly disabled: boolean | undefined
  readonly passwordHash: string | undefined
  readonly endSessions: boolean
}

export type IdentityCommand =
  /** Nothing but what has changed. */
  | { readonly tag: "refresh" }
  | { readonly tag: "create-user"; readonly user: StoredUser }
  | { readonly tag: "change-user"; readonly name: string; readonly change: StoredChange; readonly now: number }
  | { readonly tag: "delete-user"; readonly name: string; readonly now: number }
  | { readonly tag: "create-token"; readonly token: ServiceToken }
  | { readonly tag: "revoke-token"; readonly id: string; readonly now: number }
  | { readonly tag: "touch-tokens"; readonly lastUsed: ReadonlyMap<string, number> }
  | { readonly tag: "start-session"; readonly session: NewSession }
  | { readonly tag: "rotate"; readonly rotation: Rotation }
  | { readonly tag: "end-session"; readonly id: string; readonly until: number }
  | { readonly tag: "revoke-access"; readonly jti: string; readonly until: number }
  | { readonly tag: "add-key"; readonly key: StoredKey; readonly overlapUntil: number }
  | { readonly tag: "create-approval"; readonly approval: Approval }
  | {
      readonly tag: "decide-approval"
      readonly id: string
      readonly state: "approved" | "denied"
      readonly by: string
      readonly now: number
    }
  | { readonly tag: "use-approval"; readonly id: string; readonly now: number }
  | { readonly tag: "prune"; readonly now: number }
  | { readonly tag: "notes" }
  | { readonly tag: "forget-notes"; readonly through: number }

export interface IdentityRequest {
  readonly command: IdentityCommand
  /** Kept in the same transaction, if the command changed something. */
  readonly note: string | undefined
  readonly known: Known
}

/** What the asking view has. */
export interface Known {
  /** 0: nothing. */
  readonly connection: number
  readonly generation: number
  /** Descriptor of the file's WAL index, in this process; -1: not known yet. */
  readonly index: number
}

export type IdentityValue =
  | { readonly tag: "done" }
  /** What was to be made; null: it was. */
  | { readonly tag: "made"; readonly refusal: "there" | "many" | null }
  | { readonly tag: "user"; readonly user: StoredUser | null }
  /** Whether there was such a thing. */
  | { readonly tag: "found"; readonly found: boolean }
  | { readonly tag: "rotated"; readonly rotated: Rotated }
  | { readonly tag: "approval"; readonly approval: Approval | null }
  | { readonly tag: "pruned"; readonly more: boolean }
  | { readonly tag: "notes"; readonly notes: ReadonlyArray<ConsoleNote> }

/** Things of the view that may be removed, by the tables they are in. */
export type ViewKind = "user" | "token" | "key" | "session" | "access" | "approval"

/** What has changed since the generation that was known, in an order that does not matter but for `gone`. */
export interface ViewChanges {
  readonly generation: number
  /** The view begins anew with these. */
  readonly whole: boolean
  /** To be removed first. */
  readonly gone: ReadonlyArray<readonly [kind: ViewKind, id: string]>
  readonly users: ReadonlyArray<StoredUser>
  readonly tokens: ReadonlyArray<ServiceToken>
  readonly keys: ReadonlyArray<StoredKey>
  readonly endedSessions: ReadonlyArray<string>
  readonly revokedTokens: ReadonlyArray<string>
  readonly approvals: ReadonlyArray<Approval>
}

export interface ViewUpdate {
  /** Undefined: nothing has. */
  readonly changes: ViewChanges | undefined
  /** Counts the connections: with a new one the index of the one before is of no use. */
  readonly connection: number
  /** Undefined: nobody else can change it, as it is open for this process alone, or in memory. */
  readonly file: FileIdentity | undefined
  /** Of the WAL index, read before the changes were: they are no older. Undefined where it was not told how to read it. */
  readonly index: Uint8Array | undefined
}

export interface IdentityAnswer {
  readonly value: IdentityValue
  readonly update: ViewUpdate
}
