import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Redacted from "effect/Redacted"
import { TestClock } from "effect/testing"
import { Passwords } from "../../../src/services/identity/Passwords.ts"
import { type IdentityOptions, loopback, startIdentity, userOf, utf8 } from "./support.ts"

const password = "a long password"
const others = Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`user${n}`, password]))

const start = Effect.fnUntraced(function* (options: IdentityOptions = {}) {
  const started = yield* startIdentity({ users: { alice: password, bob: password, ...others }, ...options })
  const passwords = Context.get(started.context, Passwords)
  const verify = (name: string, given: string, address = loopback) => passwords.verify(name, utf8(given), address)
  /** `right`, the reason why not, or `later`. */
  const says = (name: string, given: string, address?: string) =>
    verify(name, given, address).pipe(
      Effect.map((verdict) => (verdict._tag === "right" ? "right" : verdict.reason)),
      Effect.catchTag("LoginLimited", () => Effect.succeed("later")),
      Effect.orDie
    )
  /** The same, of an answer that may be held back. */
  const saysInTime = (name: string, given: string, address?: string) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(says(name, given, address), { startImmediately: true })
      yield* TestClock.adjust("1 seconds")
      return yield* Fiber.join(fiber)
    })
  /** So many different wrong passwords for different names that the network's budget is spent. */
  const spendNetwork = Effect.gen(function* () {
    for (let n = 0; n < 10; n++) assert.notStrictEqual(yield* says(`stranger${n}`, "wrong"), "later")
  })
  /** So many wrong passwords for a user, all at once. */
  const crowd = (times: number, name: string, address?: string) =>
    Effect.forEach(
      Array.from({ length: times }, (_, n) => n),
      (n) => Effect.forkChild(says(name, `crowd ${n}`, address), { startImmediately: true })
    )
  return { ...started, passwords, verify, says, saysInTime, spendNetwork, crowd }
})

describe("Passwords.verify", () => {
  it.effect("tells right from wrong, and why it is wrong", () =>
    Effect.gen(function* () {
      const { says, store } = yield* start()
      yield* store.createUser(userOf("carol", undefined))
      yield* store.createUser(userOf("dave", password, { disabled: true }))
      assert.strictEqual(yield* says("alice", password), "right")
      assert.strictEqual(yield* says("alice", "wrong"), "the password is wrong")
      assert.strictEqual(yield* says("alice", ""), "the password is wrong")
      assert.strictEqual(yield* says("carol", ""), "the user has no password")
      assert.strictEqual(yield* says("dave", password), "the user is disabled")
      assert.strictEqual(yield* says("nobody", password), "there is no such user")
      assert.strictEqual(yield* says("x".repeat(10_000), password), "there is no such user")
      assert.strictEqual(yield* says("alice", "x".repeat(2000)), "the password is longer than any")
    })
  )

  it.effect("knows the right password again at once, until it changes", () =>
    Effect.gen(function* () {
      const { hashed, says, store, verify } = yield* start()
      assert.strictEqual(yield* says("alice", password), "right")
      assert.isTrue(Exit.isExit(verify("alice", password, loopback)))
      assert.strictEqual(yield* says("alice", "wrong"), "the password is wrong")
      assert.strictEqual(yield* says("alice", password), "right")
      assert.deepStrictEqual(hashed, [password, "wrong"])

      const { passwordHash } = userOf("alice", "another")
      if (passwordHash !== undefined) yield* store.changeUser("alice", { passwordHash }, 0)
      assert.strictEqual(yield* says("alice", password), "the password is wrong")
      assert.strictEqual(yield* says("alice", "another"), "right")
      yield* store.changeUser("alice", { disabled: true }, 0)
      assert.strictEqual(yield* says("alice", "another"), "the user is disabled")
    })
  )

  it.effect("takes a password that changes while it is verified for what it is in the end", () =>
    Effect.gen(function* () {
      const hashing = yield* Deferred.make<void>()
      const goOn = yield* Deferred.make<void>()
      const { says, store } = yield* start({
        hashing: () => Effect.andThen(Deferred.succeed(hashing, undefined), Deferred.await(goOn))
      })
      const fiber = yield* Effect.forkChild(says("alice", password), { startImmediately: true })
      yield* Deferred.await(hashing)
      const { passwordHash } = userOf("alice", "another")
      if (passwordHash !== undefined) yield* store.changeUser("alice", { passwordHash }, 0)
      yield* Deferred.succeed(goOn, undefined)
      assert.strictEqual(yield* Fiber.join(fiber), "the password is wrong")
    })
  )

  it.effect("computes as many hashes for a user there is as for one there is not", () =>
    Effect.gen(function* () {
      const counts: Array<ReadonlyArray<number>> = []
      for (const name of ["alice", "nobody", "carol", "dave"]) {
        const { hashed, saysInTime, store } = yield* start()
        yield* store.createUser(userOf("carol", undefined))
        yield* store.createUser(userOf("dave", password, { disabled: true }))
        const after: Array<number> = []
        for (const given of ["a", "a", "b", "a", "c", "c", "b"]) {
          yield* saysInTime(name, given, "10.0.0.1")
          after.push(hashed.length)
        }
        counts.push(after)
      }
      assert.deepStrictEqual(counts[0], [1, 1, 2, 2, 3, 3, 3])
      for (const count of counts) assert.deepStrictEqual(count, counts[0])
    })
  )

  it.effect("computes one hash for all who try the same at a time, user or not", () =>
    Effect.gen(function* () {
      for (const name of ["alice", "nobody"]) {
        const { hashed, says } = yield* start()
        yield* Effect.forEach([1, 2, 3, 4, 5, 6], () => says(name, "wrong"), { concurrency: "unbounded" })
        assert.isAtMost(hashed.length, 2)
      }
    })
  )
})

