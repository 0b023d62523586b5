/**
 * The three users of the Provisioning API's document, whose passwords everybody knows: added at start where
 * `auth.development_users` says so, removed at start where it does not. Nothing depends on the removal, as they count
 * nowhere else (standing.ts); it keeps lists of users true.
 *
 * A name that is taken by another user stays that user's. Where the store cannot be used, the start goes on without.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { IdentityStore } from "./IdentityStore.ts"
import { developmentHash, isDevelopmentUser } from "./standing.ts"

/** argon2id of admin123, operator123 and dev123, which are no secrets. */
const developmentUsers = [
  { name: "admin", role: "admin", hash: "Cd7HraxFmaruLiglilNzGm4DtFSVF5tSWeImvkVWiAM" },
  { name: "operator", role: "operator", hash: "3ApldbU42V0GTjC3Bo8el80yd1wc0GZQ2h8UNvp8kuA" },
  { name: "developer", role: "developer", hash: "4SFFaLn49Rex7QM7vegozqz6Ow6KV4wNAZ2OwEyF5JE" }
]

const add = Effect.gen(function* () {
  const store = yield* IdentityStore
  const now = yield* Clock.currentTimeMillis
  for (const { hash, name, role } of developmentUsers) {
    const user = {
      name,
      roles: [role],
      passwordHash: Redacted.make(`${developmentHash}${hash}`),
      disabled: false,
      sessionsFrom: now,
      createdAt: now,
      updatedAt: now
    }
    yield* Effect.catchTag(store.createUser(user), "AlreadyThere", () => Effect.void)
  }
})

const remove = Effect.gen(function* () {
  const store = yield* IdentityStore
  const now = yield* Clock.currentTimeMillis
  for (const user of (yield* store.fresh).users.values()) {
    if (!isDevelopmentUser(user)) continue
    yield* Effect.catchTag(store.deleteUser(user.name, now), "NotThere", () => Effect.void)
  }
})

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { development_users } = (yield* CurrentConfig).get().auth
    yield* (development_users ? add : remove).pipe(
      Effect.catch((error) => Effect.logWarning(`development users: ${error.message}`))
    )
  })
)
