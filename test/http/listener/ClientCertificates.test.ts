import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import { once } from "node:events"
import { writeFile } from "node:fs/promises"
import * as Http2 from "node:http2"
import * as Https from "node:https"
import type { Agent } from "node:https"
import { join } from "node:path"
import * as Tls from "node:tls"
import { queryObjects } from "node:v8"
import { TestClock } from "effect/testing"
import { listen } from "../../../src/http/listener/Listener.ts"
import { ShownCertificate } from "../../../src/http/listener/ShownCertificate.ts"
import type { Peer } from "../../../src/services/auth/Peer.ts"
import type { TlsVersion } from "../../../src/services/config/Config.ts"
import { Disk } from "../../../src/services/files/Disk.ts"
import type { ClientTrust } from "../../../src/services/tls/ClientTrust.ts"
import { load } from "../../../src/services/tls/ClientTrustFiles.ts"
import {
  type Authority,
  caExtensions,
  ed25519Key,
  inDays,
  type Issued,
  openssl,
  root,
  rsaKey,
  selfSigned
} from "../../harness/pki.ts"
import { curl, eventually, loopback, makeCertificate, quick, temporaryFolder } from "./harness.ts"

interface World {
  readonly folder: string
  readonly ca: Authority
  readonly port: number
  readonly url: string
  readonly handshakesFailed: () => number
  readonly open: () => number
  /** Puts other CAs and lists in force, as a reload does. */
  readonly trust: (cas: ReadonlyArray<Issued>, lists?: ReadonlyArray<string>) => Effect.Effect<void>
}

const told = (peer: Peer | undefined): string => {
  if (peer === undefined) return "nobody"
  const { _tag, certificate } = peer
  return _tag === "verified" ? `verified ${certificate.subject}` : `refused ${certificate.subject}: ${peer.reason}`
}

/** A listener that answers each request with the peer it sees. */
const world = Effect.fnUntraced(function* (
  options: { readonly required?: boolean; readonly minVersion?: TlsVersion; readonly ask?: boolean } = {}
) {
  const folder = yield* temporaryFolder
  const ca = yield* Effect.promise(() => root(folder, "root"))
  const read = Effect.fnUntraced(function* (
    cas: ReadonlyArray<Issued>,
    lists: ReadonlyArray<string>,
    before?: ClientTrust
  ) {
    const caPath = join(folder, "bundle.pem")
    const crlPath = lists.length === 0 ? undefined : join(folder, "lists.pem")
    yield* Effect.promise(() => writeFile(caPath, cas.map(({ cert }) => cert).join("")))
    if (crlPath !== undefined) yield* Effect.promise(() => writeFile(crlPath, lists.join("")))
    return yield* Effect.orDie(load({ caPath, crlPath }, before))
  }, Effect.provide(Disk.layer))
  let inForce: ClientTrust = yield* read([ca], [])
  const certificate = yield* makeCertificate("localhost")
  const bound = yield* Effect.orDie(
    listen(
      {
        address: loopback,
        certificate,
        minVersion: options.minVersion,
        limits: quick,
        ...(options.ask === false ? {} : { clients: { trust: () => inForce, required: options.required === true } })
      },
      ({ peer }) => Effect.succeed(HttpServerResponse.text(told(peer)))
    )
  )
  const port = bound.address._tag === "Tcp" ? bound.address.port : 0
  const made: World = {
    folder,
    ca,
    port,
    url: `https://127.0.0.1:${port}/`,
    handshakesFailed: () => bound.stats().handshakesFailed,
    open: () => bound.stats().open,
    trust: Effect.fnUntraced(function* (cas, lists = []) {
      inForce = yield* read(cas, lists, inForce)
      yield* Effect.orDie(bound.setSecureContext(certificate))
    })
  }
  return made
})

type Shown = Pick<Issued, "cert" | "key">

/** With the intermediates that a client sends along. */
const withChain = (client: Issued, ...chain: ReadonlyArray<Issued>): Shown => ({
  key: client.key,
  cert: [client, ...chain].map(({ cert }) => cert).join("")
})

/** One request over a connection of its own, or over that of the agent; what is not answered 200 is told with its status. */
const ask = (world: World, shown: Partial<Shown> = {}, agent: Agent | false = false): Effect.Effect<string, Error> =>
  Effect.callback((resume) => {
    const failed = (error: Error) => resume(Effect.fail(error))
    const request = Https.request(world.url, { ...shown, agent, rejectUnauthorized: false }, (response) => {
      const chunks: Array<Buffer> = []
      response.on("data", (chunk: Buffer) => chunks.push(chunk))
      response.on("end", () => {
        const text = Buffer.concat(chunks).toString()
        resume(Effect.succeed(response.statusCode === 200 ? text : `${response.statusCode} ${text}`))
      })
      response.on("error", failed)
    })
    request.on("error", failed)
    request.end()
  })

