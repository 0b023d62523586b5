import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import {
  type ArgumentDeclaration,
  argumentName,
  argumentsMax,
  compile,
  shellArgv,
  toEnvironment
} from "../../../src/services/commands/Arguments.ts"

const validate = (declarations: ReadonlyArray<ArgumentDeclaration>, given: Readonly<Record<string, unknown>>) =>
  Result.getOrThrow(compile(declarations)).validate(given)

const accepted = (declarations: ReadonlyArray<ArgumentDeclaration>, given: Readonly<Record<string, unknown>>) =>
  Result.getOrThrow(validate(declarations, given)).map(({ value }) => value)

const refusal = (declarations: ReadonlyArray<ArgumentDeclaration>, given: Readonly<Record<string, unknown>>) => {
  const result = validate(declarations, given)
  if (Result.isSuccess(result)) throw new Error("it was accepted")
  return result.failure.message
}

const problem = (...declarations: ReadonlyArray<ArgumentDeclaration>) => {
  const result = compile(declarations)
  if (Result.isSuccess(result)) throw new Error("it was accepted")
  return result.failure.message
}

const unit: ArgumentDeclaration = { name: "unit", type: "string", pattern: "[a-z]+|x\\d" }
const port: ArgumentDeclaration = { name: "port", type: "int", min: 1, max: 65_535 }
const mode: ArgumentDeclaration = { name: "mode", type: "enum", values: ["fast", "slow"], default: "slow" }
const force: ArgumentDeclaration = { name: "force", type: "bool", default: false }

describe("what a caller gives", () => {
  it("arrives in the order of declaration, defaults included", () => {
    const values = accepted([unit, port, mode, force], { force: true, port: "8080", unit: "nginx" })
    assert.deepStrictEqual(values, ["nginx", "8080", "slow", "true"])
  })

  it("must match a pattern as a whole", () => {
    for (const value of ["nginx", "x1"]) assert.deepStrictEqual(accepted([unit], { unit: value }), [value])
    for (const value of ["nginx; rm", "nginx\n", "x12", ""]) {
      assert.strictEqual(
        refusal([unit], { unit: value }),
        `argument "unit": found ${JSON.stringify(value)}, allowed: text of at most 1024 bytes that matches [a-z]+|x\\d`
      )
    }
  })

  it("is refused with what was found and what is allowed", () => {
    assert.strictEqual(
      refusal([port], { port: 70_000 }),
      'argument "port": found 70000, allowed: a whole number from 1 to 65535'
    )
    assert.strictEqual(refusal([port], {}), 'argument "port": found nothing, allowed: a whole number from 1 to 65535')
    assert.strictEqual(
      refusal([mode], { mode: "Fast" }),
      'argument "mode": found "Fast", allowed: one of "fast", "slow"'
    )
    assert.strictEqual(refusal([force], { force: 1 }), 'argument "force": found 1, allowed: true or false')
    assert.strictEqual(
      refusal([mode, force], { shell: "sh" }),
      'argument "shell": found "sh", allowed: only the arguments mode, force'
    )
    assert.strictEqual(refusal([], { a: 1 }), 'argument "a": found 1, allowed: no arguments')
  })

  it("is a scalar, without NUL and without half a character", () => {
    const text: ArgumentDeclaration = { name: "text", type: "string" }
    assert.include(refusal([text], { text: ["a"] }), "found an array")
    assert.include(refusal([text], { text: { a: 1 } }), "found an object")
    assert.include(refusal([text], { text: null }), "found null")
    assert.include(refusal([text], { text: 5 }), "found 5")
    assert.include(refusal([text], { text: "a\0b" }), 'found "a\\u0000b"')
    assert.include(refusal([text], { text: "\ud800" }), 'found "\\ud800"')
    assert.include(refusal([text], { toString: "x" }), 'argument "toString"')
    assert.include(refusal([force], { force: { toString: () => "true" } }), "found an object")
  })

  it("is measured in bytes, and a long one is shown cut", () => {
    const text: ArgumentDeclaration = { name: "text", type: "string", max_length: 4 }
    assert.deepStrictEqual(accepted([text], { text: "éé" }), ["éé"])
    assert.include(refusal([text], { text: "ééé" }), "at most 4 bytes")
    assert.isBelow(refusal([text], { text: "x".repeat(100_000) }).length, 200)
  })

  it("is a number only as plain decimal digits", () => {
    const int: ArgumentDeclaration = { name: "n", type: "int" }
    for (const [value, text] of [
      [7, "7"],
      [-0, "0"],
      ["-12", "-12"],
      ["0", "0"]
    ] as const) {
      assert.deepStrictEqual(accepted([int], { n: value }), [text])
    }
    for (const value of [
      "",
      " 1",
      "1 ",
      "0x1",
      "1e3",
      "-0",
      "01",
      "1.5",
      "9007199254740993",
      1.5,
      Number.NaN,
      2 ** 53
    ]) {
      assert.throws(() => accepted([int], { n: value }))
    }
  })

  it.effect.prop("is passed on unchanged or refused, never altered", [Schema.String], ([value]) =>
    Effect.sync(() => {
      const result = validate([{ name: "text", type: "string" }], { text: value })
      if (Result.isSuccess(result)) assert.strictEqual(result.success[0]?.value, value)
      else assert.isTrue(value.includes("\0") || !value.isWellFormed() || Buffer.byteLength(value) > 1024)
    })
  )

  it.effect.prop("as whole numbers: exactly those in range", [Schema.Int, Schema.Int, Schema.Int], ([a, b, n]) =>
    Effect.sync(() => {
      const [min, max] = [Math.min(a, b) + 0, Math.max(a, b) + 0]
      const result = validate([{ name: "n", type: "int", min, max }], { n: String(n + 0) })
      assert.strictEqual(Result.isSuccess(result), n >= min && n <= max)
    })
  )
})

