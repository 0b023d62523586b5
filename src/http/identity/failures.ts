/** What the errors of users, tokens and logins are over HTTP. */
import type { KeyConfigured } from "../../services/identity/AccessTokens.ts"
import type { AlreadyThere, IdentityUnavailable, NotThere, TooMany } from "../../services/identity/IdentityStore.ts"
import type { LoginLimited, PasswordRefused } from "../../services/identity/Sessions.ts"
import { failure, type HttpFailure, invalid } from "../edge/HttpFailure.ts"

/** The store is opened anew, or its lock is free again, within a second. */
const retrySoon = { "retry-after": "1" }

export { invalid }

export const identityFailure = (
  error: IdentityUnavailable | AlreadyThere | NotThere | TooMany | KeyConfigured | LoginLimited | PasswordRefused
): HttpFailure => {
  switch (error._tag) {
    case "IdentityUnavailable":
      return error.full ? failure(507, error.message) : failure(503, error.message, retrySoon)
    case "AlreadyThere":
    case "TooMany":
    case "KeyConfigured":
      return failure(409, error.message)
    case "NotThere":
      return failure(404, error.message)
    case "LoginLimited":
      return failure(429, error.message, { "retry-after": String(error.retryAfterSeconds) })
    case "PasswordRefused":
      return invalid(error.message)
  }
}
