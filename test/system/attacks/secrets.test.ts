/** Whatever was sent or given out as a secret is found nowhere afterwards: no log, no event, no answer, no file. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { secret, startTarget, tokensOf } from "./support.ts"

const filesUnder = async (folder: string): Promise<ReadonlyArray<string>> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))

describe("secrets", () => {
  it.live("are kept nowhere but as what cannot be turned back", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const target = yield* startTarget()
        const { token: admin } = yield* target.login("admin", "admin123")
        const password = "the password that nobody may see"
        const next = "the password that came after it"
        yield* target.ask("/v1/users", { token: admin, json: { username: "secretive", password, roles: ["operator"] } })
        const first = yield* target.login("secretive", password)
        const second = tokensOf(yield* target.ask("/v1/auth/refresh", { json: { refresh_token: first.refresh_token } }))
        const made = yield* target.ask("/v1/tokens", {
          token: second.token,
          json: { name: "kept", permissions: ["events:read"] }
        })
        const service = String(Reflect.get(Object(JSON.parse(made.body)), "token"))
        assert.strictEqual((yield* target.ask("/logs", { token: service })).status, 200)

        // And where they do not belong.
        const wrong = "a wrong guess that is a right one elsewhere"
        yield* target.ask("/v1/auth/login", { json: { username: "secretive", password: wrong } })
        yield* target.ask(`/v1/auth/me?access_token=${second.token}`)
        yield* target.ask(`/api/v1/info?token=${service}`, { token: "not-one-at-all" })
        yield* target.ask("/v1/auth/refresh", { json: { refresh_token: service } })
        yield* target.ask("/v1/auth/login", { json: { username: password, password: next } })
        yield* target.ask("/v1/auth/login", { body: `{"username":"x","password":"${wrong}"`, method: "POST" })
        yield* target.ask("/v1/auth/password", {
          token: second.token,
          json: { current_password: password, new_password: next }
        })
        const answers = [
          yield* target.ask("/v1/users", { token: admin }),
          yield* target.ask("/v1/tokens", { token: admin }),
          yield* target.ask("/v1/auth/keys", { token: admin }),
          yield* target.ask("/.well-known/jwks.json"),
          yield* target.ask("/v1/audit?limit=1000", { token: admin }),
          yield* target.ask("/logs", { token: admin }),
          yield* target.ask("/metrics", { token: admin }),
          yield* target.ask("/api/v1/info", { token: admin })
        ]
        for (const { body, status } of answers) assert.strictEqual(status, 200, body)
        yield* target.stop

        const secrets = [password, next, wrong, service, admin, first.token, first.refresh_token, second.token]
        const shown = [...secrets, second.refresh_token, secret, "admin123", "operator123", "dev123"]
        for (const one of shown) {
          for (const { body } of answers) assert.notInclude(body, one)
          assert.notInclude(target.said(), one)
        }
        for (const path of yield* Effect.promise(() => filesUnder(target.folder))) {
          if (path.endsWith("config.toml")) continue
          const content = (yield* Effect.promise(() => readFile(path))).toString("latin1")
          for (const one of [...shown, service.slice("sa_0123456789abcdef_".length)])
            assert.notInclude(content, one, path)
        }
      })
    )
  )
})
