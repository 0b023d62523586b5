/** Client certificates against the built daemon: whom they let in, and what files that change while it runs make of that. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { rename, writeFile } from "node:fs/promises"
import * as Https from "node:https"
import { join } from "node:path"
import { type Issued, root } from "../harness/pki.ts"
import { execute, start, temporaryFolder } from "./support.ts"

const replaced = (path: string, content: string) =>
  Effect.promise(async () => {
    await writeFile(`${path}.new`, content)
    await rename(`${path}.new`, path)
  })

interface Answer {
  readonly status: number
  readonly text: string
}

const ask = (
  url: string,
  shown: Partial<Pick<Issued, "cert" | "key">>,
  agent: Https.Agent | false = false
): Effect.Effect<Answer, Error> =>
  Effect.callback((resume) => {
    const failed = (error: Error) => resume(Effect.fail(error))
    const { cert, key } = shown
    const request = Https.request(url, { cert, key, agent, rejectUnauthorized: false }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () =>
        resume(Effect.succeed({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
      )
    })
    request.on("error", failed)
    request.end()
  })

const statusOf = (...args: Parameters<typeof ask>) => Effect.map(ask(...args), ({ status }) => status)

const config = (more: string) => `
[general]
tls_create_if_missing = true
tls_cert_path = "server.pem"
tls_key_path = "server.key"
basic_auth_secret_path = "secret"
[[listeners]]
address = "127.0.0.1:0"
tls = true
client_ca_path = "ca.pem"
client_crl_path = "crl.pem"
${more}
[[certificates]]
name = "reader"
subject = "CN=reader"
roles = ["viewer"]
[[certificates]]
name = "chief"
san = "DNS:chief.example"
roles = ["admin"]
`

const prepared = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const ca = yield* Effect.promise(() => root(folder, "ours"))
  yield* replaced(join(folder, "secret"), "ab".repeat(32))
  yield* replaced(join(folder, "ca.pem"), ca.cert)
  yield* replaced(join(folder, "crl.pem"), yield* Effect.promise(() => ca.crl()))
  const reader = yield* Effect.promise(() => ca.issue("reader"))
  const chief = yield* Effect.promise(() => ca.issue("chief", { extensions: "subjectAltName=DNS:chief.example" }))
  return { ca, chief, folder, reader }
})

it.live("certificates let in whom the configuration names, and a revocation counts on a live connection", () =>
  Effect.gen(function* () {
    const { ca, chief, folder, reader } = yield* prepared
    const nobody = yield* Effect.promise(() => ca.issue("nobody"))
    const stranger = yield* Effect.promise(async () =>
      (await root(folder, "stranger")).issue("reader2", { subject: "/CN=reader" })
    )
    const daemon = yield* start({ folder, config: config("") })
    const events = `${daemon.url}/api/v1/events`
    assert.strictEqual(yield* statusOf(events, reader), 200)
    assert.strictEqual(yield* statusOf(events, chief), 200)
    for (const other of [{}, nobody, stranger]) assert.strictEqual(yield* statusOf(events, other), 401)
    const addEvent = `${daemon.url}/api/v1/new_event?message=hello`
    assert.strictEqual(yield* statusOf(addEvent, reader), 403)
    assert.strictEqual(yield* statusOf(addEvent, chief), 200)
    const agent = new Https.Agent({ keepAlive: true, maxSockets: 1 })
    yield* Effect.addFinalizer(() => Effect.sync(() => agent.destroy()))
    assert.strictEqual(yield* statusOf(events, reader, agent), 200)

    yield* Effect.promise(() => ca.revoke(reader))
    yield* replaced(join(folder, "crl.pem"), yield* Effect.promise(() => ca.crl()))
    yield* daemon.signal("SIGHUP")
    yield* daemon.says(/client CAs ca\.pem replaced: 1 CA certificates, 1 revoked in 1 lists/u)
    assert.strictEqual(yield* statusOf(events, reader, agent), 401)
    assert.strictEqual(yield* statusOf(events, reader), 401)
    assert.strictEqual(yield* statusOf(events, chief), 200)

    // A list that is none changes nothing, and shows.
    yield* replaced(join(folder, "crl.pem"), "nonsense")
    yield* daemon.signal("SIGHUP")
    yield* daemon.says(/not reloaded: crl\.pem: no revocation list is in it/u)
    assert.strictEqual(yield* statusOf(events, reader, agent), 401)
    assert.strictEqual(yield* statusOf(events, chief), 200)
    const ready = yield* ask(`${daemon.url}/readyz`, chief)
    assert.strictEqual(ready.status, 503)
    assert.include(ready.text, "client CAs and revocation lists not replaced, the old ones stay: crl.pem: ")
    assert.include((yield* ask(`${events}?tail=5`, chief)).text, "not reloaded: crl.pem: no revocation list is in it")
  })
)

it.live("a listener that demands certificates talks to nobody else", () =>
  Effect.gen(function* () {
    const { chief, folder } = yield* prepared
    const daemon = yield* start({ folder, config: config('client_certificate = "required"\ntls_min_version = "1.3"') })
    assert.strictEqual(yield* statusOf(`${daemon.url}/livez`, chief), 200)
    assert.instanceOf(yield* Effect.flip(ask(`${daemon.url}/livez`, {})), Error)
    const { code } = yield* execute("curl", [
      "-sk",
      "--tls-max",
      "1.2",
      "--cert",
      chief.certPath,
      "--key",
      chief.keyPath,
      daemon.url
    ])
    assert.notStrictEqual(code, 0)
  })
)
