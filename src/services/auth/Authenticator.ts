/**
 * Decides who a request comes from: the one place where a password, a token, a certificate or a socket becomes a
 * principal. Which of these ways in there are is up to the listener.
 *
 * Credentials that were sent decide: wrong ones are refused even where the connection's certificate or socket would have
 * been enough, so that nobody acts under another name than the one given.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { PermissionSet } from "../identity/Permission.ts"
import { adminId, anonymousId, type Principal, type Provider } from "../identity/Principal.ts"
import { openGrants } from "../identity/Roles.ts"
import { BasicAuth } from "./BasicAuth.ts"
import type { Peer } from "./Peer.ts"

/** The ways in that one listener offers. */
export interface Surface {
  /** The listener's address, as in the configuration. */
  readonly address: string
  readonly providers: ReadonlyArray<Provider>
  /** Of whoever comes in by `socket` or `none`. */
  readonly roles: ReadonlyArray<string>
}

export interface Attempt {
  readonly authorization: string | undefined
  /** Of the client; empty where there is none, as on a UNIX socket. */
  readonly address: string
  /** Undefined: no certificate was shown. */
  readonly peer: Peer | undefined
  readonly surface: Surface
}

/** Why somebody is not let in; what was sent is never part of it, but for a user's name. */
export interface Refusal {
  /** What was tried; `none`: nothing. */
  readonly scheme: "none" | "basic" | "bearer" | "certificate"
  /** RFC 6750, section 3.1. */
  readonly error: "invalid_token" | "invalid_request" | undefined
  /** For the audit log, not for the client: `the token has expired`. */
  readonly reason: string
  /** Who was claimed, where that is known. */
  readonly claimed: string | undefined
}

export type Outcome =
  | {
      readonly _tag: "admitted"
      readonly principal: Principal
      /** For `BasicSecret.set`: only while that secret is in force may it be replaced. */
      readonly secretVersion: number
      /** Of somebody who is let in as nobody, although credentials were sent: the System API without a password. */
      readonly refusal?: Refusal
    }
  | { readonly _tag: "refused"; readonly refusal: Refusal }
  | { readonly _tag: "limited"; readonly retryAfterSeconds: number }
  /** What is needed to decide cannot be read at the moment. */
  | { readonly _tag: "unavailable"; readonly reason: string }

export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** Decides when it is called, not when the effect runs; what needs no waiting is an effect already done. */
    readonly authenticate: (attempt: Attempt) => Effect.Effect<Outcome>
  }
>()("systemapi/services/auth/Authenticator") {
  static readonly layer = Layer.effect(
    Authenticator,
    Effect.gen(function* () {
      const basic = yield* BasicAuth
      const open: Principal = nobody(new PermissionSet(openGrants), [])
      const admin: Principal = {
        id: adminId,
        kind: "basic",
        roles: ["admin"],
        permissions: PermissionSet.everything,
        owner: adminId,
        provider: "basic",
        authenticatedAt: 0,
        credential: undefined,
        session: undefined,
        expiresAt: undefined
      }
      return Authenticator.of({
        authenticate: (attempt) =>
          Effect.mapEager(basic.authenticate(attempt), (outcome): Outcome => {
            switch (outcome._tag) {
              case "open":
                return { _tag: "admitted", principal: open, secretVersion: outcome.secretVersion }
              case "admin":
                return { _tag: "admitted", principal: admin, secretVersion: outcome.secretVersion }
              case "limited":
                return outcome
              case "unauthorized":
                return { _tag: "refused", refusal: nothing }
            }
          })
      })
    })
  )
}

const nothing: Refusal = { scheme: "none", error: undefined, reason: "no credentials", claimed: undefined }

/** Whoever did not say who. */
export const nobody = (permissions: PermissionSet, roles: ReadonlyArray<string>): Principal => ({
  id: anonymousId,
  kind: "anonymous",
  roles,
  permissions,
  owner: anonymousId,
  provider: "none",
  authenticatedAt: 0,
  credential: undefined,
  session: undefined,
  expiresAt: undefined
})