/** One connection, kept for all requests. */
const keepAlive = Effect.acquireRelease(
  Effect.sync(() => new Https.Agent({ keepAlive: true, maxSockets: 1 })),
  (agent) => Effect.sync(() => agent.destroy())
)

const session = (world: World, shown: Partial<Shown>) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const client = Http2.connect(world.url, { rejectUnauthorized: false, ...shown })
      client.on("error", () => {})
      await once(client, "remoteSettings")
      return client
    }),
    (client) => Effect.sync(() => client.destroy())
  )

const askHttp2 = (client: Http2.ClientHttp2Session): Effect.Effect<string> =>
  Effect.promise(async () => {
    const stream = client.request({ ":path": "/" })
    const chunks: Array<Buffer> = []
    stream.on("data", (chunk: Buffer) => chunks.push(chunk))
    const [headers] = await once(stream, "response")
    await once(stream, "close")
    const text = Buffer.concat(chunks).toString()
    return headers[":status"] === 200 ? text : `${headers[":status"]} ${text}`
  })

const issue = (ca: Authority, ...args: Parameters<Authority["issue"]>) => Effect.promise(() => ca.issue(...args))

const unknownCa = "no CA that is trusted here has signed it"

describe("a listener that asks for certificates", () => {
  it.live("knows clients with RSA, EC and Ed25519 keys over both protocols, and who shows none", () =>
    Effect.gen(function* () {
      const here = yield* world()
      for (const [name, key] of [
        ["rsa", rsaKey],
        ["ec", undefined],
        ["ed", ed25519Key]
      ] as const) {
        const client = yield* issue(here.ca, name, key === undefined ? {} : { key })
        assert.strictEqual(yield* ask(here, client), `verified CN=${name}`)
        assert.strictEqual(yield* askHttp2(yield* session(here, client)), `verified CN=${name}`)
        for (const version of ["--http2", "--http1.1"]) {
          const { out } = yield* curl("-k", version, "--cert", client.certPath, "--key", client.keyPath, here.url)
          assert.strictEqual(out, `verified CN=${name}`)
        }
      }
      assert.strictEqual(yield* ask(here), "nobody")
      assert.strictEqual(yield* askHttp2(yield* session(here, {})), "nobody")
      assert.strictEqual(here.handshakesFailed(), 0)
    })
  )

  it.live("refuses what is wrong with a certificate and lets the request decide what that means", () =>
    Effect.gen(function* () {
      const here = yield* world()
      const stranger = yield* Effect.promise(() => root(here.folder, "stranger"))
      // The same name as ours, another key.
      const impostor = yield* Effect.promise(() => root(here.folder, "impostor", { subject: "/CN=root" }))
      const wrong: ReadonlyArray<readonly [string, Issued, string]> = [
        ["stranger", yield* issue(stranger, "a"), unknownCa],
        ["impostor", yield* issue(impostor, "b"), unknownCa],
        ["self-signed", yield* Effect.promise(() => selfSigned(here.folder, "c")), unknownCa],
        ["expired", yield* issue(here.ca, "d", { start: inDays(-9), end: inDays(-1) }), "it has expired"],
        ["not yet", yield* issue(here.ca, "e", { start: inDays(1), end: inDays(9) }), "it is not valid yet"],
        [
          "of a server",
          yield* issue(here.ca, "f", { extensions: "extendedKeyUsage=serverAuth" }),
          "it is not for clients (extendedKeyUsage)"
        ],
        [
          "for other keys than signatures",
          yield* issue(here.ca, "g", { extensions: "keyUsage=critical,keyCertSign" }),
          "refused in the TLS handshake: INVALID_PURPOSE"
        ]
      ]
      for (const [what, client, reason] of wrong) {
        const name = /CN=(\w+)/u.exec(yield* ask(here, client))?.[1]
        assert.strictEqual(yield* ask(here, client), `refused CN=${name}: ${reason}`, what)
        assert.strictEqual(yield* askHttp2(yield* session(here, client)), `refused CN=${name}: ${reason}`, what)
      }
      // A certificate without extendedKeyUsage is for everything.
      assert.strictEqual(
        yield* ask(here, yield* issue(here.ca, "any", { extensions: "basicConstraints=CA:FALSE" })),
        "verified CN=any"
      )
    })
  )

  it.live("takes several CAs, and intermediates from the client or from the bundle", () =>
    Effect.gen(function* () {
      const here = yield* world()
      const other = yield* Effect.promise(() => root(here.folder, "other"))
      const middle = yield* Effect.promise(() => here.ca.intermediate("middle"))
      const lower = yield* Effect.promise(() => middle.intermediate("lower"))
      const client = yield* issue(lower, "deep")
      yield* here.trust([here.ca, other])
      assert.strictEqual(yield* ask(here, yield* issue(other, "second")), "verified CN=second")
      assert.strictEqual(yield* ask(here, withChain(client, lower, middle)), "verified CN=deep")
      // In whatever order they come.
      assert.strictEqual(yield* ask(here, withChain(client, middle, lower)), "verified CN=deep")
      assert.strictEqual(yield* ask(here, withChain(client, lower)), `refused CN=deep: ${unknownCa}`)
      yield* here.trust([here.ca, middle])
      assert.strictEqual(yield* ask(here, withChain(client, lower)), "verified CN=deep")
      // A client is no CA, whatever it signs.
      const signing = yield* Effect.promise(() =>
        here.ca.intermediate("leaf", { extensions: "basicConstraints=CA:FALSE" })
      )
      assert.strictEqual(
        yield* ask(here, withChain(yield* issue(signing, "child"), signing)),
        "refused CN=child: the certificate that signed it may not sign such certificates"
      )
      const last = yield* Effect.promise(() =>
        here.ca.intermediate("last", { extensions: caExtensions.replace("CA:TRUE", "CA:TRUE,pathlen:0") })
      )
      const beyond = yield* Effect.promise(() => last.intermediate("beyond"))
      assert.strictEqual(yield* ask(here, withChain(yield* issue(last, "near"), last)), "verified CN=near")
      assert.match(yield* ask(here, withChain(yield* issue(beyond, "far"), beyond, last)), /^refused CN=far: /u)
    })
  )

  it.live("refuses the next request of a live connection once its certificate is revoked, and takes it back", () =>
    Effect.gen(function* () {
      const here = yield* world()
      const client = yield* issue(here.ca, "client")
      const bystander = yield* issue(here.ca, "bystander")
      const agent = yield* keepAlive
      const http2 = yield* session(here, client)
      const aside = yield* session(here, bystander)
      const all = Effect.all([ask(here, client, agent), askHttp2(http2), ask(here, client), askHttp2(aside)])
      const good = Array.from({ length: 3 }, () => "verified CN=client")
      assert.deepStrictEqual(yield* all, [...good, "verified CN=bystander"])
      const empty = yield* Effect.promise(() => here.ca.crl())
      yield* here.trust([here.ca], [empty])
      assert.deepStrictEqual(yield* all, [...good, "verified CN=bystander"])
      yield* Effect.promise(() => here.ca.revoke(client))
      yield* here.trust([here.ca], [yield* Effect.promise(() => here.ca.crl())])
      const bad = Array.from({ length: 3 }, () => "refused CN=client: it has been revoked")
      assert.deepStrictEqual(yield* all, [...bad, "verified CN=bystander"])
      assert.strictEqual(here.open(), 3)
      yield* here.trust([here.ca], [empty])
      assert.deepStrictEqual(yield* all, [...good, "verified CN=bystander"])
    })
  )

  it.live("refuses whom a revoked intermediate has signed", () =>
    Effect.gen(function* () {
      const here = yield* world()
      const middle = yield* Effect.promise(() => here.ca.intermediate("middle"))
      const client = yield* issue(middle, "client")
      const agent = yield* keepAlive
      const shown = withChain(client, middle)
      assert.strictEqual(yield* ask(here, shown, agent), "verified CN=client")
      yield* Effect.promise(() => here.ca.revoke(middle))
      const crl = yield* Effect.promise(() => here.ca.crl())
      const refused = "refused CN=client: the certificate of its CA has been revoked"
      yield* here.trust([here.ca], [crl])
      assert.strictEqual(yield* ask(here, shown, agent), refused)
      // Nor does it help to have it in the bundle.
      yield* here.trust([here.ca, middle], [crl])
      assert.strictEqual(yield* ask(here, shown, agent), refused)
      assert.strictEqual(yield* ask(here, client), refused)
    })
  )

  it.live("refuses live connections whose CA has been taken from the bundle", () =>
    Effect.gen(function* () {
      const here = yield* world()
      const next = yield* Effect.promise(() => root(here.folder, "next"))
      const client = yield* issue(here.ca, "client")
      const agent = yield* keepAlive
      const http2 = yield* session(here, client)
      yield* here.trust([here.ca, next])
      assert.strictEqual(yield* ask(here, client, agent), "verified CN=client")
      assert.strictEqual(yield* askHttp2(http2), "verified CN=client")
      yield* here.trust([next])
      assert.strictEqual(yield* ask(here, client, agent), `refused CN=client: ${unknownCa}`)
      assert.strictEqual(yield* askHttp2(http2), `refused CN=client: ${unknownCa}`)
      assert.strictEqual(yield* ask(here, client), `refused CN=client: ${unknownCa}`)
      assert.strictEqual(yield* ask(here, yield* issue(next, "new")), "verified CN=new")
    })
  )

  it.live("lets TLS judge name constraints, and asks whom it judged by another bundle to connect again", () =>
    Effect.gen(function* () {
      const here = yield* world()
      const narrow = yield* Effect.promise(() =>
        root(here.folder, "narrow", {
          extensions: `${caExtensions}\nnameConstraints=critical,permitted;DNS:example.org`
        })
      )
      const other = yield* Effect.promise(() => root(here.folder, "other"))
      const san = (name: string) => ({ extensions: `subjectAltName=DNS:${name}` })
      const inside = yield* issue(narrow, "inside", san("build.example.org"))
      const outside = yield* issue(narrow, "outside", san("build.example.com"))
      yield* here.trust([here.ca, narrow])
      const agent = yield* keepAlive
      assert.strictEqual(yield* ask(here, inside, agent), "verified CN=inside")
      assert.strictEqual(yield* ask(here, outside), "refused CN=outside: refused in the TLS handshake: UNSPECIFIED")
      yield* here.trust([here.ca, narrow, other])
      assert.match(yield* ask(here, inside, agent), /^refused CN=inside: the CA bundle has changed since/u)
      assert.strictEqual(yield* ask(here, inside), "verified CN=inside")
    })
  )

  it.effect("refuses a certificate that ends while its connection lives", () =>
    Effect.gen(function* () {
      const here = yield* world()
      const client = yield* issue(here.ca, "client", { end: inDays(2) })
      // Not before: what is issued in this second is not valid in the one before.
      yield* TestClock.setTime(Date.now())
      const agent = yield* keepAlive
      assert.strictEqual(yield* ask(here, client, agent), "verified CN=client")
      yield* TestClock.adjust("47 hours")
      assert.strictEqual(yield* ask(here, client, agent), "verified CN=client")
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(yield* ask(here, client, agent), "refused CN=client: it has expired")
      // A clock that was put right again.
      yield* TestClock.setTime(Date.now())
      assert.strictEqual(yield* ask(here, client, agent), "verified CN=client")
      // The root ends after 30 days.
      yield* TestClock.adjust("31 days")
      assert.strictEqual(yield* ask(here, client, agent), "refused CN=client: it has expired")
    })
  )

  it.live("judges a client that connects again by what is in force, and resumes no session of it", () =>
    Effect.gen(function* () {
      const here = yield* world()
      const middle = yield* Effect.promise(() => here.ca.intermediate("middle"))
      for (const maxVersion of ["TLSv1.2", "TLSv1.3"] as const) {
        const client = yield* issue(middle, "client")
        const shown = withChain(client, middle)
        yield* here.trust([here.ca, middle])
        const first = yield* resumable(here, { ...shown, maxVersion })
        assert.strictEqual(first.text, "verified CN=client")
        assert.isDefined(first.session)
        const again = { ...shown, maxVersion, session: first.session }
        const second = yield* resumable(here, again)
        assert.deepStrictEqual([second.text, second.isReused], ["verified CN=client", false])
        yield* Effect.promise(() => middle.revoke(client))
        yield* here.trust([here.ca, middle], [yield* Effect.promise(() => middle.crl())])
        const third = yield* resumable(here, again)
        assert.deepStrictEqual([third.text, third.isReused], ["refused CN=client: it has been revoked", false])
      }
    })
  )
})

