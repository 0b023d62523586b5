import { createHash, scryptSync } from "node:crypto"
import * as fs from "node:fs/promises"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import { BasicSecret, type BasicSecretOptions } from "../../../src/services/auth/BasicSecret.ts"
import { SlowHash } from "../../../src/services/auth/SlowHash.ts"
import { Disk } from "../../../src/services/files/Disk.ts"
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

const utf8 = (value: string) => new TextEncoder().encode(value)
const sha256 = (value: string) => createHash("sha256").update(value).digest("hex")
const ours = (value: string) => Redacted.make(value)

/** Cheap to verify; what the daemon itself writes costs what it must. */
const scryptOf = (secret: string) => {
  const salt = Buffer.from("saltsaltsaltsalt")
  const hash = scryptSync(secret, salt, 32, { N: 16, r: 1, p: 1 })
  const unpadded = (bytes: Buffer) => bytes.toString("base64").replaceAll("=", "")
  return `$scrypt$ln=4,r=1,p=1$${unpadded(salt)}$${unpadded(hash)}`
}

const open = (options: Partial<BasicSecretOptions> & { readonly path: string }, disk: Layer.Layer<Disk> = Disk.layer) =>
  Effect.map(
    Layer.build(
      BasicSecret.layer({ salt: ours("pepper"), format: "sha256", ...options }).pipe(
        Layer.provide([disk, SlowHash.layer])
      )
    ),
    (context) => Context.get(context, BasicSecret)
  )

describe("BasicSecret at start", () => {
  it.live("makes a missing file empty and 0600, and is open", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* umask(0o000)
      const secret = yield* open({ path: `${folder}/secret` })
      assert.strictEqual(yield* text(`${folder}/secret`), "")
      assert.strictEqual(yield* modeOf(`${folder}/secret`), 0o600)
      assert.isFalse(yield* secret.isSet)
      assert.strictEqual(secret.verifyNow(utf8("anything")), "open")
      assert.isFalse(yield* secret.verify(utf8("anything")))
    })
  )

  it.live("accepts a file of the original", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      yield* put(path, sha256("sesamepepper"), 0o600)
      const secret = yield* open({ path, format: "argon2id" })
      assert.isTrue(yield* secret.isSet)
      assert.strictEqual(secret.verifyNow(utf8("sesame")), "right")
      assert.strictEqual(secret.verifyNow(utf8("sesam")), "wrong")
      assert.isTrue(yield* secret.verify(utf8("sesame")))
      assert.isFalse(yield* secret.verify(utf8("")))
    })
  )

  it.live("accepts the test vector of the argon2 reference", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      yield* put(path, "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc")
      const secret = yield* open({ path })
      assert.isFalse(yield* secret.verify(utf8("passwort")))
      assert.isTrue(yield* secret.verify(utf8("password")))
    })
  )

  it.live("refuses anything else, naming the file and the shape of what it holds, not the content", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      yield* put(path, "hunter2\n")
      const error = yield* Effect.flip(open({ path }))
      assert.strictEqual(
        error.message,
        `basic auth secret file ${path}: found 8 bytes ending with a newline or space; allowed: an empty file (no secret set yet), 64 lowercase hex digits, or a PHC string of argon2id or scrypt, without a newline`
      )
      assert.notInclude(JSON.stringify(error), "hunter2")
      assert.strictEqual(yield* text(path), "hunter2\n")

      yield* put(path, "x".repeat(5000))
      assert.include((yield* Effect.flip(open({ path }))).message, "larger than 1024 bytes")
      yield* Effect.promise(async () => {
        await fs.rm(path)
        await fs.mkdir(path)
      })
      assert.include((yield* Effect.flip(open({ path }))).message, "is not a regular file")
      assert.include((yield* Effect.flip(open({ path: `${path}/no/file` }))).message, "no such file or directory")
    })
  )

  it.live("warns about a file that others may read", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      const lines: Array<string> = []
      const logging = Logger.layer([Logger.make(({ message }) => void lines.push(String(message)))])
      yield* put(path, "", 0o600)
      yield* Effect.provide(open({ path }), logging)
      assert.deepStrictEqual(lines, [])
      yield* Effect.promise(() => fs.chmod(path, 0o640))
      yield* Effect.provide(open({ path }), logging)
      assert.deepStrictEqual(lines, [
        `basic auth secret file ${path} is open to other users (mode 0640; 0600 is enough)`
      ])
    })
  )
})

