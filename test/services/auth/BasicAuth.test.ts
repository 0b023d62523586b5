import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { BasicAuth } from "../../../src/services/auth/BasicAuth.ts"
import { BasicSecret, type Verdict } from "../../../src/services/auth/BasicSecret.ts"
import { FailureThrottle } from "../../../src/services/auth/FailureThrottle.ts"
import { TooManyVerifications } from "../../../src/services/auth/SlowHash.ts"

const right = "sesame"
const header = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

const ask = (authorization: string | undefined, address = "192.0.2.1") =>
  BasicAuth.use((auth) => auth.authenticate({ authorization, address }))
const tag = (authorization: string | undefined, address?: string) =>
  Effect.map(ask(authorization, address), ({ _tag }) => _tag)

/** A secret that answers as told; `verify` counts what it costs. */
const withSecret = (
  verifyNow: (password: string) => Verdict,
  verify: BasicSecret["Service"]["verify"] = () => Effect.die("no slow hash expected")
) =>
  BasicAuth.layer.pipe(
    Layer.provide(
      Layer.mock(BasicSecret, {
        verifyNow: (password) => verifyNow(Buffer.from(password).toString()),
        verify,
        version: () => 7,
        checkBootstrap: () => true
      })
    ),
    Layer.provideMerge(FailureThrottle.layer)
  )
const fast = withSecret((password) => (password === right ? "right" : "wrong"))

const slow = () => {
  let warm = false
  let hashes = 0
  const layer = withSecret(
    (password) => (warm && password === right ? "right" : "unknown"),
    (password) =>
      Effect.sync(() => {
        hashes += 1
        return (warm = Buffer.from(password).toString() === right) || warm
      })
  )
  return { layer, hashes: () => hashes }
}

describe("BasicAuth", () => {
  it.effect("is open while no secret is set, whatever credentials come", () =>
    Effect.gen(function* () {
      for (const authorization of [undefined, "", "junk", header("admin", "x"), header("root", "")]) {
        assert.deepStrictEqual(yield* ask(authorization), { _tag: "open", secretVersion: 7 })
      }
    }).pipe(Effect.provide(withSecret(() => "open")))
  )

  it.effect("lets in admin with the secret and nobody else", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask(header("admin", right)), { _tag: "admin", secretVersion: 7 })
      for (const authorization of [
        undefined,
        "",
        `Bearer ${right}`,
        header("admin", "wrong"),
        header("Admin", right),
        header("admin ", right),
        header("", right)
      ]) {
        assert.deepStrictEqual(yield* ask(authorization), { _tag: "unauthorized" })
      }
    }).pipe(Effect.provide(fast))
  )

  it.effect("answers later beyond the budget, and still lets the right password in", () =>
    Effect.gen(function* () {
      for (let n = 0; n < 10; n++) assert.strictEqual(yield* tag(header("admin", `guess ${n}`)), "unauthorized")
      assert.deepStrictEqual(yield* ask(header("admin", "guess")), { _tag: "limited", retryAfterSeconds: 1 })
      assert.deepStrictEqual(yield* ask(header("root", right)), { _tag: "limited", retryAfterSeconds: 1 })
      assert.deepStrictEqual(yield* ask("junk"), { _tag: "limited", retryAfterSeconds: 1 })
      assert.strictEqual(yield* tag(header("admin", right)), "admin")
      assert.strictEqual(yield* tag(header("admin", "guess"), "192.0.2.2"), "unauthorized")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* tag(header("admin", "guess")), "unauthorized")
      assert.strictEqual(yield* tag(header("admin", "guess")), "limited")
    }).pipe(Effect.provide(fast))
  )

  it.effect("does not count requests without credentials as failures", () =>
    Effect.gen(function* () {
      for (let n = 0; n < 50; n++) assert.strictEqual(yield* tag(undefined), "unauthorized")
      assert.strictEqual((yield* FailureThrottle).stats().failures, 0)
    }).pipe(Effect.provide(fast))
  )

  it.effect("runs no slow hash beyond the budget, but lets a warm password in", () => {
    const { hashes, layer } = slow()
    return Effect.gen(function* () {
      assert.strictEqual(yield* tag(header("admin", right)), "admin")
      for (let n = 0; n < 30; n++) {
        assert.strictEqual(yield* tag(header("admin", `guess ${n}`), "192.0.2.9"), n < 10 ? "unauthorized" : "limited")
      }
      assert.strictEqual(hashes(), 11)
    }).pipe(Effect.provide(layer))
  })

  it.effect("gives a cold right password its charge back", () => {
    const { hashes, layer } = slow()
    return Effect.gen(function* () {
      for (let n = 0; n < 100; n++) {
        assert.strictEqual(yield* tag(header("admin", right)), "admin")
      }
      assert.strictEqual(hashes(), 1)
      assert.strictEqual((yield* FailureThrottle).stats().failures, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("spends a slow hash on an unknown user too", () => {
    const { hashes, layer } = slow()
    return Effect.gen(function* () {
      assert.strictEqual(yield* tag(header("root", "guess")), "unauthorized")
      assert.strictEqual(yield* tag(header("root", right)), "unauthorized")
      assert.strictEqual(hashes(), 2)
      assert.strictEqual((yield* FailureThrottle).stats().failures, 2)
    }).pipe(Effect.provide(layer))
  })

  it.effect("does not let a flood at one time pass the budget", () =>
    Effect.gen(function* () {
      const answer = yield* Deferred.make<boolean>()
      let hashes = 0
      const layer = withSecret(
        () => "unknown",
        () =>
          Effect.suspend(() => {
            hashes += 1
            return Deferred.await(answer)
          })
      )
      const flood = yield* Effect.forkChild(
        Effect.forEach(Array.from({ length: 100 }), () => tag(header("admin", "guess")), {
          concurrency: "unbounded"
        }).pipe(Effect.provide(layer)),
        { startImmediately: true }
      )
      yield* Deferred.succeed(answer, false)
      const tags = yield* Fiber.join(flood)
      assert.strictEqual(hashes, 10)
      assert.strictEqual(tags.filter((outcome) => outcome === "limited").length, 90)
    })
  )

  it.effect("answers later, without a charge, when too many wait for a slow hash", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* ask(header("admin", right)), { _tag: "limited", retryAfterSeconds: 3 })
      assert.strictEqual((yield* FailureThrottle).stats().failures, 0)
    }).pipe(
      Effect.provide(
        withSecret(
          () => "unknown",
          () => Effect.fail(new TooManyVerifications({ waiting: 64 }))
        )
      )
    )
  )

  it.effect("answers without suspending where no slow hash is needed", () =>
    Effect.gen(function* () {
      const auth = yield* BasicAuth
      for (const authorization of [undefined, header("admin", right), header("admin", "wrong")]) {
        const fiber = yield* Effect.forkChild(auth.authenticate({ authorization, address: "192.0.2.1" }), {
          startImmediately: true
        })
        assert.isDefined(fiber.pollUnsafe())
      }
    }).pipe(Effect.provide(fast))
  )
})