/** A request by hand, with the session that the server offered for the next time. */
const resumable = (world: World, options: Tls.ConnectionOptions) =>
  Effect.promise(async () => {
    const socket = Tls.connect({ host: "127.0.0.1", port: world.port, rejectUnauthorized: false, ...options })
    let session: Buffer | undefined
    socket.on("session", (offered: Buffer) => {
      session = offered
    })
    const chunks: Array<Buffer> = []
    socket.on("data", (chunk: Buffer) => chunks.push(chunk))
    await once(socket, "secureConnect")
    const isReused = socket.isSessionReused()
    socket.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    await once(socket, "close")
    return { text: Buffer.concat(chunks).toString().split("\r\n\r\n")[1], session, isReused }
  })

describe("connections with certificates", () => {
  it.live("are not resumed by openssl either, as those without are", () =>
    Effect.gen(function* () {
      const resumed = Effect.fnUntraced(function* (here: World) {
        const client = yield* issue(here.ca, "client")
        const session = join(here.folder, "session")
        const own = ["-connect", `127.0.0.1:${here.port}`, "-tls1_2", "-cert", client.certPath, "-key", client.keyPath]
        const first = yield* Effect.promise(() => openssl("s_client", ...own, "-sess_out", session))
        const second = yield* Effect.promise(() => openssl("s_client", ...own, "-sess_in", session))
        return [first, second].map((text) => /^(New|Reused), TLSv1\.2/mu.exec(text)?.[1])
      })
      assert.deepStrictEqual(yield* resumed(yield* world()), ["New", "New"])
      assert.deepStrictEqual(yield* resumed(yield* world({ ask: false })), ["New", "Reused"])
    })
  )

  it.live("leave nothing behind, served or refused", () =>
    Effect.gen(function* () {
      const here = yield* world()
      const stranger = yield* Effect.promise(() => root(here.folder, "stranger"))
      const middle = yield* Effect.promise(() => here.ca.intermediate("middle"))
      const shown = [withChain(yield* issue(middle, "good"), middle), yield* issue(stranger, "bad")]
      yield* Effect.forEach(
        Array.from({ length: 400 }, (_, n) => n),
        (n) => ask(here, shown[n % 2]),
        { concurrency: 8 }
      )
      yield* eventually(() => here.open() === 0)
      // Looks after the collector has been everywhere.
      assert.isAtMost(queryObjects(ShownCertificate, { format: "count" }), 16)
    })
  )
})