describe("BasicSecret.set", () => {
  it.live("writes the form of the original, which counts from then on", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = `${folder}/secret`
      const secret = yield* open({ path })
      yield* secret.set(utf8("first"))
      assert.strictEqual(yield* text(path), sha256("firstpepper"))
      assert.strictEqual(yield* modeOf(path), 0o600)
      assert.strictEqual(secret.verifyNow(utf8("first")), "right")
      yield* secret.set(utf8("second"))
      assert.strictEqual(secret.verifyNow(utf8("first")), "wrong")
      assert.strictEqual(secret.verifyNow(utf8("second")), "right")
      assert.deepStrictEqual(yield* names(folder), ["secret"])
      assert.isTrue(yield* (yield* open({ path })).verify(utf8("second")))
    })
  )

  it.live.each([
    ["argon2id", /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/u],
    ["scrypt", /^\$scrypt\$ln=15,r=8,p=3\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/u]
  ] as const)("writes %s, warm at once, cold after a restart", ([format, form]) =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      const secret = yield* open({ path, format })
      yield* secret.set(utf8("sesame"))
      assert.match(yield* text(path), form)
      assert.strictEqual(secret.verifyNow(utf8("sesame")), "right")
      assert.strictEqual(secret.verifyNow(utf8("wrong")), "unknown")

      const restarted = yield* open({ path, salt: ours("another"), format: "sha256" })
      assert.strictEqual(restarted.verifyNow(utf8("sesame")), "unknown")
      assert.isFalse(yield* restarted.verify(utf8("wrong")))
      assert.strictEqual(restarted.verifyNow(utf8("sesame")), "unknown")
      assert.isTrue(yield* restarted.verify(utf8("sesame")))
      assert.strictEqual(restarted.verifyNow(utf8("sesame")), "right")
      yield* restarted.set(utf8("other"))
      assert.strictEqual(restarted.verifyNow(utf8("sesame")), "wrong")
    })
  )

  it.live("refuses what no client could send, and changes nothing", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      const secret = yield* open({ path })
      const refusal = (value: string) => Effect.map(Effect.flip(secret.set(utf8(value))), (error) => error.message)
      assert.strictEqual(yield* refusal(""), "basic auth secret refused: it is empty")
      assert.strictEqual(
        yield* refusal("x".repeat(1025)),
        "basic auth secret refused: it has 1025 bytes, 1024 are allowed"
      )
      for (const ending of ["\n", "\r\n"]) {
        assert.strictEqual(
          yield* refusal(`sesame${ending}`),
          "basic auth secret refused: it ends with a newline, which no password can contain; send it without (printf, not echo)"
        )
      }
      assert.strictEqual(
        yield* refusal("se\u007fsame"),
        "basic auth secret refused: byte 3 is a control character, which no password can contain"
      )
      assert.strictEqual(yield* text(path), "")
      assert.isFalse(yield* secret.isSet)
      yield* secret.set(utf8("x".repeat(1024)))
      yield* secret.set(utf8("pässwörd: mit Leerzeichen"))
      assert.isTrue(yield* secret.verify(utf8("pässwörd: mit Leerzeichen")))
    })
  )

  it.live("keeps the old secret when the new one cannot be written", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      yield* put(path, sha256("oldpepper"), 0o600)
      const secret = yield* open(
        { path },
        diskWhoseFiles((temporary) => ({ sync: Effect.fail(diskFull(temporary)) }))
      )
      const error = yield* Effect.flip(secret.set(utf8("new")))
      assert.strictEqual(error.message, `basic auth secret not set: write ${path}: no space left on device`)
      assert.strictEqual(secret.verifyNow(utf8("old")), "right")
      assert.strictEqual(secret.verifyNow(utf8("new")), "wrong")
      assert.strictEqual(secret.version(), 0)
    })
  )

  it.live("has the new secret on disk before it counts, also when interrupted", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      const renaming = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      yield* put(path, "", 0o600)
      const secret = yield* open(
        { path },
        diskWith((real) => ({
          rename: (from, to) =>
            Effect.andThen(Deferred.succeed(renaming, undefined), Deferred.await(goOn)).pipe(
              Effect.andThen(real.rename(from, to))
            )
        }))
      )
      const setting = yield* Effect.forkChild(secret.set(utf8("new")))
      yield* Deferred.await(renaming)
      assert.strictEqual(secret.verifyNow(utf8("new")), "open")
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(setting), { startImmediately: true })
      yield* Deferred.succeed(goOn, undefined)
      yield* Fiber.join(interrupting)
      assert.strictEqual(yield* text(path), sha256("newpepper"))
      assert.strictEqual(secret.verifyNow(utf8("new")), "right")
    })
  )

  it.live("lets only one of many set the first secret", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      const secret = yield* open({ path })
      const seen = secret.version()
      const exits = yield* Effect.forEach(["a", "b", "c", "d"], (value) => Effect.exit(secret.set(utf8(value), seen)), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(exits.map(Exit.isSuccess), [true, false, false, false])
      assert.isTrue(yield* secret.verify(utf8("a")))
      const late = yield* Effect.flip(secret.set(utf8("e"), seen))
      assert.strictEqual(late._tag, "SecretChanged")
      yield* secret.set(utf8("e"), secret.version())
    })
  )
})

