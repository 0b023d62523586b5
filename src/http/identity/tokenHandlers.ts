/**
 * Service tokens over HTTP. The secret is told once, in the answer that makes it. Somebody else's token is, to whoever may
 * not manage them all, no token at all.
 */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Redacted from "effect/Redacted"
import * as Clock from "effect/Clock"
import { type IdentityStore, NotThere, type ServiceToken } from "../../services/identity/IdentityStore.ts"
import { grantFault } from "../../services/identity/Permission.ts"
import type { Principal } from "../../services/identity/Principal.ts"
import type { ServiceTokens } from "../../services/identity/ServiceTokens.ts"
import { NewToken } from "../api/identity/inputs.ts"
import type { CreatedToken, TokenEntry } from "../api/identity/Tokens.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { jsonReader } from "../edge/readJson.ts"
import type { Handler } from "../edge/routes.ts"
import { beyond } from "./delegation.ts"
import { identityFailure, invalid } from "./failures.ts"
import { page } from "./pages.ts"
import { askerOf, forbidden, type Recorder } from "./recording.ts"
import { timeOrNull, timeText } from "./times.ts"

export interface TokenServices {
  readonly recorder: Recorder
  readonly serviceTokens: ServiceTokens["Service"]
  readonly store: IdentityStore["Service"]
}

/** As many permissions as one token may have, each as long as it may be. */
const bodyMaxBytes = 32 * 1024

const readNewToken = jsonReader(NewToken, { maxBytes: bodyMaxBytes })

export const makeTokenHandlers = ({ recorder, serviceTokens, store }: TokenServices) => {
  const snapshot = Effect.mapError(store.fresh, identityFailure)

  const listTokens: Handler = (call) =>
    Effect.flatMap(snapshot, ({ tokens }) => {
      const seen = [...tokens.values()].filter((token) => mayManage(askerOf(call), token))
      return page(call, seen, ({ id }) => id, entryOf)
    })

  const createToken: Handler = Effect.fnUntraced(function* (call) {
    const { expires_in_seconds: lifetime, name, permissions } = yield* readNewToken(call)
    const principal = askerOf(call)
    for (const grant of permissions) {
      const fault = grantFault(grant)
      if (fault !== undefined) return yield* invalid(`permissions: ${JSON.stringify(grant)} ${fault}`)
    }
    const owner = ownerOf(principal)
    if (owner === undefined) {
      return yield* forbidden(
        call,
        `${principal.id} is no user: service tokens are made by users, who answer for them, and at the console`
      )
    }
    const lacking = beyond(principal, permissions)
    if (lacking !== undefined) {
      return yield* forbidden(call, `${principal.id} may not give ${lacking}, which it does not have`)
    }
    const now = yield* Clock.currentTimeMillis
    const ends = lifetime === undefined ? Infinity : now + lifetime * 1000
    if (principal.kind === "token" && principal.expiresAt !== undefined && ends > principal.expiresAt) {
      const left = Math.floor((principal.expiresAt - now) / 1000)
      return yield* forbidden(
        call,
        `a token does not outlive the one that makes it: expires_in_seconds is required, at most ${left}`
      )
    }
    const { secret, token } = yield* Effect.mapError(
      recorder.change(
        call,
        "token.created",
        (made) => ({ on: made.token.id, detail: `${name}: ${permissions.join(", ")}` }),
        serviceTokens.create({ name, permissions, expiresInSeconds: lifetime, owner })
      ),
      identityFailure
    )
    const body: typeof CreatedToken.Type = { ...entryOf(token), token: Redacted.value(secret) }
    return HttpServerResponse.setHeader(jsonResponse(body, 201), "cache-control", "no-store")
  })

  const revokeToken: Handler = Effect.fnUntraced(function* (call) {
    const id = call.params["token"] ?? ""
    const token = (yield* snapshot).tokens.get(id)
    if (token === undefined || !mayManage(askerOf(call), token)) {
      return yield* identityFailure(new NotThere({ what: `service token ${JSON.stringify(id.slice(0, 64))}` }))
    }
    const about = { on: id, detail: token.name }
    yield* Effect.mapError(recorder.change(call, "token.revoked", about, serviceTokens.revoke(id)), identityFailure)
    return HttpServerResponse.empty({ status: 204 })
  })

  return { listTokens, createToken, revokeToken }
}

/**
 * The user that answers for a token made by this principal: it stops with that user's rights. Who came in by the System
 * API's password, a certificate, a socket or a token of the console has none.
 */
const ownerOf = ({ id, kind, owner }: Principal): string | undefined => {
  if (kind === "user") return id
  return kind === "token" && owner !== id ? owner : undefined
}

const mayManage = ({ owner, permissions }: Principal, token: ServiceToken): boolean =>
  token.owner === owner || permissions.has("tokens:manage")

const entryOf = (token: ServiceToken): typeof TokenEntry.Type => ({
  id: token.id,
  name: token.name,
  owner: token.owner ?? null,
  permissions: token.permissions,
  created_at: timeText(token.createdAt),
  expires_at: timeOrNull(token.expiresAt),
  last_used_at: timeOrNull(token.lastUsedAt),
  revoked_at: timeOrNull(token.revokedAt)
})
