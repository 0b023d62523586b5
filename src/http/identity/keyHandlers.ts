/** Keys that sign access tokens, over HTTP: the public ones for everybody, and which there are; never a secret one. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { AccessTokens } from "../../services/identity/AccessTokens.ts"
import type { IdentityStore } from "../../services/identity/IdentityStore.ts"
import type { KeyEntry } from "../api/identity/Auth.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import type { Handler } from "../edge/routes.ts"
import { identityFailure } from "./failures.ts"
import type { Recorder } from "./recording.ts"
import { timeOrNull, timeText } from "./times.ts"

export interface KeyServices {
  readonly accessTokens: AccessTokens["Service"]
  readonly recorder: Recorder
  readonly store: IdentityStore["Service"]
}

/** Whoever meets a `kid` it does not know asks anew; nobody else needs to know of a new key sooner. */
const publicKeysFresh = "public, max-age=300"

export const makeKeyHandlers = ({ accessTokens, recorder, store }: KeyServices) => {
  const jwks: Handler = () =>
    Effect.mapBoth(accessTokens.jwks, {
      onFailure: identityFailure,
      onSuccess: (keys) => HttpServerResponse.setHeader(jsonResponse(keys), "cache-control", publicKeysFresh)
    })

  const listKeys: Handler = () =>
    Effect.mapBoth(store.fresh, {
      onFailure: identityFailure,
      onSuccess: ({ keys }) =>
        jsonResponse(
          keys
            .toSorted((a, b) => b.createdAt - a.createdAt)
            .map(({ alg, createdAt, expiresAt, kid, retiredAt }): typeof KeyEntry.Type => ({
              kid,
              alg,
              created_at: timeText(createdAt),
              retired_at: timeOrNull(retiredAt),
              expires_at: timeOrNull(expiresAt)
            }))
        )
    })

  const rotateKey: Handler = (call) =>
    Effect.mapBoth(
      recorder.change(call, "key.rotated", (kid) => ({ on: kid }), accessTokens.rotate),
      {
        onFailure: identityFailure,
        onSuccess: (kid) => jsonResponse({ kid })
      }
    )

  return { jwks, listKeys, rotateKey }
}