describe("a listener that demands certificates", () => {
  it.live("ends the handshake without one, and with one that is refused", () =>
    Effect.gen(function* () {
      const here = yield* world({ required: true })
      const client = yield* issue(here.ca, "client")
      const revoked = yield* issue(here.ca, "revoked")
      yield* Effect.promise(() => here.ca.revoke(revoked))
      yield* here.trust([here.ca], [yield* Effect.promise(() => here.ca.crl())])
      assert.strictEqual(yield* ask(here, client), "verified CN=client")
      const stranger = yield* Effect.promise(() => root(here.folder, "stranger"))
      for (const shown of [{}, yield* issue(stranger, "x"), revoked])
        assert.instanceOf(yield* Effect.flip(ask(here, shown)), Error)
      const none = yield* curl("-k", here.url)
      assert.notStrictEqual(none.exit, 0)
      yield* eventually(() => here.open() === 0)
      assert.strictEqual(here.handshakesFailed(), 4)
    })
  )

  it.live("serves nothing more over a connection whose certificate has been revoked", () =>
    Effect.gen(function* () {
      const here = yield* world({ required: true })
      const client = yield* issue(here.ca, "client")
      const agent = yield* keepAlive
      const http2 = yield* session(here, client)
      assert.strictEqual(yield* ask(here, client, agent), "verified CN=client")
      assert.strictEqual(yield* askHttp2(http2), "verified CN=client")
      yield* Effect.promise(() => here.ca.revoke(client))
      yield* here.trust([here.ca], [yield* Effect.promise(() => here.ca.crl())])
      const refused = "refused CN=client: it has been revoked"
      assert.strictEqual(yield* ask(here, client, agent), refused)
      assert.strictEqual(yield* askHttp2(http2), refused)
      yield* eventually(() => here.open() === 0)
    })
  )
})

describe("a listener that asks for none", () => {
  it.live("does not ask, and sees nobody", () =>
    Effect.gen(function* () {
      const here = yield* world({ ask: false })
      const client = yield* issue(here.ca, "client")
      assert.strictEqual(yield* ask(here, client), "nobody")
      const seen = yield* Effect.promise(() => openssl("s_client", "-connect", `127.0.0.1:${here.port}`))
      assert.include(seen, "No client certificate CA names sent")
      assert.notInclude(seen, "Requested Signature Algorithms")
    })
  )

  it.live("speaks no version below the least", () =>
    Effect.gen(function* () {
      const here = yield* world({ ask: false, minVersion: "1.3" })
      assert.notStrictEqual((yield* curl("-k", "--tls-max", "1.2", here.url)).exit, 0)
      assert.strictEqual((yield* curl("-k", here.url)).out, "nobody")
    })
  )
})
