import * as fs from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import { layer as reloaderLayer } from "../../src/actors/CertificateReloader.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { Disk } from "../../src/services/files/Disk.ts"
import type { Certificate, CertificateFiles } from "../../src/services/tls/Certificate.ts"
import { makeSelfSigned, validityMs } from "../../src/services/tls/SelfSigned.ts"
import { ServerCertificate } from "../../src/services/tls/ServerCertificate.ts"
import { mockEventLog } from "../harness/mocks.ts"
import { put, temporaryFolder, text } from "../services/files/support.ts"

const now = Date.UTC(2026, 10, 22)
const dayMs = 86_400_000

/** The reloader on files of its own, with what it publishes and what it logs to be waited for. */
const started = Effect.fnUntraced(function* (
  options: Partial<CertificateFiles> = {},
  prepare: (files: CertificateFiles) => Effect.Effect<unknown> = () => Effect.void,
  disk: Layer.Layer<Disk> = Disk.layer
) {
  yield* TestClock.setTime(now)
  const folder = yield* temporaryFolder
  const files: CertificateFiles = {
    certPath: `${folder}/cert.pem`,
    keyPath: `${folder}/key.pem`,
    createIfMissing: true,
    hosts: ["localhost"],
    ...options
  }
  yield* prepare(files)
  const lines = yield* Queue.unbounded<string>()
  const logger = Logger.make(
    ({ logLevel, message }) => void Queue.offerUnsafe(lines, `${logLevel}: ${[message].flat().join(" ")}`)
  )
  const recorded = yield* Queue.unbounded<string>()
  const eventLog = mockEventLog({ record: (message) => Effect.asVoid(Queue.offer(recorded, message)) })
  const context = yield* Layer.build(
    reloaderLayer(files).pipe(Layer.provide([Supervisor.layer, disk, eventLog]), Layer.provide(Logger.layer([logger])))
  )
  const reloader = Context.get(context, ServerCertificate)
  const published = yield* Queue.unbounded<Certificate>()
  yield* reloader.changes.pipe(
    Stream.runForEach((certificate) => Queue.offer(published, certificate)),
    Effect.forkScoped
  )
  const first = yield* Queue.take(published)
  assert.strictEqual(first.fingerprint256, reloader.current().fingerprint256)

  return {
    files,
    reloader,
    first,
    next: Queue.take(published),
    /** The next line logged that has this in it. */
    logged: (part: string) =>
      Effect.gen(function* () {
        while (true) {
          const line = yield* Queue.take(lines)
          if (line.includes(part)) return line
        }
      }),
    recorded: Queue.take(recorded),
    silent: Effect.map(Queue.clear(lines), (all) => all.filter((line) => !line.startsWith("Debug"))),
    /** Has been answered after whatever was to be done before. */
    settled: Effect.ignore(reloader.reload)
  }
})

const pair = Effect.orDie(makeSelfSigned(["localhost"]))
const replaced = (path: string, content: string) =>
  Effect.promise(async () => {
    await fs.writeFile(`${path}.new`, content)
    await fs.rename(`${path}.new`, path)
  })

