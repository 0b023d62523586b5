import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { answersOf, progressOf } from "../../../src/services/provisioning/cliAnswers.ts"
import { freeAddress, parseNetwork } from "../../../src/services/provisioning/Network.ts"

describe("what the program says", () => {
  it("is progress where a line says so", () => {
    assert.deepStrictEqual(progressOf('{"progress":0.5,"message":"half"}'), { fraction: 0.5, text: "half" })
    assert.deepStrictEqual(progressOf(' {"progress":1} '), { fraction: 1, text: null })
    for (const line of [
      "",
      "half",
      "{",
      '{"progress":50}',
      '{"progress":"0.5"}',
      '{"progress":-0.1}',
      "[0.5]",
      "0.5"
    ]) {
      assert.isUndefined(progressOf(line), line)
    }
    assert.isAtMost(progressOf(JSON.stringify({ progress: 0, message: "x".repeat(5000) }))?.text?.length ?? 9999, 1025)
  })

  it("is a result: the one called so, else the last object, else one over several lines at the end", () => {
    const cases: ReadonlyArray<readonly [string, Schema.JsonObject | undefined]> = [
      ['{"result":{"a":1}}\n{"b":2}\n', { a: 1 }],
      ['{"a":1}\ntext\n{"b":2}\n{"progress":1}\n', { b: 2 }],
      ['text\n{\n  "a": {"b": [1]}\n}\n', { a: { b: [1] } }],
      ['{\n "result": {"a": 1}\n}\n', { a: 1 }],
      ['{"result":[1]}\n', { result: [1] }],
      ["text\n", undefined],
      ["[1]\n", undefined],
      ['{"a":1\n', undefined],
      ["", undefined]
    ]
    for (const [stdout, result] of cases) assert.deepStrictEqual(answersOf(stdout).result, result, stdout)
  })

  it("is an error, in a text or an object", () => {
    assert.strictEqual(answersOf('{"error":"no plan"}\n').error, "no plan")
    assert.strictEqual(answersOf('{"error":{"message":"no plan"}}\n{"result":{}}\n').error, "no plan")
    assert.strictEqual(answersOf('{"error":{"code":3}}\n').error, '{"code":3}')
    assert.isUndefined(answersOf('{"error":null,"server_id":"a"}\n').error)
  })

  it.effect.prop("is never more than text, whatever it is", [Schema.Array(Schema.String)], ([lines]) =>
    Effect.sync(() => {
      const { error, result } = answersOf(lines.join("\n"))
      assert.isTrue(error === undefined || typeof error === "string")
      assert.isTrue(result === undefined || (typeof result === "object" && !Array.isArray(result)))
    })
  )
})

describe("a network", () => {
  it("gives every address but its own and its broadcast, from the lowest on", () => {
    const network = parseNetwork("10.0.0.252/30") ?? assert.fail()
    assert.strictEqual(freeAddress(network, new Set()), "10.0.0.253")
    assert.strictEqual(freeAddress(network, new Set(["10.0.0.253"])), "10.0.0.254")
    assert.isUndefined(freeAddress(network, new Set(["10.0.0.253", "10.0.0.254"])))
    assert.strictEqual(freeAddress(parseNetwork("255.255.255.0/24") ?? assert.fail(), new Set()), "255.255.255.1")
    const taken = new Set(Array.from({ length: 255 }, (_, index) => `10.1.0.${index + 1}`))
    assert.strictEqual(freeAddress(parseNetwork("10.1.0.0/16") ?? assert.fail(), taken), "10.1.1.0")
  })

  it("is refused where it is none, or has bits of hosts", () => {
    const wrong = [
      "",
      "10.0.0.0",
      "10.0.0.1/24",
      "10.0.0.0/31",
      "10.0.0.0/7",
      "10.0.0/24",
      "300.0.0.0/24",
      "::/64",
      "10.0.0.0/24 ",
      "010.0.0.0/24"
    ]
    for (const text of wrong) assert.isUndefined(parseNetwork(text), text)
  })
})