describe("a declaration", () => {
  it("is compiled once, for as long as its configuration lasts", () => {
    const declarations = [unit, port]
    assert.strictEqual(compile(declarations), compile(declarations))
    assert.notStrictEqual(compile([...declarations]), compile(declarations))
    const wrong = [force, force]
    assert.strictEqual(compile(wrong), compile(wrong))
  })

  it("has a default of its own type", () => {
    assert.include(problem({ name: "a", type: "int", default: "1" }), 'default: found "1", allowed: a whole number')
    assert.include(problem({ name: "a", type: "bool", default: "true" }), 'default: found "true", allowed: true or')
    assert.include(problem({ name: "a", type: "enum", values: ["1"], default: 1 }), "default: found 1, allowed: one of")
  })

  it("is refused when it cannot be meant", () => {
    assert.include(problem({ name: "Path", type: "bool" }), "name: allowed: a lower-case letter")
    assert.include(problem({ name: "a".repeat(33), type: "bool" }), "name: allowed: a lower-case letter")
    assert.include(problem(force, force), "name: is given twice")
    assert.include(problem({ name: "a", type: "string", pattern: "[" }), "not a regular expression")
    assert.include(problem({ name: "a", type: "string", pattern: "a)|(b" }), "not a regular expression")
    assert.include(
      problem({ name: "a", type: "string", max_length: -1 }),
      "max_length: found -1, allowed: an integer from 0 to 65536"
    )
    assert.include(problem({ name: "a", type: "enum", values: [] }), "at least one value")
    assert.include(problem({ name: "a", type: "enum", values: ["\0"] }), "cannot be passed")
    assert.include(
      problem({ name: "a", type: "int", min: 2, max: 1 }),
      "min: found 2, allowed: at most max, which is 1"
    )
    assert.include(problem({ name: "a", type: "int", min: 0.5 }), "min: found 0.5, allowed: an integer")
    assert.include(
      problem({ name: "a", type: "int", min: 2, default: 1 }),
      "default: found 1, allowed: a whole number from 2 to"
    )
    assert.include(problem({ name: "a", type: "string", pattern: "x", default: "y" }), 'default: found "y", allowed: ')
    const many = Array.from({ length: argumentsMax + 1 }, (_, n): ArgumentDeclaration => ({
      name: `a${n}`,
      type: "bool"
    }))
    assert.include(problem(...many), `at most ${argumentsMax}`)
  })
})

describe("the way to the command", () => {
  const Name = Schema.String.check(Schema.isPattern(argumentName))

  it.effect.prop("no name can become a variable that means something else", [Name], ([name]) =>
    Effect.sync(() => {
      assert.match(Object.keys(toEnvironment([{ name, value: "v" }])).join(), /^ARG_[A-Z][A-Z0-9_]*$/u)
    })
  )

  it("is the environment and positional parameters, not the script", () => {
    const values = [
      { name: "unit", value: "$(reboot)" },
      { name: "n", value: "-1" }
    ]
    assert.deepStrictEqual(toEnvironment(values), { ARG_UNIT: "$(reboot)", ARG_N: "-1" })
    assert.deepStrictEqual(shellArgv("/bin/sh", "echo $1", "act", values), [
      "/bin/sh",
      "-c",
      "echo $1",
      "act",
      "$(reboot)",
      "-1"
    ])
  })
})
