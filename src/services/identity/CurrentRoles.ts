/**
 * The roles in force: those of the contract and of `[roles]`, compiled once for each configuration. A reload that
 * changes them counts at the next request, since whoever asks gets them anew each time and keeps none.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { Roles } from "./Roles.ts"

export class CurrentRoles extends Context.Service<CurrentRoles, { readonly get: () => Roles }>()(
  "systemapi/services/identity/CurrentRoles"
) {
  static readonly layer = Layer.effect(
    CurrentRoles,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      let configured = config.get().roles
      let compiled = new Roles(configured.values())
      return CurrentRoles.of({
        get: () => {
          const { roles } = config.get()
          if (roles !== configured) {
            compiled = new Roles(roles.values())
            configured = roles
          }
          return compiled
        }
      })
    })
  )
}
