/**
 * Passwords of stored users: argon2id, a few at a time, the same work for users that do not exist; a password that was
 * right just now is known again by a keyed digest, and forgotten with the user's password.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Redacted from "effect/Redacted"
import type { IdentityUnavailable, User } from "./IdentityStore.ts"
import type { LoginLimited, PasswordRefused } from "./Sessions.ts"

export type PasswordVerdict =
  | { readonly _tag: "right"; readonly user: User }
  | { readonly _tag: "wrong"; readonly reason: string }

export class Passwords extends Context.Service<
  Passwords,
  {
    /** Decides when it is called; what needs no slow hash is an effect already done. */
    readonly verify: (
      user: string,
      password: Uint8Array,
      address: string
    ) => Effect.Effect<PasswordVerdict, LoginLimited | IdentityUnavailable>
    /** For storing: a PHC string. */
    readonly hash: (password: Uint8Array) => Effect.Effect<Redacted.Redacted, PasswordRefused | LoginLimited>
  }
>()("systemapi/services/identity/Passwords") {}
