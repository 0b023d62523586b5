import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { EventRecord } from "../../../src/http/api/Events.ts"
import { briefJson, escapeControls, eventJson, rfc3339Nanos, textLine } from "../../../src/services/events/render.ts"
import { parseTime } from "../../../src/services/events/time.ts"
import { AnyText, toText } from "../../harness/text.ts"

const at = (text: string): bigint => parseTime(text) ?? assert.fail(`no time: ${text}`)

describe("textLine", () => {
  it("is what the original writes", () => {
    assert.strictEqual(
      textLine(at("2024-11-05T22:03:23.999999999Z"), "hello wörld"),
      "2024-11-05T22:03:23Z \t hello wörld\n"
    )
    assert.strictEqual(textLine(0n, ""), "1970-01-01T00:00:00Z \t \n")
  })

  it.effect.prop("is one line without a control character, whatever the message holds", [AnyText], ([points]) =>
    Effect.sync(() => {
      const message = toText(points)
      const line = textLine(0n, message)
      // Without the tabs, which stay, nothing that is left is a control character, but for the end of the line.
      assert.match(line.replaceAll("\t", ""), /^1970-01-01T00:00:00Z  [^\p{Cc}\u2028\u2029]*\n$/u)
      assert.strictEqual(line.slice(0, 23), "1970-01-01T00:00:00Z \t ")
      if (!/[\p{Cc}\u2028\u2029]/u.test(message)) assert.strictEqual(line.slice(23, -1), message)
    })
  )

  it("names what it escapes", () => {
    assert.strictEqual(
      escapeControls("a\nb\rc\u001b[31m\u0000\u007f\u009b\u2028\tend"),
      "a\\nb\\rc\\e[31m\\u0000\\u007f\\u009b\\u2028\tend"
    )
  })
})

describe("JSON", () => {
  it.effect.prop(
    "keeps every character, and decodes with the contract's schema",
    [AnyText, AnyText],
    ([points, more]) =>
      Effect.gen(function* () {
        const message = toText(points)
        const source = toText(more)
        const event = {
          seq: 7,
          receivedAt: 1_730_844_203_000_000_001n,
          source,
          who: points.length % 2 === 0 ? "admin" : undefined,
          level: "error" as const,
          message,
          fields: more.length % 2 === 0 ? JSON.stringify({ [source]: message }) : undefined
        }
        const record = yield* Schema.decodeUnknownEffect(EventRecord)(JSON.parse(eventJson(event)))
        assert.deepStrictEqual(record, {
          seq: 7,
          received_at: "2024-11-05T22:03:23.000000001Z",
          source,
          ...(event.who === undefined ? {} : { who: event.who }),
          level: "error",
          message,
          ...(event.fields === undefined ? {} : { fields: { [source]: message } })
        })
        assert.deepStrictEqual(JSON.parse(briefJson(0n, message)), {
          received_at: "1970-01-01T00:00:00.000000000Z",
          message
        })
        assert.notInclude(eventJson(event), "\n")
      })
  )
})

describe("time", () => {
  const Nanos = Schema.BigInt.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 2n ** 63n - 1n }))

  it.effect.prop("goes out and comes in as the same nanosecond", [Nanos], ([nanos]) =>
    Effect.sync(() => {
      assert.strictEqual(parseTime(rfc3339Nanos(nanos)), nanos)
      const seconds = nanos / 1_000_000_000n
      if (seconds < 10_000_000_000n) {
        const fraction = (nanos % 1_000_000_000n).toString().padStart(9, "0")
        assert.strictEqual(parseTime(`${seconds}.${fraction}`), nanos)
      }
    })
  )

  const second = 1_000_000_000n
  const cases: ReadonlyArray<readonly [string, bigint | undefined]> = [
    ["1970-01-01T00:00:00Z", 0n],
    ["2024-11-05T22:03:23Z", 1_730_844_203n * second],
    ["2024-11-05t22:03:23z", 1_730_844_203n * second],
    ["2024-11-05 22:03:23.5Z", 1_730_844_203n * second + 500_000_000n],
    ["2024-11-06T00:03:23+02:00", 1_730_844_203n * second],
    ["1730844203", 1_730_844_203n * second],
    ["1730844203.25", 1_730_844_203n * second + 250_000_000n],
    ["1730844203123", 1_730_844_203_123_000_000n],
    ["0", 0n],
    ["", undefined],
    ["now", undefined],
    ["-1", undefined],
    ["12345678901", undefined],
    ["2024-11-05", undefined],
    ["2024-11-05T22:03:23", undefined],
    ["2024-13-05T22:03:23Z", undefined],
    ["2024-11-05T25:03:23Z", undefined],
    ["2024-11-05T22:03:23.1234567890Z", undefined],
    ["1969-12-31T23:59:59Z", undefined],
    ["2262-04-11T23:47:16.854775807Z", 2n ** 63n - 1n],
    ["2262-04-11T23:47:16.854775808Z", undefined],
    ["9999-12-31T23:59:59Z", undefined],
    ["9999999999", undefined]
  ]
  for (const [text, nanos] of cases) {
    it(`takes ${JSON.stringify(text)} for ${nanos ?? "no time"}`, () => {
      assert.strictEqual(parseTime(text), nanos)
    })
  }
})
