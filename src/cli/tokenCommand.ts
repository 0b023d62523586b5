/** `systemapi token …`: service tokens of programs (consoleStore). */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { IdentityStore, type ServiceToken, userNamePattern } from "../services/identity/IdentityStore.ts"
import { grantFault } from "../services/identity/Permission.ts"
import { ServiceTokens } from "../services/identity/ServiceTokens.ts"
import { consoleStore, type Place, refused } from "./consoleStore.ts"
import { spanSeconds, table, timeOrNull, timeText } from "./consoleText.ts"

export interface CreateToken {
  readonly name: string
  readonly place: Place
  readonly permissions: ReadonlyArray<string>
  readonly owner: string | undefined
  readonly expires: string | undefined
}

/** What should live longer is made without an end. */
const lifeMaxSeconds = 10 * 365 * 86_400

const lifeOf = (expires: string | undefined) => {
  if (expires === undefined) return Effect.undefined
  const seconds = spanSeconds(expires)
  return seconds === undefined || seconds > lifeMaxSeconds
    ? Effect.fail(
        refused(`--expires: found ${JSON.stringify(expires)}, allowed: 90s, 15m, 12h, 30d, 8w; ten years at most`)
      )
    : Effect.succeed(seconds)
}

export const create = ({ expires, name, owner, permissions, place }: CreateToken) =>
  Effect.gen(function* () {
    if (!userNamePattern.test(name)) {
      return yield* refused(
        `a token cannot be called ${JSON.stringify(name)}; allowed: 1 to 64 of a-z, 0-9, ".", "_", "@", "-", a letter or digit first`
      )
    }
    for (const grant of permissions) {
      const fault = grantFault(grant)
      if (fault !== undefined) return yield* refused(`--permission: ${JSON.stringify(grant)} ${fault}`)
    }
    const expiresInSeconds = yield* lifeOf(expires)
    const store = yield* IdentityStore
    if (owner !== undefined && !(yield* store.fresh).users.has(owner)) {
      return yield* refused(`--owner: there is no user ${owner}`)
    }
    const tokens = yield* ServiceTokens
    const { secret, token } = yield* tokens.create({
      name,
      owner,
      permissions: [...new Set(permissions)],
      expiresInSeconds
    })
    yield* Console.log(Redacted.value(secret))
    const until = token.expiresAt === undefined ? "does not expire" : `expires at ${timeText(token.expiresAt)}`
    yield* Console.error(`token ${token.id} (${name}) was made and ${until}; it is shown this once`)
  }).pipe(Effect.provide(consoleStore(place, true)))

export const revoke = ({ id, place }: { readonly id: string; readonly place: Place }) =>
  Effect.gen(function* () {
    const tokens = yield* ServiceTokens
    yield* tokens.revoke(id)
    yield* Console.error(`token ${id} is revoked`)
  }).pipe(Effect.provide(consoleStore(place, false)))

export const list = ({ json, place }: { readonly json: boolean; readonly place: Place }) =>
  Effect.gen(function* () {
    const { tokens } = yield* (yield* IdentityStore).fresh
    const now = yield* Clock.currentTimeMillis
    const all = [...tokens.values()].sort((a, b) => a.createdAt - b.createdAt)
    yield* Console.log(json ? JSON.stringify(all.map(entryOf), null, 2) : tableOf(all, now))
  }).pipe(Effect.provide(consoleStore(place, false)))

/** As `GET /v1/tokens` has it. */
const entryOf = ({ createdAt, expiresAt, id, lastUsedAt, name, owner, permissions, revokedAt }: ServiceToken) => ({
  id,
  name,
  owner: owner ?? null,
  permissions,
  created_at: timeText(createdAt),
  expires_at: timeOrNull(expiresAt),
  last_used_at: timeOrNull(lastUsedAt),
  revoked_at: timeOrNull(revokedAt)
})

const stateOf = ({ expiresAt, revokedAt }: ServiceToken, now: number): string => {
  if (revokedAt !== undefined) return "revoked"
  return expiresAt !== undefined && expiresAt <= now ? "expired" : "good"
}

const tableOf = (tokens: ReadonlyArray<ServiceToken>, now: number): string =>
  table(
    ["ID", "NAME", "STATE", "OWNER", "EXPIRES", "LAST USED", "PERMISSIONS"],
    tokens.map((token) => [
      token.id,
      token.name,
      stateOf(token, now),
      token.owner ?? "-",
      timeOrNull(token.expiresAt) ?? "never",
      timeOrNull(token.lastUsedAt) ?? "never",
      token.permissions.join(",")
    ])
  )
