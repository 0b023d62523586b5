import { execFile } from "node:child_process"
import { generateKeyPairSync } from "node:crypto"
import * as fs from "node:fs/promises"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { Disk } from "../../../src/services/files/Disk.ts"
import { ensure, load, renew } from "../../../src/services/tls/Certificate.ts"
import {
  diskFull,
  diskWhoseFiles,
  diskWith,
  modeOf,
  names,
  put,
  temporaryFolder,
  text,
  umask
} from "../files/support.ts"

const inFolder = Effect.map(temporaryFolder, (folder) => ({
  folder,
  files: {
    certPath: `${folder}/cert.pem`,
    keyPath: `${folder}/key.pem`,
    createIfMissing: true,
    hosts: ["localhost", ""]
  }
}))

describe("Certificate.ensure", () => {
  it.live("makes both files 0600 once, and loads them from then on", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* inFolder
      yield* umask(0o000)
      const made = yield* ensure(files)
      assert.deepStrictEqual(yield* names(folder), ["cert.pem", "key.pem"])
      assert.deepStrictEqual([yield* modeOf(files.certPath), yield* modeOf(files.keyPath)], [0o600, 0o600])
      assert.isTrue(made.isSelfMade)
      assert.match(made.fingerprint256, /^([0-9A-F]{2}:){31}[0-9A-F]{2}$/u)
      const again = yield* ensure({ ...files, createIfMissing: false })
      assert.strictEqual(again.fingerprint256, made.fingerprint256)
      assert.strictEqual(again.notAfter, made.notAfter)
      assert.notInclude(JSON.stringify(again), "PRIVATE KEY")
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("says for which hosts it made one, also where none is configured", () =>
    Effect.gen(function* () {
      for (const [hosts, names] of [
        [["example.org", "", "10.0.0.1"], "DNS:example.org, IP Address:10.0.0.1"],
        [[], "DNS:localhost"]
      ] as const) {
        const { files } = yield* inFolder
        const lines: Array<string> = []
        const logger = Logger.make(({ message }) => void lines.push([message].flat().join(" ")))
        yield* Effect.provide(ensure({ ...files, hosts }), Logger.layer([logger]))
        assert.deepStrictEqual(lines, [`made a self-signed TLS certificate ${files.certPath} for ${names}`])
      }
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("names what is missing and the setting that would make it", () =>
    Effect.gen(function* () {
      const { files } = yield* inFolder
      const { certPath, keyPath } = files
      const off = yield* Effect.flip(ensure({ ...files, createIfMissing: false }))
      assert.strictEqual(
        off.message,
        `TLS certificate ${certPath} and key ${keyPath} missing: put them there, or set tls_create_if_missing = true`
      )
      yield* ensure(files)
      for (const [gone, other] of [
        [certPath, keyPath],
        [keyPath, certPath]
      ] as const) {
        const content = yield* text(gone)
        yield* Effect.promise(() => fs.rm(gone))
        const error = yield* Effect.flip(ensure(files))
        assert.strictEqual(
          error.message,
          `TLS file ${gone} missing while ${other} is there: put it back, or remove the other and set tls_create_if_missing = true`
        )
        yield* put(gone, content)
      }
      yield* ensure(files)
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("leaves nothing when it cannot write the key", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* inFolder
      let created = 0
      const broken = diskWhoseFiles((temporary) => (++created === 2 ? { sync: Effect.fail(diskFull(temporary)) } : {}))
      const error = yield* Effect.flip(ensure(files)).pipe(Effect.provide(broken))
      assert.strictEqual(error.message, `TLS certificate not made: write ${files.keyPath}: no space left on device`)
      assert.deepStrictEqual(yield* names(folder), ["cert.pem.pending"])
      yield* Effect.provide(ensure(files), Disk.layer)
      assert.deepStrictEqual(yield* names(folder), ["cert.pem", "key.pem"])
    })
  )

  it.live("finishes at the next start what a killed daemon began", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* inFolder
      // Every rename after the second fails: as if the process had ended between key and certificate.
      let renames = 0
      const killed = diskWith((real) => ({
        rename: (from, to) => (++renames > 2 ? Effect.fail(diskFull(to)) : real.rename(from, to))
      }))
      yield* Effect.flip(ensure(files)).pipe(Effect.provide(killed))
      assert.deepStrictEqual(yield* names(folder), ["cert.pem.pending", "key.pem"])
      const key = yield* text(files.keyPath)
      const finished = yield* Effect.provide(ensure(files), Disk.layer)
      assert.deepStrictEqual(yield* names(folder), ["cert.pem", "key.pem"])
      assert.strictEqual(Redacted.value(finished.key), key)
    })
  )

  it.live("keeps links: certificates are often links to the newest", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* inFolder
      yield* Effect.promise(async () => {
        await fs.mkdir(`${folder}/live`)
        await fs.symlink("live/cert", files.certPath)
        await fs.symlink("live/key", files.keyPath)
      })
      yield* ensure(files)
      assert.deepStrictEqual(yield* names(`${folder}/live`), ["cert", "key"])
      assert.isTrue((yield* Effect.promise(() => fs.lstat(files.certPath))).isSymbolicLink())
    }).pipe(Effect.provide(Disk.layer))
  )
})

describe("Certificate.load", () => {
  it.live("says what is wrong, without the content of the key", () =>
    Effect.gen(function* () {
      const { files } = yield* inFolder
      const { certPath, keyPath } = files
      yield* ensure(files)
      const [cert, key] = [yield* text(certPath), yield* text(keyPath)]
      const failure = (newCert: string, newKey: string) =>
        Effect.gen(function* () {
          yield* put(certPath, newCert)
          yield* put(keyPath, newKey)
          const { message } = yield* Effect.flip(load(files))
          assert.isTrue(message.startsWith(`TLS certificate ${certPath} with key ${keyPath}: `), message)
          return message.slice(message.indexOf(": ") + 2)
        })
      const otherKey = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
        type: "pkcs8",
        format: "pem"
      })
      const encrypted = generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey.export({
        type: "pkcs8",
        format: "pem",
        cipher: "aes-256-cbc",
        passphrase: "sesame"
      })
      assert.strictEqual(yield* failure(cert, String(otherKey)), "the key does not belong to the certificate")
      assert.include(yield* failure("", key), "the certificate cannot be read: ")
      assert.include(yield* failure(cert.slice(0, 200), key), "the certificate cannot be read: ")
      assert.include(yield* failure(cert, "nonsense"), "the key cannot be read: ")
      assert.include(yield* failure(cert, String(encrypted)), "the key cannot be read: ")
      assert.include(yield* failure(cert, "x".repeat(300_000)), "is larger than 262144 bytes")
    }).pipe(Effect.provide(Disk.layer))
  )

  it.live("takes a chain made by openssl, which is not ours to renew", () =>
    Effect.gen(function* () {
      const { files, folder } = yield* inFolder
      yield* Effect.promise(() =>
        promisify(execFile)(
          "openssl",
          "req -x509 -newkey rsa:2048 -nodes -subj /O=Acme -days 365 -keyout key.pem -out cert.pem".split(" "),
          { cwd: folder }
        )
      )
      const leaf = yield* load(files)
      yield* put(files.certPath, leaf.cert + leaf.cert)
      const chain = yield* load(files)
      assert.strictEqual(chain.fingerprint256, leaf.fingerprint256)
      assert.isFalse(chain.isSelfMade)
    }).pipe(Effect.provide(Disk.layer))
  )
})

describe("Certificate.renew", () => {
  it.live("replaces the certificate and keeps the key", () =>
    Effect.gen(function* () {
      const { files } = yield* inFolder
      const old = yield* ensure(files)
      const renewed = yield* renew(files, old)
      const loaded = yield* load(files)
      assert.notStrictEqual(renewed.fingerprint256, old.fingerprint256)
      assert.strictEqual(loaded.fingerprint256, renewed.fingerprint256)
      assert.strictEqual(Redacted.value(loaded.key), Redacted.value(old.key))
    }).pipe(Effect.provide(Disk.layer))
  )
})
