/**
 * Owns the secret of the user `admin`: reads its file at start and at `reload`, verifies passwords against it and
 * replaces it. A stored form of any kind is verified as it is; the configured format decides how a new one is written.
 *
 * The last password accepted against a slow hash is remembered as an HMAC under a key of this process, so that a client
 * that sends it again costs microseconds; it is forgotten with the secret. Bounds: one such digest, 1024 bytes of
 * secret, the bounds of SlowHash.ts. A new secret is on disk before it counts; a wrong file fails the layer at start
 * and changes nothing at `reload`. Never: the secret, its hash or the file's content in a log, an error or an answer.
 */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import { Disk } from "../files/Disk.ts"
import { HmacSha256 } from "./HmacSha256.ts"
import { readSecret, type SecretFileUnusable, writeSecret } from "./SecretFile.ts"
import { passwordFault } from "./passwordFault.ts"
import type { StoredSecret } from "./SecretFormat.ts"
import { argon2idCost, scryptCost, SlowHash, type TooManyVerifications } from "./SlowHash.ts"

export class SecretRefused extends Schema.TaggedError<SecretRefused>()(
  "SecretRefused",
  { reason: Schema.String },
  { httpApiStatus: 400 }
) {
  override get message() {
    return `basic auth secret refused: ${this.reason}`
  }
}

/** Another secret was set since the caller was let in. */
export class SecretChanged extends Schema.TaggedError<SecretChanged>()("SecretChanged", {}, { httpApiStatus: 409 }) {
  override get message() {
    return "basic auth secret not set: another request set one in the meantime"
  }
}

export class SecretWriteFailed extends Schema.TaggedError<SecretWriteFailed>()(
  "SecretWriteFailed",
  { path: Schema.String, code: Schema.String, reason: Schema.String },
  { httpApiStatus: 500 }
) {
  override get message() {
    return `basic auth secret not set: write ${this.path}: ${this.reason}`
  }
}

/** No file is configured to keep a secret in. */
export class SecretNotConfigured extends Schema.TaggedError<SecretNotConfigured>()(
  "SecretNotConfigured",
  {},
  { httpApiStatus: 501 }
) {
  override get message() {
    return "basic auth secret not set: basic_auth_secret_path is not configured"
  }
}

export type SetFailure = SecretRefused | SecretChanged | SecretWriteFailed | SecretNotConfigured | TooManyVerifications

export type SecretFormat = "sha256" | "scrypt" | "argon2id"

export interface BasicSecretOptions {
  readonly path: string
  /** Mixed into the sha256 form only; the others have their own. */
  readonly salt: Redacted.Redacted<string>
  readonly format: SecretFormat
  /** Asked for to set the first secret. */
  readonly bootstrapToken?: Redacted.Redacted<string> | undefined
}

/** `open`: no secret is set; `unknown`: only a slow hash, that is `verify`, could tell. */
export type Verdict = "open" | "right" | "wrong" | "unknown"

/** Its lane among those who wait for a slow hash; no user's name has a colon. */
const lane = "system:admin"

interface Current {
  readonly stored: StoredSecret
  readonly version: number
  /** Keyed digest of the password last accepted. */
  warm: Uint8Array | undefined
}

export class BasicSecret extends Context.Service<
  BasicSecret,
  {
    /** All that can be told without a slow hash; a few microseconds. */
    readonly verifyNow: (password: Uint8Array) => Verdict
    /** Whether a secret is set and this is it. */
    readonly verify: (password: Uint8Array) => Effect.Effect<boolean, TooManyVerifications>
    readonly isSet: Effect.Effect<boolean>
    /** Grows whenever the secret changes; whoever was let in gives the version of then to `set`. */
    readonly version: () => number
    /** Replaces the secret; with a version, only if that is still the one in force. */
    readonly set: (secret: Uint8Array, ifVersion?: number) => Effect.Effect<void, SetFailure>
    readonly reload: Effect.Effect<void, SecretFileUnusable>
    /** Whether the token for setting the first secret was given; true where none is configured. */
    readonly checkBootstrap: (given: Uint8Array | undefined) => boolean
  }
