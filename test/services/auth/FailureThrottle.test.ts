import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { defaultOptions, FailureThrottle } from "../../../src/services/auth/FailureThrottle.ts"
import { networkOf } from "../../../src/services/auth/NetworkOf.ts"

const failedTimes = Effect.fnUntraced(function* (address: string, times: number) {
  const throttle = yield* FailureThrottle
  let limited = 0
  for (let n = 0; n < times; n++) if ((yield* throttle.failed(address)).limited) limited += 1
  return limited
})

describe("FailureThrottle", () => {
  it.effect("lets an address fail ten times, then once a second", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      assert.strictEqual(yield* failedTimes("10.0.0.1", 10), 0)
      assert.deepStrictEqual(yield* throttle.failed("10.0.0.1"), { limited: true, retryAfterSeconds: 1 })
      assert.deepStrictEqual(yield* throttle.failed("10.0.0.2"), { limited: false })
      yield* TestClock.adjust("999 millis")
      assert.isTrue((yield* throttle.failed("10.0.0.1")).limited)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* failedTimes("10.0.0.1", 3), 2)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(yield* failedTimes("10.0.0.1", 13), 3)
    }).pipe(Effect.provide(FailureThrottle.layer))
  )

  it.effect("says how long to wait at a slow rate", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      yield* failedTimes("a", 1)
      assert.deepStrictEqual(yield* throttle.failed("a"), { limited: true, retryAfterSeconds: 100 })
      yield* TestClock.adjust("90 seconds")
      assert.deepStrictEqual(yield* throttle.failed("a"), { limited: true, retryAfterSeconds: 10 })
    }).pipe(Effect.provide(FailureThrottle.layerWith({ ...defaultOptions, perAddress: { burst: 1, perSecond: 0.01 } })))
  )

  it.effect("limits all addresses together", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      let limited = 0
      for (let n = 0; n < 300; n++) limited += yield* failedTimes(`10.0.${n}.1`, 1)
      assert.strictEqual(limited, 100)
      assert.deepStrictEqual(yield* throttle.failed("10.1.0.1"), { limited: true, retryAfterSeconds: 1 })
      yield* TestClock.adjust("1 second")
      limited = 0
      for (let n = 0; n < 30; n++) limited += yield* failedTimes(`10.2.${n}.1`, 1)
      assert.strictEqual(limited, 10)
    }).pipe(Effect.provide(FailureThrottle.layer))
  )

  it.effect("admits an address that never failed while the budget of all is spent, but no other", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      for (let n = 0; n < 200; n++) yield* throttle.failed(`10.0.${n}.1`)
      assert.isTrue((yield* throttle.admit("10.0.1.1")).limited)
      assert.isFalse((yield* throttle.admit("10.9.9.9")).limited)
      assert.isTrue((yield* throttle.admit("10.9.9.9")).limited)
    }).pipe(Effect.provide(FailureThrottle.layer))
  )

  it.effect("takes a charge back when the password was right", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      for (let n = 0; n < 500; n++) {
        assert.isFalse((yield* throttle.admit("10.0.0.1")).limited)
        yield* throttle.forgive("10.0.0.1")
      }
      assert.deepStrictEqual(throttle.stats(), { addresses: 1, failures: 0, limited: 0 })
    }).pipe(Effect.provide(FailureThrottle.layer))
  )

  it.effect("keeps a bounded table and forgets the address longest unused", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      yield* failedTimes("a", 2)
      yield* failedTimes("b", 2)
      yield* failedTimes("a", 1)
      yield* failedTimes("c", 1)
      assert.deepStrictEqual(throttle.stats(), { addresses: 2, failures: 5, limited: 1 })
      assert.strictEqual(yield* failedTimes("a", 1), 1)
      assert.strictEqual(yield* failedTimes("b", 2), 0)
    }).pipe(
      Effect.provide(
        FailureThrottle.layerWith({ ...defaultOptions, perAddress: { burst: 2, perSecond: 0.001 }, addressesMax: 2 })
      )
    )
  )
})

