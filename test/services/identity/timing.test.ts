/**
 * Whether the time of an answer tells if there is such a user. With the real hashes, in the order that chance gives, so
 * that whatever else the machine does meets both alike. The statistic is Mann and Whitney's: the share of pairs in which
 * the stranger's answer took longer than the user's, which is a half where nobody could tell. With 200 of each its
 * standard deviation is 0.029; the bound is four of them, which chance passes once in 15,000 runs. A dummy hash that is a
 * tenth cheaper is far outside on a machine that does nothing else; one that is left out is at 0 on any.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import { defaultOptions, FailureThrottle } from "../../../src/services/auth/FailureThrottle.ts"
import { SlowHash } from "../../../src/services/auth/SlowHash.ts"
import { Passwords } from "../../../src/services/identity/Passwords.ts"
import { random } from "../../harness/random.ts"
import { loopback, startIdentity, userOf, utf8 } from "./support.ts"

const samples = 200
const shareMax = 0.115

/** Every failure is within the budget. */
const endless = { burst: 1e6, perSecond: 1 }
const throttle = FailureThrottle.layerWith({
  ...defaultOptions,
  perAddress: endless,
  inAll: endless,
  perUser: endless,
  perPair: endless
})

/** Of all pairs, those in which the first is greater; equal ones count half. */
const shareGreater = (first: ReadonlyArray<number>, second: ReadonlyArray<number>): number => {
  let greater = 0
  for (const a of first) for (const b of second) greater += a > b ? 1 : a === b ? 0.5 : 0
  return greater / (first.length * second.length)
}

describe("the time a wrong password takes", () => {
  it.effect(
    "does not tell whether there is such a user",
    () =>
      Effect.gen(function* () {
        const { context, store } = yield* startIdentity({ slowHash: Layer.fresh(SlowHash.layer), throttle })
        const passwords = Context.get(context, Passwords)
        const passwordHash = yield* passwords.hash(utf8("the right password"))
        yield* store.createUser({
          ...userOf("alice", undefined),
          passwordHash: Redacted.make(Redacted.value(passwordHash))
        })
        const took = { alice: new Array<number>(), nobody: new Array<number>() }
        const chance = random(Date.now())
        const order = Array.from({ length: samples }, () =>
          chance() < 0.5 ? (["alice", "nobody"] as const) : (["nobody", "alice"] as const)
        ).flat()
        for (const [n, name] of order.entries()) {
          const begun = performance.now()
          const verdict = yield* passwords.verify(name, utf8(`wrong ${n}`), loopback)
          took[name].push(performance.now() - begun)
          assert.strictEqual(verdict._tag, "wrong")
        }
        const share = shareGreater(took.nobody, took.alice)
        assert.closeTo(share, 0.5, shareMax, JSON.stringify(took))
      }),
    240_000
  )
})
