import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import type { ListenerConfig } from "../../../src/services/config/Config.ts"
import * as ListenAddress from "../../../src/services/config/ListenAddress.ts"
import { passedFault } from "../../../src/services/config/listenerRules.ts"
import { resolve } from "../../../src/services/config/resolve.ts"

const listener = (keys: object) => ({ listeners: [{ address: "systemd:web", ...keys }] })
const open = { auth: ["none"], roles: ["viewer"] }

const listenerOf = (keys: object, rest: object = {}): ListenerConfig => {
  const { config, problems } = resolve({ ...listener(keys), ...rest }, {}, {})
  assert.deepStrictEqual(problems, [])
  const [first] = config?.listeners ?? []
  return first ?? assert.fail("no listener")
}

const addressOf = (text: string) => Result.getOrThrow(ListenAddress.parse(text))

describe("an address of the service manager's", () => {
  it.each([
    ["systemd:", undefined],
    ["systemd:web", "web"],
    ["systemd:my api.socket", "my api.socket"]
  ] as const)("%s is read and written", (text, name) => {
    assert.deepStrictEqual(ListenAddress.parse(text), Result.succeed({ _tag: "Passed", name }))
    assert.strictEqual(ListenAddress.format(addressOf(text)), text)
    assert.isUndefined(ListenAddress.isLocal(addressOf(text)))
  })

  it.each(["systemd:a:b", "systemd:\n", "systemd:ä", `systemd:${"x".repeat(256)}`])("%j is refused", (text) => {
    assert.isTrue(Result.isFailure(ListenAddress.parse(text)))
  })

  it("is claimed by one listener alone", () => {
    const { problems } = resolve({ listeners: [{ address: "systemd:web" }, { address: "systemd:web" }] }, {}, {})
    assert.lengthOf(problems, 1)
  })

  it("lets the file say what only the socket can tell", () => {
    listenerOf(open)
    listenerOf({ auth: ["socket"] })
    listenerOf({}, { auth: { development_users: true } })
  })
})

describe("the socket that was passed", () => {
  const everywhere = addressOf("0.0.0.0:80")
  const here = addressOf("127.0.0.1:80")
  const unix = addressOf("unix:/run/a.sock")

  it("is refused for nobody's name where others reach it", () => {
    const fault = passedFault(listenerOf(open), false, everywhere)
    assert.strictEqual(
      fault,
      'found "none" on 0.0.0.0:80, allowed: on a loopback address or a UNIX socket, or with force_no_auth = true'
    )
    for (const address of [here, unix]) assert.isUndefined(passedFault(listenerOf(open), false, address))
    assert.isUndefined(passedFault(listenerOf({ ...open, force_no_auth: true }), false, everywhere))
  })

  it("is refused for the permissions of a file where there is none", () => {
    const one = listenerOf({ auth: ["socket"] })
    assert.strictEqual(passedFault(one, false, here), 'found "socket" on 127.0.0.1:80, allowed: on a UNIX socket')
    assert.isUndefined(passedFault(one, false, unix))
  })

  it("is refused for TLS on a UNIX socket", () => {
    const one = listenerOf({ tls: true, tls_cert_path: "cert.pem", tls_key_path: "key.pem" })
    assert.strictEqual(passedFault(one, false, unix), "found tls = true on a UNIX socket, allowed: false")
    assert.isUndefined(passedFault(one, false, everywhere))
  })

  it("is refused for users whose passwords everybody knows where others reach it", () => {
    const one = listenerOf({})
    assert.include(passedFault(one, true, everywhere), "auth.development_users")
    for (const address of [here, unix]) assert.isUndefined(passedFault(one, true, address))
    assert.isUndefined(passedFault(one, false, everywhere))
  })
})
