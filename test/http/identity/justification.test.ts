import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { makeRuledApp } from "../../harness/ruledApp.ts"

const rule = { justification_required: ["actions:run:reboot"] }

/** As fields arrive: each byte a character. */
const bytes = (text: string) => Buffer.from(text).toString("latin1")

describe("a justification", () => {
  it.effect("is required where the configuration says so, and there alone", () =>
    Effect.gen(function* () {
      const { ask, ran } = yield* makeRuledApp(rule)
      const without = yield* ask("alice", "/api/v1/actions/reboot")
      assert.strictEqual(without.status, 400)
      assert.include(without.text, "actions:run:reboot needs a reason, in X-Justification")
      assert.strictEqual((yield* ask("alice", "/api/v1/actions/other")).status, 200)
      const withOne = yield* ask("alice", "/api/v1/actions/reboot", { headers: { "x-justification": " ticket 7 " } })
      assert.strictEqual(withOne.status, 200)
      assert.strictEqual(ran.length, 2)
    })
  )

  for (const [what, text] of [
    ["empty", "  "],
    ["too long", "x".repeat(513)],
    ["not UTF-8", "\u00ff\u00fe"],
    ["made to speak to terminals", bytes("\u009b31m")],
    ["made to be read backwards", bytes("ok \u202e")]
  ] as const) {
    it.effect(`that is ${what} is refused, also where none is required`, () =>
      Effect.gen(function* () {
        const { ask, ran } = yield* makeRuledApp(rule)
        for (const action of ["reboot", "other"]) {
          const answer = yield* ask("alice", `/api/v1/actions/${action}`, { headers: { "x-justification": text } })
          assert.strictEqual(answer.status, 400)
        }
        assert.deepStrictEqual(ran, [])
      })
    )
  }

  it.effect("is what people write, up to its length", () =>
    Effect.gen(function* () {
      const { ask } = yield* makeRuledApp(rule)
      for (const text of ["störung 7", "障害対応", "x".repeat(512)]) {
        const headers = { "x-justification": bytes(text) }
        assert.strictEqual((yield* ask("alice", "/api/v1/actions/reboot", { headers })).status, 200)
      }
    })
  )
})
