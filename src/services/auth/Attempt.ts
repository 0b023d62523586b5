/** What is shown at one request by whoever asks, and what is decided about it. */
import type { ApiName, Principal, Provider } from "../identity/Principal.ts"
import type { Peer } from "./Peer.ts"

/** The ways in that one listener offers. */
export interface Surface {
  /** The listener's address, as in the configuration. */
  readonly address: string
  readonly providers: ReadonlyArray<Provider>
  /** Of whoever comes in by `socket` or `none`. */
  readonly roles: ReadonlyArray<string>
  /** What it mounts, where that decides in whose words it answers. */
  readonly apis?: ReadonlyArray<ApiName>
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

export interface Admitted {
  readonly _tag: "admitted"
  readonly principal: Principal
  /** For `BasicSecret.set`: only while that secret is in force may it be replaced. */
  readonly secretVersion: number
  /** Of somebody who is let in as nobody: what there is to say where being nobody is not enough. */
  readonly otherwise?: Rejected
}

export type Rejected =
  | { readonly _tag: "refused"; readonly refusal: Refusal }
  | { readonly _tag: "limited"; readonly retryAfterSeconds: number }
  /** What is needed to decide cannot be read at the moment; the reason is for the log. */
  | { readonly _tag: "unavailable"; readonly reason: string }

export type Outcome = Admitted | Rejected

/** Nothing was shown. */
export const nothingShown: Rejected = {
  _tag: "refused",
  refusal: { scheme: "none", error: undefined, reason: "no credentials", claimed: undefined }
}

export const refused = (
  scheme: Refusal["scheme"],
  reason: string,
  claimed?: string,
  error?: Refusal["error"]
): Rejected => ({ _tag: "refused", refusal: { scheme, error, reason, claimed } })