describe("BasicSecret.reload", () => {
  it.live("takes a new file and forgets the password of the old one", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      yield* put(path, scryptOf("old"), 0o600)
      const secret = yield* open({ path })
      assert.isTrue(yield* secret.verify(utf8("old")))
      yield* put(path, scryptOf("new"), 0o600)
      assert.strictEqual(secret.verifyNow(utf8("old")), "right")
      yield* secret.reload
      assert.strictEqual(secret.verifyNow(utf8("old")), "unknown")
      assert.isFalse(yield* secret.verify(utf8("old")))
      assert.isTrue(yield* secret.verify(utf8("new")))
    })
  )

  it.live("keeps what it has when the file is wrong or gone", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      const secret = yield* open({ path })
      yield* secret.set(utf8("old"))
      const version = secret.version()
      yield* put(path, "nonsense")
      assert.strictEqual((yield* Effect.flip(secret.reload))._tag, "SecretFileUnusable")
      yield* Effect.promise(() => fs.rm(path))
      assert.include((yield* Effect.flip(secret.reload)).message, "found no file")
      assert.strictEqual(secret.verifyNow(utf8("old")), "right")
      assert.strictEqual(secret.version(), version)
    })
  )
})

describe("BasicSecret under load", () => {
  it.live("verifies at most two at a time, lets 64 wait and refuses the rest", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      yield* put(path, scryptOf("sesame"), 0o600)
      const secret = yield* open({ path })
      const tags = yield* Effect.forEach(
        Array.from({ length: 100 }, (_, n) => n),
        (n) =>
          secret.verify(utf8(`wrong ${n}`)).pipe(
            Effect.map(String),
            Effect.catchTag("TooManyVerifications", (error) => Effect.succeed(error.message))
          ),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(tags.filter((tag) => tag === "false").length, 66)
      assert.strictEqual(
        tags.filter((tag) => tag === "too many passwords are being verified: 64 are waiting already").length,
        34
      )
      assert.isTrue(yield* secret.verify(utf8("sesame")))
    })
  )

  it.live("gives the places of those who hung up to others", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      yield* put(path, scryptOf("sesame"), 0o600)
      const secret = yield* open({ path })
      for (let round = 0; round < 3; round++) {
        const fibers = yield* Effect.forEach(Array.from({ length: 66 }), () =>
          Effect.forkChild(secret.verify(utf8("wrong")), { startImmediately: true })
        )
        yield* Fiber.interruptAll(fibers)
      }
      assert.isTrue(yield* secret.verify(utf8("sesame")))
    })
  )
})

describe("BasicSecret.checkBootstrap", () => {
  it.live("wants exactly the token where one is configured", () =>
    Effect.gen(function* () {
      const path = `${yield* temporaryFolder}/secret`
      const guarded = yield* open({ path, bootstrapToken: ours("token") })
      assert.deepStrictEqual(
        [undefined, "", "toke", "token ", "token"].map((given) =>
          guarded.checkBootstrap(given === undefined ? undefined : utf8(given))
        ),
        [false, false, false, false, true]
      )
      assert.isTrue((yield* open({ path })).checkBootstrap(undefined))
    })
  )

  it.effect("is open for ever where no file is configured", () =>
    Effect.gen(function* () {
      const secret = yield* BasicSecret
      assert.strictEqual(secret.verifyNow(utf8("x")), "open")
      const error = yield* Effect.flip(secret.set(utf8("x")))
      assert.strictEqual(error._tag, "SecretNotConfigured")
    }).pipe(Effect.provide(BasicSecret.layerNone))
  )
})