describe("CertificateReloader", () => {
  it.effect("is one actor for each pair of files, and named after it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const reloader = (name: string) =>
        Layer.fresh(
          reloaderLayer({
            certPath: `${folder}/${name}.pem`,
            keyPath: `${folder}/${name}.key`,
            createIfMissing: true,
            hosts: []
          })
        )
      const context = yield* Layer.build(
        Layer.mergeAll(reloader("a"), reloader("b")).pipe(
          Layer.provide([Disk.layer, mockEventLog({})]),
          Layer.provideMerge(Supervisor.layer)
        )
      )
      assert.sameMembers(
        (yield* Context.get(context, Supervisor).report).map(({ name }) => name),
        [`certificate:${folder}/a.pem`, `certificate:${folder}/b.pem`]
      )
    })
  )

  it.effect("publishes a new pair within ten seconds", () =>
    Effect.gen(function* () {
      const { files, first, next, reloader } = yield* started()
      const { cert, key } = yield* pair
      yield* replaced(files.keyPath, Redacted.value(key))
      yield* replaced(files.certPath, cert)
      yield* TestClock.adjust("10 seconds")
      const certificate = yield* next
      assert.strictEqual(certificate.cert, cert)
      assert.notStrictEqual(certificate.fingerprint256, first.fingerprint256)
      assert.strictEqual(reloader.current().cert, cert)
      assert.isUndefined(reloader.degraded())
    })
  )

  it.effect("sees a link put elsewhere", () =>
    Effect.gen(function* () {
      const pairs = [yield* pair, yield* pair] as const
      const folder = yield* temporaryFolder
      for (const [n, { cert, key }] of pairs.entries()) {
        yield* Effect.promise(() => fs.mkdir(`${folder}/${n}`))
        yield* put(`${folder}/${n}/cert`, cert)
        yield* put(`${folder}/${n}/key`, Redacted.value(key))
      }
      yield* Effect.promise(() => fs.symlink("0", `${folder}/live`))
      const files = { certPath: `${folder}/live/cert`, keyPath: `${folder}/live/key`, createIfMissing: false }
      const { first, next } = yield* started(files)
      assert.strictEqual(first.cert, pairs[0].cert)
      yield* Effect.promise(async () => {
        await fs.symlink("1", `${folder}/new`)
        await fs.rename(`${folder}/new`, `${folder}/live`)
      })
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* next).cert, pairs[1].cert)
    })
  )

  it.effect("waits for the other half of a pair without a word", () =>
    Effect.gen(function* () {
      const { files, first, next, reloader, settled, silent } = yield* started()
      const { cert, key } = yield* pair
      yield* settled
      yield* silent
      yield* replaced(files.certPath, cert)
      for (let n = 0; n < 5; n++) {
        yield* TestClock.adjust("10 seconds")
        yield* settled
      }
      assert.deepStrictEqual(yield* silent, [])
      assert.strictEqual(reloader.current().cert, first.cert)
      yield* replaced(files.keyPath, Redacted.value(key))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* next).cert, cert)
    })
  )

  it.effect("says once that a pair stays wrong, keeps the old one and recovers", () =>
    Effect.gen(function* () {
      const { files, first, logged, next, recorded, reloader, settled, silent } = yield* started()
      const { cert, key } = yield* pair
      yield* replaced(files.certPath, cert)
      // The first look finds it wrong; the minute counts from there.
      yield* TestClock.adjust("10 seconds")
      yield* settled
      yield* TestClock.adjust("60 seconds")
      assert.strictEqual(
        yield* logged("not replaced"),
        `Error: TLS certificate not replaced, the old one stays: TLS certificate ${files.certPath} with key ${files.keyPath}: the key does not belong to the certificate`
      )
      assert.include(reloader.degraded() ?? "", "the key does not belong to the certificate")
      assert.match(yield* recorded, /^TLS certificate not replaced, the old one stays: /u)
      yield* settled
      yield* TestClock.adjust("10 minutes")
      yield* settled
      assert.deepStrictEqual(yield* silent, [])
      assert.strictEqual(reloader.current().cert, first.cert)

      yield* replaced(files.keyPath, Redacted.value(key))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* next).cert, cert)
      assert.match(yield* recorded, /^TLS certificate .* replaced, valid until /u)
      yield* settled
      assert.isUndefined(reloader.degraded())
    })
  )

  it.effect("shows at once what a reload that was asked for found wrong", () =>
    Effect.gen(function* () {
      const { files, reloader } = yield* started()
      const { cert, key } = yield* pair
      yield* replaced(files.certPath, cert)
      assert.isUndefined(reloader.degraded())
      yield* Effect.flip(reloader.reload)
      assert.include(reloader.degraded() ?? "", "the key does not belong to the certificate")
      yield* replaced(files.keyPath, Redacted.value(key))
      yield* reloader.reload
      assert.isUndefined(reloader.degraded())
    })
  )

  it.effect("answers a reload at once: changed, unchanged or what is wrong", () =>
    Effect.gen(function* () {
      const { files, first, next, reloader } = yield* started()
      assert.strictEqual(yield* reloader.reload, "unchanged")
      const { cert, key } = yield* pair
      yield* replaced(files.keyPath, Redacted.value(key))
      const half = yield* Effect.flip(reloader.reload)
      assert.include(half.message, "the key does not belong to the certificate")
      assert.strictEqual(reloader.current().cert, first.cert)
      yield* replaced(files.certPath, cert)
      assert.strictEqual(yield* reloader.reload, "changed")
      assert.strictEqual((yield* next).cert, cert)
      yield* Effect.promise(() => fs.rm(files.certPath))
      assert.include((yield* Effect.flip(reloader.reload)).message, "no such file or directory")
      assert.strictEqual(reloader.current().cert, cert)
    })
  )

  it.effect("renews its own certificate a month before it ends, for the same key", () =>
    Effect.gen(function* () {
      const { files, first, next, settled, reloader } = yield* started()
      yield* settled
      yield* TestClock.setTime(first.notAfter - 31 * dayMs)
      yield* settled
      assert.strictEqual(reloader.current().cert, first.cert)
      yield* TestClock.setTime(first.notAfter - 30 * dayMs)
      const renewed = yield* next
      assert.strictEqual(renewed.notAfter, first.notAfter - 30 * dayMs - 3_600_000 + validityMs)
      assert.strictEqual(Redacted.value(renewed.key), Redacted.value(first.key))
      assert.strictEqual(yield* text(files.certPath), renewed.cert)
      assert.strictEqual(yield* reloader.reload, "unchanged")
    })
  )

  it.effect("warns daily about a certificate that is not its own to renew", () =>
    Effect.gen(function* () {
      const { files, first, logged, settled, silent, reloader } = yield* started({ createIfMissing: false }, (files) =>
        Effect.gen(function* () {
          const { cert, key } = yield* pair
          yield* put(files.certPath, cert)
          yield* put(files.keyPath, Redacted.value(key))
        })
      )
      const end = new Date(first.notAfter).toISOString().slice(0, 10)
      yield* settled
      yield* TestClock.setTime(first.notAfter - 20 * dayMs)
      assert.strictEqual(yield* logged("ends"), `Warn: TLS certificate ${files.certPath} ends ${end}`)
      yield* TestClock.adjust("23 hours")
      yield* settled
      assert.deepStrictEqual(yield* silent, [])
      yield* TestClock.adjust("2 hours")
      assert.strictEqual(yield* logged("ends"), `Warn: TLS certificate ${files.certPath} ends ${end}`)
      yield* TestClock.setTime(first.notAfter + dayMs)
      assert.strictEqual(yield* logged("ended"), `Warn: TLS certificate ${files.certPath} ended ${end}`)
      assert.strictEqual(reloader.degraded(), `TLS certificate ${files.certPath} ended ${end}`)
      assert.strictEqual(reloader.current().cert, first.cert)
    })
  )

  it.effect("does not start without a usable pair", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(started({ createIfMissing: false }))
      assert.strictEqual(error._tag, "CertificateMissing")
    })
  )
})
