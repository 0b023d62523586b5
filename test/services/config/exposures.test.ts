import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { exposures } from "../../../src/services/config/exposures.ts"
import { formatPath } from "../../../src/services/config/Problem.ts"
import { configOf } from "./support.ts"

const told = Effect.fnUntraced(function* (text: string, hasPassword: boolean) {
  const config = yield* configOf(text)
  return exposures(config, hasPassword).map(({ path, text }) => `${formatPath(path)}: ${text}`)
})

const tls = 'tls = true\ntls_cert_path = "c"\ntls_key_path = "k"\n'

describe("what a configuration exposes", () => {
  it.live("is nothing on this machine alone", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* told("", false), [])
      assert.deepStrictEqual(
        yield* told(
          '[[listeners]]\naddress = "unix:/x"\nauth = ["socket"]\n[[listeners]]\naddress = "[::1]:1"\n',
          false
        ),
        []
      )
    })
  )

  it.live("is the System API without a password, and logins without TLS", () =>
    Effect.gen(function* () {
      const open = '[general]\nlisten_addr = "0.0.0.0:3535"\n'
      const noPassword =
        "general.listen_addr: 0.0.0.0:3535 is not of this machine alone, and the System API has no password: it is open"
      const noTls =
        "general.listen_addr: 0.0.0.0:3535 takes logins and tokens without TLS: whoever is on the way reads them"
      assert.deepStrictEqual(yield* told(open, false), [noPassword, noTls])
      assert.deepStrictEqual(yield* told(open, true), [noTls])
      const listener = `[[listeners]]\naddress = ":1"\n${tls}`
      assert.lengthOf(yield* told(listener, false), 1)
      assert.deepStrictEqual(yield* told(`${listener}apis = ["identity"]\n`, false), [])
      assert.deepStrictEqual(yield* told(`${listener}auth = ["bearer"]\n`, false), [])
    })
  )

  it.live("is everybody, and users whose passwords everybody knows", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* told(
          `[auth]
development_users = true
[[listeners]]
address = "127.0.0.1:1"
[[listeners]]
address = ":2"
apis = ["system"]
auth = ["none"]
roles = ["viewer", "developer"]
force_no_auth = true
`,
          true
        ),
        [
          "auth.development_users: anybody knows the passwords of admin, operator and developer",
          "listeners[1]: :2 lets in everybody who reaches it, with the roles viewer, developer"
        ]
      )
      assert.deepStrictEqual(
        yield* told('[[listeners]]\naddress = "unix:/x"\nauth = ["socket"]\nsocket_mode = "0666"\n', true),
        ["listeners[0]: unix:/x lets in every user of this machine (mode 0666), with the roles admin"]
      )
    })
  )
})
