/**
 * The identity store for one command at the console: `systemapi user`, `token` and `key`. Works on the file itself,
 * beside a daemon that runs and where none does, so that nobody is locked out; a running daemon heeds each change at its next
 * request. What was changed is kept in the file, in the same transaction, for the daemon's audit log (ConsoleNotes).
 */
import { existsSync } from "node:fs"
import { userInfo } from "node:os"
import { join } from "node:path"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { FailureThrottle } from "../services/auth/FailureThrottle.ts"
import { SlowHash } from "../services/auth/SlowHash.ts"
import type { Config } from "../services/config/Config.ts"
import { load } from "../services/config/ConfigFile.ts"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import { AccessTokens } from "../services/identity/AccessTokens.ts"
import type { ConsoleAct } from "../services/identity/ConsoleNotes.ts"
import { CurrentRoles } from "../services/identity/CurrentRoles.ts"
import { Jwts } from "../services/identity/Jwts.ts"
import { Passwords } from "../services/identity/Passwords.ts"
import { ServiceTokens } from "../services/identity/ServiceTokens.ts"
import * as StoredIdentities from "../services/identity/StoredIdentities.ts"
import { layerAt } from "../services/storage/IdentityStorageHere.ts"
import { actOf } from "./consoleActs.ts"

/** Which identity store a command means. */
export interface Place {
  /** Its `auth.identity_path`; and the roles there are. */
  readonly config: string | undefined
  /** Folder of the event log, which it lies in where nothing else is configured. */
  readonly store: string | undefined
  /** The file itself. */
  readonly identity: string | undefined
}

/** What a command will not do; says why. */
export class Refused extends Schema.TaggedError<Refused>()("Refused", { message: Schema.String }) {}

export const refused = (message: string): Refused => new Refused({ message })

const withPlace = (config: Config, { identity, store }: Place): Config => {
  const path = identity ?? (store === undefined ? config.auth.identity_path : join(store, "identity.sqlite"))
  return { ...config, auth: { ...config.auth, identity_path: path } }
}

/** Whoever runs this, as the operating system has it; an id where it has no name. */
const whoami = (): string => {
  try {
    return `console:${userInfo().username}`
  } catch {
    return `console:${process.getuid?.() ?? "unknown"}`
  }
}

/** Everything that works on the store at `place`; a file that is missing is made where `mayMake` says so. */
export const consoleStore = (place: Place, mayMake: boolean) =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { config: configured } = yield* load(place.config, process.env, {}, "unseen")
      const config = withPlace(configured, place)
      const path = config.auth.identity_path
      if (!mayMake && !existsSync(path)) {
        return yield* refused(`there is no identity store at ${path}; --config, --store or --identity says where it is`)
      }
      const clock = yield* Clock.Clock
      const who = whoami()
      const store = StoredIdentities.layer.pipe(
        Layer.provide(
          layerAt(path, (command) => {
            const act = actOf(command)
            if (act === undefined) return undefined
            const whole: ConsoleAct = { at: clock.currentTimeMillisUnsafe(), who, ...act }
            return JSON.stringify(whole)
          })
        )
      )
      return AccessTokens.layer.pipe(
        Layer.provideMerge(Layer.mergeAll(Passwords.layer, ServiceTokens.layer, Jwts.layer)),
        Layer.provideMerge(Layer.mergeAll(store, CurrentRoles.layer, SlowHash.layer, FailureThrottle.layer)),
        Layer.provideMerge(CurrentConfig.layer(config))
      )
    })
  )