>()("systemapi/services/auth/BasicSecret") {
  static readonly layer = (options: BasicSecretOptions) => Layer.effect(BasicSecret, make(options))

  /** Where no file is configured: the APIs are open and stay so. */
  static readonly layerNone = Layer.succeed(BasicSecret, {
    verifyNow: () => "open",
    verify: () => Effect.succeed(false),
    isSet: Effect.succeed(false),
    version: () => 0,
    set: () => Effect.fail(new SecretNotConfigured()),
    reload: Effect.void,
    checkBootstrap: () => true
  })
}

const make = Effect.fnUntraced(function* ({ bootstrapToken, format, path, salt }: BasicSecretOptions) {
  const disk = yield* Disk
  const slow = yield* SlowHash
  const changing = yield* Semaphore.make(1)
  const hmac = new HmacSha256(randomBytes(32))
  const saltOfConfig = Buffer.from(Redacted.value(salt))

  const keyed = (bytes: Uint8Array) => Buffer.from(hmac.of("", bytes))
  const salted = (secret: Uint8Array) => createHash("sha256").update(secret).update(saltOfConfig).digest()
  const token = bootstrapToken === undefined ? undefined : keyed(Buffer.from(Redacted.value(bootstrapToken)))

  let current: Current = { stored: yield* readSecret(path, "create"), version: 0, warm: undefined }

  const change = (stored: StoredSecret, warm?: Uint8Array) => {
    current = { stored, version: current.version + 1, warm }
  }

  const verifyNow = (password: Uint8Array): Verdict => {
    const { stored, warm } = current
    switch (stored._tag) {
      case "none":
        return "open"
      case "sha256":
        return timingSafeEqual(salted(password), stored.digest) ? "right" : "wrong"
      case "slow":
        return warm !== undefined && timingSafeEqual(keyed(password), warm) ? "right" : "unknown"
    }
  }

  const verifySlowly = (password: Uint8Array) =>
    slow.inTurn(
      lane,
      Effect.gen(function* () {
        // Again and again: while this one waited, others may have warmed the cache or changed the secret.
        while (true) {
          const verdict = verifyNow(password)
          const given = current
          if (verdict !== "unknown" || given.stored._tag !== "slow") return verdict === "right"
          const { cost, hash, salt } = given.stored
          const right = timingSafeEqual(yield* slow.derive(cost, password, salt, hash.length), hash)
          if (given !== current) continue
          if (right) given.warm = keyed(password)
          return right
        }
      })
    )

  const seal = (secret: Uint8Array): Effect.Effect<StoredSecret, TooManyVerifications> => {
    if (format === "sha256") return Effect.succeed({ _tag: "sha256", digest: salted(secret) })
    const cost = format === "scrypt" ? scryptCost : argon2idCost
    return Effect.map(slow.seal(lane, cost, secret), (form) => ({ _tag: "slow", ...form }))
  }

  return BasicSecret.of({
    verifyNow,
    verify: (password) =>
      Effect.suspend(() => {
        const verdict = verifyNow(password)
        return verdict === "unknown" ? verifySlowly(password) : Effect.succeed(verdict === "right")
      }),
    isSet: Effect.sync(() => current.stored._tag !== "none"),
    version: () => current.version,
    set: Effect.fn("BasicSecret.set")(function* (secret: Uint8Array, ifVersion?: number) {
      const reason = passwordFault(secret)
      if (reason !== undefined) return yield* new SecretRefused({ reason })
      const replace = Effect.gen(function* () {
        if (ifVersion !== undefined && ifVersion !== current.version) return yield* new SecretChanged()
        const stored = yield* seal(secret)
        yield* Effect.uninterruptible(
          Effect.andThen(
            writeSecret(path, stored),
            Effect.sync(() => change(stored, keyed(secret)))
          )
        )
      })
      yield* changing.withPermit(replace).pipe(
        Effect.catchTag("DiskError", ({ code, reason }) => Effect.fail(new SecretWriteFailed({ path, code, reason }))),
        Effect.provideService(Disk, disk)
      )
    }),
    reload: changing.withPermit(
      Effect.map(Effect.provideService(readSecret(path, "fail"), Disk, disk), (stored) => change(stored))
    ),
    checkBootstrap: (given) => token === undefined || (given !== undefined && timingSafeEqual(keyed(given), token))
  })
})