describe("FailureThrottle of a user among many", () => {
  it.effect("spends the hashes of one user and one network, and nobody else's", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      const tags: Array<string> = []
      for (let n = 0; n < 12; n++) tags.push((yield* throttle.admitUser("10.0.0.1", "alice"))._tag)
      assert.deepStrictEqual(tags, [...Array.from({ length: 10 }, () => "admitted"), "limited", "limited"])
      // The network's budget is spent as well, which leaves doubt about who comes from it.
      assert.deepStrictEqual(yield* throttle.admitUser("10.0.0.1", "bob"), { _tag: "doubtful", retryAfterSeconds: 1 })
      assert.strictEqual((yield* throttle.admitUser("10.0.0.2", "alice"))._tag, "admitted")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* throttle.admitUser("10.0.0.1", "alice"))._tag, "admitted")
      assert.strictEqual((yield* throttle.admitUser("10.0.0.1", "alice"))._tag, "limited")
    }).pipe(Effect.provide(FailureThrottle.layer))
  )

  it.effect("doubts everybody who asks for a user whose budget many networks have spent, but newcomers", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      for (let n = 0; n < 20; n++) assert.isFalse((yield* throttle.failed(`10.0.${n}.1`, "alice")).limited)
      assert.isTrue((yield* throttle.failed("10.0.0.1", "alice")).limited)
      assert.isFalse((yield* throttle.failed("10.0.0.1", "bob")).limited)
      assert.strictEqual((yield* throttle.admitUser("10.0.1.1", "alice"))._tag, "doubtful")
      assert.strictEqual((yield* throttle.admitUser("10.9.9.9", "alice"))._tag, "admitted")
    }).pipe(Effect.provide(FailureThrottle.layer))
  )

  it.effect("takes back what a right password was charged, in doubt as well", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      for (let n = 0; n < 50; n++) {
        const admission = yield* throttle.admitUser("10.0.0.1", "alice")
        assert.strictEqual(admission._tag, "admitted")
        yield* throttle.forgiveUser("10.0.0.1", "alice", admission)
      }
      yield* failedTimes("10.0.0.1", 10)
      for (let n = 0; n < 50; n++) {
        const admission = yield* throttle.admitUser("10.0.0.1", "alice")
        assert.strictEqual(admission._tag, "doubtful")
        yield* throttle.forgiveUser("10.0.0.1", "alice", admission)
      }
      assert.deepStrictEqual(throttle.stats(), { addresses: 1, failures: 10, limited: 0 })
    }).pipe(Effect.provide(FailureThrottle.layer))
  )

  it.effect("charges a refused try to nobody: a flood does not make its own end later", () =>
    Effect.gen(function* () {
      const throttle = yield* FailureThrottle
      for (let n = 0; n < 1000; n++) yield* throttle.admitUser("10.0.0.1", "alice")
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* throttle.admitUser("10.0.0.1", "alice"))._tag, "admitted")
    }).pipe(Effect.provide(FailureThrottle.layer))
  )
})

describe("networkOf", () => {
  it.each([
    ["192.0.2.7", "192.0.2.7"],
    ["::ffff:192.0.2.7", "192.0.2.7"],
    ["::FFFF:192.0.2.7", "192.0.2.7"],
    ["0:0:0:0:0:ffff:c000:0207", "192.0.2.7"],
    ["2001:db8:1:2:3:4:5:6", "20010db800010002/64"],
    ["2001:db8:1:2::6", "20010db800010002/64"],
    ["2001:0DB8:0001:0002::", "20010db800010002/64"],
    ["2001:db8::1", "20010db800000000/64"],
    ["::1", "0000000000000000/64"],
    ["::", "0000000000000000/64"],
    ["fe80::1%eth0", "fe80000000000000/64"],
    ["64:ff9b::192.0.2.1", "0064ff9b00000000/64"],
    ["1:2:3::4:5:192.0.2.1", "0001000200030000/64"],
    ["", ""],
    ["@", "@"],
    ["x".repeat(1000), "x".repeat(64)]
  ])("%s is %s", (address, network) => {
    assert.strictEqual(networkOf(address), network)
  })

  const group = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 0xffff }))
  it.effect.prop(
    "is one for all ways of writing a /64",
    [Schema.Tuple([group, group, group, group]), Schema.Tuple([group, group, group, group])],
    ([prefix, host]) =>
      Effect.sync(() => {
        const text = (groups: ReadonlyArray<number>) => groups.map((value) => value.toString(16)).join(":")
        const expected = `${prefix.map((value) => value.toString(16).padStart(4, "0")).join("")}/64`
        if (prefix.every((value) => value === 0)) return
        assert.strictEqual(networkOf(text([...prefix, ...host])), expected)
        assert.strictEqual(networkOf(`${text(prefix)}::`), expected)
        assert.strictEqual(networkOf(`${text(prefix)}::${text(host.slice(1))}`), expected)
        const padded = [...prefix, ...host].map((value) => value.toString(16).padStart(4, "0").toUpperCase())
        assert.strictEqual(networkOf(padded.join(":")), expected)
      })
  )

  it.effect.prop("never fails", [Schema.String], ([junk]) =>
    Effect.sync(() => assert.isAtMost(networkOf(junk).length, 64))
  )
})
