import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { compile } from "../../../src/services/commands/Arguments.ts"
import { ActionArgument, argumentFaults, argumentSpec } from "../../../src/services/config/ArgumentSchema.ts"
import { formatPath } from "../../../src/services/config/Problem.ts"
import { configOf } from "./support.ts"

const faults = (argument: typeof ActionArgument.Encoded) =>
  argumentFaults(Schema.decodeSync(ActionArgument)(argument)).map(({ path, text }) => `${formatPath(path)}: ${text}`)

/** Few values, so that rules meet: a generator of the whole schema would hardly ever make an argument that is right. */
const Drawn = Schema.Struct({
  type: Schema.Literals(["string", "enum", "int", "bool"]),
  pattern: Schema.Literals(["", "[a-z]+", "a)|(b", "(", "\\p{L}", "a{2,1}"]),
  max_length: Schema.Literals([0, 1, 3]),
  values: Schema.Array(Schema.Literals(["a", "b", ""])).check(Schema.isMinLength(1)),
  min: Schema.Literals([-3, 0, 5]),
  max: Schema.Literals([-3, 0, 5]),
  default: Schema.Literals(["", "a", "bbb", "ä", 0, 4, -3, true, false]),
  required: Schema.Boolean,
  given: Schema.Array(Schema.Literals(["pattern", "max_length", "values", "min", "max", "default", "required"]))
})

describe("an argument of an action", () => {
  it.effect.prop(
    "that has no faults is one that callers' values can be checked against",
    [Drawn],
    ([{ given, type, ...drawn }]) =>
      Effect.gen(function* () {
        const picked = Object.fromEntries(Object.entries(drawn).filter(([name]) => given.some((key) => key === name)))
        const argument = yield* Schema.decodeEffect(ActionArgument)({ name: "x", type, ...picked })
        if (argumentFaults(argument).length > 0) return
        const spec = argumentSpec(argument)
        const compiled = compile([spec])
        assert.isTrue(Result.isSuccess(compiled), JSON.stringify(argument))
        assert.strictEqual(spec.required, spec.default === undefined)
        const whenLeftOut = Result.getOrThrow(compiled).validate({})
        assert.strictEqual(Result.isSuccess(whenLeftOut), !spec.required, JSON.stringify(argument))
      }),
    { arbitrary: { runs: 2000 } }
  )

  it("has the keys of its type only", () => {
    assert.deepStrictEqual(faults({ name: "x", type: "int", pattern: "a", values: ["b"] }), [
      'pattern: is for type = "string", but the type is "int"',
      'values: is for type = "enum", but the type is "int"'
    ])
    assert.deepStrictEqual(faults({ name: "x", type: "bool", min: 1, max_length: 2 }), [
      'max_length: is for type = "string", but the type is "bool"',
      'min: is for type = "int", but the type is "bool"'
    ])
    assert.deepStrictEqual(faults({ name: "x", type: "enum" }), [': has type = "enum" and no values'])
    // The type was forgotten: that the default is none of a string says the same again.
    assert.deepStrictEqual(faults({ name: "x", min: 1, default: 3 }), [
      'min: is for type = "int", but the type is "string"'
    ])
  })

  it("has a pattern that is one, by itself", () => {
    assert.deepStrictEqual(faults({ name: "x", pattern: "[a-z]+(?:-[a-z]+)*" }), [])
    assert.deepStrictEqual(faults({ name: "x", pattern: "(" }), [
      "pattern: is not a regular expression (Unterminated group)"
    ])
    assert.deepStrictEqual(faults({ name: "x", pattern: "a)|(b" }), [
      "pattern: is not a regular expression (Unmatched ')')"
    ])
    assert.deepStrictEqual(faults({ name: "x", pattern: "\\-" }), [
      "pattern: is not a regular expression (Invalid escape)"
    ])
  })

  it("has bounds in order", () => {
    assert.deepStrictEqual(faults({ name: "x", type: "int", min: 3, max: 2 }), [
      "min: found 3, allowed: at most max, which is 2"
    ])
    assert.deepStrictEqual(faults({ name: "x", type: "int", min: 2, max: 2 }), [])
  })

  it("has a default of its own kind, or is required", () => {
    assert.deepStrictEqual(faults({ name: "x", default: 3 }), ["default: found 3, allowed: text of at most 1024 bytes"])
    assert.deepStrictEqual(faults({ name: "x", pattern: "a+", default: "ab" }), [
      'default: found "ab", allowed: text of at most 1024 bytes that matches a+'
    ])
    assert.deepStrictEqual(faults({ name: "x", max_length: 1, default: "ä" }), [
      'default: found "ä", allowed: text of at most 1 bytes'
    ])
    assert.deepStrictEqual(faults({ name: "x", type: "enum", values: ["a"], default: "b" }), [
      'default: found "b", allowed: one of "a"'
    ])
    assert.deepStrictEqual(faults({ name: "x", type: "int", max: 2, default: 3 }), [
      `default: found 3, allowed: a whole number from ${Number.MIN_SAFE_INTEGER} to 2`
    ])
    assert.deepStrictEqual(faults({ name: "x", type: "bool", default: "yes" }), [
      'default: found "yes", allowed: true or false'
    ])
    assert.deepStrictEqual(faults({ name: "x", required: false }), [
      "required: is false without a default to take its place"
    ])
    assert.deepStrictEqual(faults({ name: "x", required: true, default: "a" }), [
      "required: is true beside a default, with which it is never missing"
    ])
  })

  it.live("is written out with what it left to the defaults", () =>
    Effect.gen(function* () {
      const { actions } = yield* configOf(`
[actions.a]
command = "x"
args = [{ name = "s" }, { name = "e", type = "enum", values = ["v"], default = "v" }, { name = "i", type = "int" }, { name = "b", type = "bool", default = false }]
`)
      assert.deepStrictEqual(actions.get("a")?.args, [
        {
          name: "s",
          description: "",
          required: true,
          type: "string",
          pattern: undefined,
          max_length: 1024,
          default: undefined
        },
        { name: "e", description: "", required: false, type: "enum", values: ["v"], default: "v" },
        {
          name: "i",
          description: "",
          required: true,
          type: "int",
          min: Number.MIN_SAFE_INTEGER,
          max: Number.MAX_SAFE_INTEGER,
          default: undefined
        },
        { name: "b", description: "", required: false, type: "bool", default: false }
      ])
    })
  )
})