describe("a flood of wrong passwords", () => {
  it.effect("leaves the right password its way in where it was accepted before", () =>
    Effect.gen(function* () {
      const { crowd, says, saysInTime } = yield* start()
      yield* says("alice", password)
      yield* crowd(40, "alice")
      assert.strictEqual(yield* saysInTime("alice", "one more"), "later")
      assert.strictEqual(yield* says("alice", password), "right")
    })
  )

  it.effect("with names of strangers lets in a user that was never seen, from the same address", () =>
    Effect.gen(function* () {
      const { hashed, says, spendNetwork } = yield* start()
      yield* spendNetwork
      const flood = yield* Effect.forEach(
        Array.from({ length: 500 }, (_, n) => n),
        (n) => Effect.forkChild(says(`name${n}`, `wrong ${n}`), { startImmediately: true })
      )
      hashed.length = 0
      assert.strictEqual(yield* says("alice", password), "right")
      assert.deepStrictEqual(hashed, [password])
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(new Set(yield* Fiber.joinAll(flood)), new Set(["later"]))
      assert.strictEqual(hashed.length, 1)
    })
  )

  it.effect("against some users lets in another, from the same address", () =>
    Effect.gen(function* () {
      const { crowd, says } = yield* start()
      for (const user of Object.keys(others)) yield* crowd(40, user)
      assert.strictEqual(yield* says("alice", password), "right")
    })
  )

  it.effect("that repeats one wrong password lets in the same user, from the same address", () =>
    Effect.gen(function* () {
      const { hashed, says } = yield* start()
      for (let n = 0; n < 500; n++) yield* says("alice", "the old password")
      assert.strictEqual(yield* says("alice", "the old password"), "later")
      assert.strictEqual(yield* says("alice", password), "right")
      assert.strictEqual(hashed.length, 2)
    })
  )

  it.effect("against one user from one network does not keep it out from another", () =>
    Effect.gen(function* () {
      const { crowd, says, saysInTime } = yield* start()
      yield* crowd(30, "alice", "10.0.0.1")
      assert.strictEqual(yield* says("alice", password, "10.0.0.1"), "later")
      assert.strictEqual(yield* saysInTime("alice", password, "10.0.0.2"), "right")
    })
  )

  it.effect("does not last: the user's own network is heard again in seconds", () =>
    Effect.gen(function* () {
      const { crowd, says } = yield* start()
      yield* crowd(30, "alice")
      assert.strictEqual(yield* says("alice", password), "later")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(yield* says("alice", password), "right")
    })
  )

  it.effect("is told the same at the same time, whether there is such a user", () =>
    Effect.gen(function* () {
      const { says, spendNetwork, store } = yield* start()
      yield* store.createUser(userOf("carol", undefined))
      yield* spendNetwork
      const told: Array<string> = []
      const names = ["alice", "nobody", "carol", "alice", "nobody", "carol"]
      const fibers = yield* Effect.forEach(names, (name, n) =>
        Effect.forkChild(
          Effect.map(says(name, `wrong ${n}`), (answer) => void told.push(answer)),
          { startImmediately: true }
        )
      )
      yield* TestClock.adjust("499 millis")
      assert.deepStrictEqual(told, [])
      yield* TestClock.adjust("1 millis")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(
        told,
        names.map(() => "later")
      )

      // And when the budget of hashes is spent as well, at once.
      for (const name of ["alice", "nobody", "carol"]) {
        for (let n = 0; n < 12; n++) yield* Effect.forkChild(says(name, `more ${n}`), { startImmediately: true })
        assert.isTrue(Exit.isSuccess(yield* Effect.exit(says(name, "yet another"))))
      }
    })
  )

  it.effect("knows a right password at the retry, which took longer than an answer is held back", () =>
    Effect.gen(function* () {
      const goOn = yield* Deferred.make<void>()
      const { says, saysInTime, spendNetwork, hashed } = yield* start({
        hashing: (given) => (given === password ? Deferred.await(goOn) : Effect.void)
      })
      yield* spendNetwork
      assert.strictEqual(yield* saysInTime("alice", password), "later")
      yield* Deferred.succeed(goOn, undefined)
      yield* Effect.yieldNow
      const before = hashed.length
      assert.strictEqual(yield* says("alice", password), "right")
      assert.strictEqual(hashed.length, before)
    })
  )

  it.effect("has a bounded number of answers held back: the oldest is given first", () =>
    Effect.gen(function* () {
      const { says, spendNetwork } = yield* start()
      yield* spendNetwork
      let answered = 0
      const flood = yield* Effect.forEach(
        Array.from({ length: 522 }, (_, n) => n),
        (n) =>
          Effect.forkChild(
            Effect.map(says(`name${n}`, "wrong"), () => (answered += 1)),
            { startImmediately: true }
          )
      )
      yield* Fiber.joinAll(flood.slice(0, 10))
      yield* Effect.yieldNow
      assert.strictEqual(answered, 10)
      yield* TestClock.adjust("1 seconds")
      yield* Fiber.joinAll(flood)
    })
  )
})

describe("Passwords.hash", () => {
  it.live("gives what verifies, of a cost that is stored with it", () =>
    Effect.gen(function* () {
      const { passwords } = yield* startIdentity({}).pipe(
        Effect.map(({ context }) => ({ passwords: Context.get(context, Passwords) })),
        Effect.provide(TestClock.layer())
      )
      const hash = Redacted.value(yield* passwords.hash(utf8("pässwörd with words")))
      assert.match(hash, /^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/u)
    })
  )

  it.effect("refuses what is too short, too long, or cannot be sent", () =>
    Effect.gen(function* () {
      const { passwords } = yield* start()
      const refusal = (given: string) => Effect.map(Effect.flip(passwords.hash(utf8(given))), String)
      assert.include(yield* refusal("elf letters"), "it has 11 characters, 12 are the least")
      assert.include(yield* refusal("äääääääääää"), "it has 11 characters")
      assert.include(yield* refusal("x".repeat(1025)), "it has 1025 bytes, 1024 are allowed")
      assert.include(yield* refusal("a long password\n"), "ends with a newline")
      assert.include(yield* refusal(""), "it is empty")
    })
  )
})
