import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { Call } from "../../../src/http/edge/Call.ts"
import { asyncPreference } from "../../../src/http/operations/preferences.ts"
import { incoming } from "../../harness/incoming.ts"

const of = (prefer: string | undefined, query = "") =>
  Result.getOrThrow(
    asyncPreference(
      new Call(incoming(`/x${query}`, prefer === undefined ? {} : { headers: { prefer } }), "id", {
        address: "",
        providers: [],
        roles: []
      })
    )
  )

describe("a preference", () => {
  it("is read as RFC 7240 writes it", () => {
    const cases: ReadonlyArray<readonly [string, number, string]> = [
      ["respond-async", 0, "respond-async"],
      ["Respond-Async", 0, "respond-async"],
      ["respond-async, wait=10", 10, "respond-async, wait=10"],
      ['wait="7" , respond-async', 7, "respond-async, wait=7"],
      ["respond-async;foo=bar,wait = 3", 3, "respond-async, wait=3"],
      ["return=minimal, respond-async", 0, "respond-async"],
      // The first of two counts.
      ["respond-async, wait=1, wait=2", 1, "respond-async, wait=1"],
      // As long as we would.
      ["respond-async, wait=86400", 300, "respond-async, wait=300"],
      // No time that can be waited.
      ["respond-async, wait=-1", 0, "respond-async"],
      ["respond-async, wait=soon", 0, "respond-async"]
    ]
    for (const [field, waitSeconds, applied] of cases)
      assert.deepStrictEqual(of(field), { waitSeconds, applied }, field)
  })

  it("that is none, or not understood, changes nothing", () => {
    for (const field of [
      undefined,
      "",
      "wait=10",
      "return=minimal",
      "respond-asynchronously",
      "=respond-async",
      ",,,"
    ]) {
      assert.isUndefined(of(field), field)
    }
  })

  it("is ?async=1 for who sets no fields, and takes its wait from there all the same", () => {
    assert.deepStrictEqual(of(undefined, "?async=1"), { waitSeconds: 0, applied: undefined })
    assert.deepStrictEqual(of("wait=2", "?async=true"), { waitSeconds: 2, applied: "wait=2" })
    assert.isUndefined(of(undefined, "?async=0"))
  })
})
