import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { CurrentRoles } from "../../../src/services/identity/CurrentRoles.ts"

const deploy = (...permissions: ReadonlyArray<string>) =>
  new Map([["deploy", { name: "deploy", permissions, description: "" }]])

describe("the roles in force", () => {
  it.effect("are compiled once for each configuration, and are the new ones from its moment on", () =>
    Effect.gen(function* () {
      const { config } = yield* load(undefined, {})
      const layer = CurrentRoles.layer.pipe(
        Layer.provideMerge(CurrentConfig.layer({ ...config, roles: deploy("actions:run:deploy") }))
      )
      yield* Effect.gen(function* () {
        const roles = yield* CurrentRoles
        const current = yield* CurrentConfig
        const before = roles.get()
        assert.isTrue(before.grants(["deploy"]).has("actions:run:deploy"))
        assert.isTrue(before.grants(["viewer"]).has("events:read"))

        // Another configuration with the same roles leaves them as they are.
        current.set({ ...current.get(), listeners: [] })
        assert.strictEqual(roles.get(), before)

        current.set({ ...config, roles: deploy("events:read") })
        assert.isFalse(roles.get().grants(["deploy"]).has("actions:run:deploy"))
        assert.isTrue(roles.get().grants(["deploy"]).has("events:read"))

        current.set({ ...config, roles: new Map() })
        assert.isFalse(roles.get().grants(["deploy"]).has("events:read"))
      }).pipe(Effect.provide(layer))
    })
  )
})
