import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { join } from "node:path"
import { Disk } from "../../../src/services/files/Disk.ts"
import { load } from "../../../src/services/tls/ClientTrustFiles.ts"
import { caExtensions, root, selfSigned } from "../../harness/pki.ts"
import { put, temporaryFolder } from "../files/support.ts"

const loaded = (ca: string, crl?: string) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const caPath = join(folder, "ca")
    const crlPath = crl === undefined ? undefined : join(folder, "crl")
    yield* put(caPath, ca)
    if (crlPath !== undefined) yield* put(crlPath, crl ?? "")
    return yield* load({ caPath, crlPath }).pipe(
      Effect.mapError(({ message }) => message.replaceAll(`${folder}/`, "")),
      Effect.provide(Disk.layer)
    )
  })

const reason = (ca: string, crl?: string) => Effect.flip(loaded(ca, crl))

describe("the files that clients' certificates are judged by", () => {
  it.live("may hold several CAs and lists, twice over and among other text", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const one = yield* Effect.promise(() => root(folder, "one"))
      const two = yield* Effect.promise(() => root(folder, "two"))
      const middle = yield* Effect.promise(() => one.intermediate("middle"))
      const lists = yield* Effect.promise(async () => [await one.crl(), await two.crl(), await middle.crl()])
      const text = `# ours\n${one.cert}\n# theirs\n${two.cert}${one.cert}${middle.cert}`
      const { bundle, lists: read } = yield* loaded(text, lists.join("# next\n"))
      assert.deepStrictEqual(
        [bundle.roots, bundle.intermediates].map((some) => some.map(({ shown }) => shown.subject)),
        [["CN=one", "CN=two"], ["CN=middle"]]
      )
      assert.deepStrictEqual(
        read.map(({ issuer }) => issuer),
        ["CN=one", "CN=two", "CN=middle"]
      )
    })
  )

  it.live("are refused by name where anything is wrong with them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const ca = yield* Effect.promise(() => root(folder, "ours"))
      const stranger = yield* Effect.promise(() => root(folder, "stranger"))
      // The same name, another key.
      const impostor = yield* Effect.promise(() => root(folder, "impostor", { subject: "/CN=ours" }))
      const middle = yield* Effect.promise(() => ca.intermediate("middle"))
      const client = yield* Effect.promise(() => ca.issue("client"))
      const signsNoLists = yield* Effect.promise(() =>
        root(folder, "nolists", { extensions: caExtensions.replace(",cRLSign", "") })
      )
      const noCa = yield* Effect.promise(() => selfSigned(folder, "noca", { extensions: "basicConstraints=CA:FALSE" }))
      const own = yield* Effect.promise(() => ca.crl())

      assert.match(yield* reason(""), /^ca: no certificate is in it/u)
      assert.match(yield* reason(ca.key), /^ca: no certificate is in it/u)
      assert.match(yield* reason(`${ca.cert}-----BEGIN CERTIFICATE-----\nAAAA\n`), /^ca: certificate 2 cannot be read/u)
      assert.match(yield* reason(ca.cert.replace(/\n.{8}/u, "\nAAAAAAAA")), /^ca: certificate 1 cannot be read/u)
      assert.strictEqual(yield* reason(noCa.cert), "ca: CN=noca is no CA certificate")
      assert.strictEqual(yield* reason(ca.cert + client.cert), "ca: CN=client is no CA certificate")
      assert.strictEqual(
        yield* reason(stranger.cert + middle.cert),
        "ca: the CA that signed CN=middle is not in the file"
      )
      assert.match(yield* reason("x".repeat(1024 * 1024 + 1)), /^ca: is larger than 1048576 bytes$/u)

      const wrong = (crl: string) => reason(ca.cert, crl)
      assert.match(yield* wrong(ca.cert), /^crl: no revocation list is in it/u)
      assert.match(
        yield* wrong(own.replace("-----END", "----END")),
        /^crl: revocation list 1: it is empty or has no end/u
      )
      assert.match(
        yield* wrong(own.replace(/CRL-----\n.{8}/u, "CRL-----\nAAAAAAAA")),
        /^crl: revocation list 1: not a revocation list: .*; the CAs are in ca$/u
      )
      assert.match(
        yield* wrong(own + (yield* Effect.promise(() => stranger.crl()))),
        /^crl: revocation list 2: its issuer CN=stranger is no CA of ours that may sign revocation lists; /u
      )
      assert.match(
        yield* wrong(yield* Effect.promise(() => impostor.crl())),
        /^crl: revocation list 1: its signature is not that of its issuer CN=ours; /u
      )
      assert.match(
        yield* reason(signsNoLists.cert, yield* Effect.promise(() => signsNoLists.crl())),
        /is no CA of ours that may sign revocation lists/u
      )
      const missing = yield* Effect.flip(
        Effect.provide(load({ caPath: join(folder, "absent"), crlPath: undefined }), Disk.layer)
      )
      assert.strictEqual(missing.message, `${folder}/absent: no such file or directory`)
    })
  )

  it.live("are the same as before where nothing has changed, bundle and lists each for itself", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const ca = yield* Effect.promise(() => root(folder, "ours"))
      const paths = { caPath: join(folder, "bundle"), crlPath: join(folder, "lists") }
      yield* put(paths.caPath, ca.cert)
      yield* put(paths.crlPath, yield* Effect.promise(() => ca.crl()))
      const again = (before?: Effect.Success<ReturnType<typeof load>>) =>
        Effect.provide(load(paths, before), Disk.layer)
      const first = yield* again()
      assert.strictEqual(yield* again(first), first)
      yield* put(paths.crlPath, yield* Effect.promise(() => ca.crl()))
      const second = yield* again(first)
      assert.notStrictEqual(second, first)
      assert.strictEqual(second.bundle, first.bundle)
      yield* put(paths.caPath, ca.cert + (yield* Effect.promise(() => root(folder, "more"))).cert)
      assert.notStrictEqual((yield* again(second)).bundle, first.bundle)
    })
  )
})
