import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  checkInput,
  EventInput,
  type InputRules,
  parseJson,
  resultsOf,
  toRuns
} from "../../../src/services/events/EventInput.ts"

const rules: InputRules = { messageMaxBytes: 16, acceptGivenTime: false }
const origin = { receivedAt: 5n, who: "admin" }
const check = (value: unknown, given: Partial<InputRules> = {}) => checkInput(value, { ...rules, ...given }, origin)
const failureOf = (value: unknown, given?: Partial<InputRules>) => {
  const checked = check(value, given)
  return Result.isFailure(checked) ? checked.failure : assert.fail("it was taken")
}

describe("checkInput", () => {
  it("fills in what the sender leaves out", () => {
    assert.deepStrictEqual(
      check({ message: "hi" }),
      Result.succeed({
        receivedAt: 5n,
        source: "http",
        who: "admin",
        level: "info",
        fields: undefined,
        messages: ["hi"]
      })
    )
  })

  it("takes level and fields, and the time where that is allowed", () => {
    const value = { message: "hi", level: "error", fields: { n: 1 }, received_at: "1970-01-01T00:00:01Z" }
    assert.deepInclude(Result.getOrThrow(check(value, { acceptGivenTime: true })), {
      receivedAt: 1_000_000_000n,
      level: "error",
      fields: '{"n":1}'
    })
    assert.include(failureOf(value).error, "events.accept_given_time is off")
    const wrong = failureOf({ ...value, received_at: "9999-01-01T00:00:00Z" }, { acceptGivenTime: true })
    assert.include(wrong.error, "received_at: not a time")
  })

  for (const value of [
    null,
    1,
    "text",
    [],
    {},
    { message: 1 },
    { message: "a", level: "loud" },
    { message: "a", fields: [] },
    { message: "a", colour: "red" },
    { message: "a", seq: 1 }
  ]) {
    it(`refuses ${JSON.stringify(value)} and says why in one line`, () => {
      const { code, error } = failureOf(value)
      assert.strictEqual(code, 400)
      assert.match(error, /^not an event: .+$/u)
    })
  }

  it("counts bytes, not characters", () => {
    assert.isTrue(Result.isSuccess(check({ message: "é".repeat(8) })))
    assert.deepStrictEqual(failureOf({ message: "é".repeat(9) }), {
      code: 413,
      error: "message: larger than the 16 bytes allowed"
    })
    assert.deepStrictEqual(failureOf({ message: "", fields: { long: "x".repeat(20) } }), {
      code: 413,
      error: "fields: larger than the 16 bytes allowed"
    })
  })

  it("lets no broken text through", () => {
    assert.deepStrictEqual(Result.getOrThrow(check({ message: "a\ud800" })).messages, ["a\ufffd"])
  })

  it.effect.prop("takes every event its schema allows", [Schema.toType(EventInput)], ([input]) =>
    Effect.sync(() => {
      const { received_at: _, ...timeless } = input
      const checked = check(timeless, { messageMaxBytes: 1_000_000 })
      assert.isTrue(Result.isSuccess(checked))
    })
  )
})

const DrawnValue = Schema.Tuple([
  Schema.Literals(["message", "level", "fields", "received_at", "colour", "constructor"]),
  Schema.Union([
    Schema.Literals(["", "info", "audit", "1970-01-01T00:00:01Z", 0, true]),
    Schema.Null,
    Schema.Tuple([]),
    Schema.Struct({ n: Schema.Literals([1, "x"]) })
  ])
])

it.effect.prop("takes what its schema takes and nothing else", [Schema.toType(Schema.Array(DrawnValue))], ([drawn]) =>
  Effect.sync(() => {
    const decode = Schema.decodeUnknownExit(EventInput, { onExcessProperty: "error" })
    for (const value of [Object.fromEntries(drawn), { message: "m", ...Object.fromEntries(drawn.slice(0, 2)) }]) {
      const checked = check(value, { messageMaxBytes: 1000, acceptGivenTime: true })
      const taken = Result.isSuccess(checked) || checked.failure.error.startsWith("received_at: not a time")
      assert.strictEqual(taken, decode(value)._tag === "Success", JSON.stringify(value))
    }
  })
)

describe("a batch", () => {
  it("becomes as few runs as possible and keeps its order; each input has its own result", () => {
    const inputs = [
      check({ message: "a" }),
      check({ message: "b" }),
      check({ message: 1 }),
      check({ message: "c", level: "error" }),
      check({ message: "d", level: "error", fields: {} }),
      check({ message: "e", level: "error", fields: {} }),
      check({ message: "f" })
    ]
    const runs = toRuns(inputs)
    assert.deepStrictEqual(
      runs.map(({ fields, level, messages }) => [level, fields, messages]),
      [
        ["info", undefined, ["a", "b"]],
        ["error", undefined, ["c"]],
        ["error", "{}", ["d", "e"]],
        ["info", undefined, ["f"]]
      ]
    )
    const results = resultsOf(inputs, { first: 10, last: 15 }, (i) => i + 100)
    assert.deepStrictEqual(
      results.map((result) => ("seq" in result ? result.seq : [result.line, result.code])),
      [10, 11, [102, 400], 12, 13, 14, 15]
    )
  })

  it("of wrong inputs only has no runs", () => {
    assert.deepStrictEqual(toRuns([check({}), check(null)]), [])
  })
})

describe("parseJson", () => {
  it("says what is wrong", () => {
    assert.deepStrictEqual(parseJson('{"a":1}'), Result.succeed({ a: 1 }))
    const failed = parseJson('{"a":')
    assert.isTrue(
      Result.isFailure(failed) && failed.failure.code === 400 && failed.failure.error.startsWith("not JSON: ")
    )
  })
})
