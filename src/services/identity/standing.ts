/** Whether somebody the store knows counts now, whatever they came with. */
import * as Redacted from "effect/Redacted"
import type { Claims } from "./claims.ts"
import type { Snapshot, User } from "./IdentityStore.ts"

/**
 * The salt of the development users' passwords, which tells them: no other password has it. So they are nobody wherever
 * `auth.development_users` is off, whoever added them to the store, until somebody sets another password.
 */
export const developmentSalt = Buffer.from("development-user")

export const developmentHash = `$argon2id$v=19$m=19456,t=2,p=1$${developmentSalt.toString("base64").replaceAll("=", "")}$`

export const isDevelopmentUser = ({ passwordHash }: User): boolean =>
  passwordHash !== undefined && Redacted.value(passwordHash).startsWith(developmentHash)

export type Standing =
  | { readonly _tag: "good"; readonly user: User }
  | { readonly _tag: "none"; readonly reason: string }

export const standingOf = ({ users }: Snapshot, name: string, developmentUsers: boolean): Standing => {
  const user = users.get(name)
  if (user === undefined) return none("there is no such user")
  if (user.disabled) return none("the user is disabled")
  if (!developmentUsers && isDevelopmentUser(user)) {
    return none("it is a development user, which auth.development_users does not allow")
  }
  return { _tag: "good", user }
}

/** The same, of whoever brings a token that was verified: its login must not have ended. */
export const bearerOf = (
  snapshot: Snapshot,
  { issuedAt, jti, loginAt, sid, sub }: Claims,
  developmentUsers: boolean
): Standing => {
  if (snapshot.endedSessions.has(sid)) return none("its login has ended")
  if (snapshot.revokedTokens.has(jti)) return none("it was revoked")
  const standing = standingOf(snapshot, sub, developmentUsers)
  if (standing._tag === "none") return standing
  const { createdAt, sessionsFrom } = standing.user
  // Whoever had the name before is not this user.
  return Math.min(issuedAt, loginAt) < Math.max(sessionsFrom, createdAt)
    ? none("the user's logins of that time have ended")
    : standing
}

const none = (reason: string): Standing => ({ _tag: "none", reason })
