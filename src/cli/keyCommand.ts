/** `systemapi key …`: the keys that sign access tokens, without the keys (consoleStore). */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import { AccessTokens } from "../services/identity/AccessTokens.ts"
import { IdentityStore, type SigningKey } from "../services/identity/IdentityStore.ts"
import { consoleStore, type Place } from "./consoleStore.ts"
import { table, timeOrNull, timeText } from "./consoleText.ts"

export const rotate = ({ place }: { readonly place: Place }) =>
  Effect.gen(function* () {
    const tokens = yield* AccessTokens
    const kid = yield* tokens.rotate
    yield* Console.log(kid)
    yield* Console.error("it signs from now on; tokens of the key before count until they expire")
  }).pipe(Effect.provide(consoleStore(place, true)))

export const list = ({ json, place }: { readonly json: boolean; readonly place: Place }) =>
  Effect.gen(function* () {
    const { keys } = yield* (yield* IdentityStore).fresh
    yield* Console.log(json ? JSON.stringify(keys.map(entryOf), null, 2) : tableOf(keys))
  }).pipe(Effect.provide(consoleStore(place, false)))

const entryOf = ({ alg, createdAt, expiresAt, kid, retiredAt }: SigningKey) => ({
  kid,
  alg,
  created_at: timeText(createdAt),
  retired_at: timeOrNull(retiredAt),
  expires_at: timeOrNull(expiresAt)
})

const tableOf = (keys: ReadonlyArray<SigningKey>): string =>
  table(
    ["KEY", "ALGORITHM", "STATE", "CREATED", "EXPIRES"],
    keys.map(({ alg, createdAt, expiresAt, kid, retiredAt }) => [
      kid,
      alg,
      retiredAt === undefined ? "signs" : "retired",
      timeText(createdAt),
      timeOrNull(expiresAt) ?? "never"
    ])
  )
