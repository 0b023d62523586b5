import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Toml from "effect/encoding/Toml"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { scan } from "../../../src/services/config/TomlLines.ts"
import { build, places, Recipe } from "./tomlDocuments.ts"

describe("lines of a TOML document", () => {
  it.effect.prop(
    "are those of its keys and elements, whatever stands between them",
    [Schema.toType(Recipe)],
    ([recipe]) =>
      Effect.sync(() => {
        const { text, lines } = build(recipe)
        const document = Result.getOrThrow(Toml.parse(text))
        const { lineOf } = scan(text)
        const known = new Set(lines.map(([path]) => JSON.stringify(path)))
        for (const place of places(document))
          assert.isTrue(known.has(JSON.stringify(place)), `${JSON.stringify(place)} of\n${text}`)
        for (const [path, line] of lines) assert.strictEqual(lineOf(path), line, `${JSON.stringify(path)} of\n${text}`)
      }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.prop(
    "are never wrong to ask for, whatever the text",
    [
      Schema.Array(
        Schema.Literals(["[", "]", "{", "}", '"', "'", "\\", "=", "a", ".", ",", "#", "\n", "\r", " ", '"""', "'''"])
      )
    ],
    ([parts]) => Effect.sync(() => assert.isUndefined(scan(parts.join("")).lineOf(["zz", 0]))),
    { arbitrary: { runs: 500 } }
  )

  it("reach down to the nearest place above a missing one", () => {
    const { lineOf } = scan("\n[general]\nlisten_addr = 1\n")
    assert.strictEqual(lineOf(["general", "listen_addr"]), 3)
    assert.strictEqual(lineOf(["general", "absent"]), 2)
    assert.strictEqual(lineOf(["general", "listen_addr", "deeper", 3]), 3)
    assert.isUndefined(lineOf(["absent"]))
    assert.isUndefined(lineOf([]))
  })

  it("keep the first line of a table that is continued", () => {
    const { lineOf } = scan("[a.b]\nx = 1\n[a]\ny = 2\n[a.c]\nz = 3")
    assert.strictEqual(lineOf(["a"]), 1)
    assert.strictEqual(lineOf(["a", "y"]), 4)
    assert.strictEqual(lineOf(["a", "c", "z"]), 6)
  })

  it("count the elements of nested arrays of tables", () => {
    const { lineOf } = scan("[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n[[a]]\n[[a.b]]\nx = 3\n[a.b.c]\ny = 4")
    assert.strictEqual(lineOf(["a", 0, "b", 1, "x"]), 5)
    assert.strictEqual(lineOf(["a", 1, "b", 0, "x"]), 8)
    assert.strictEqual(lineOf(["a", 1, "b", 0, "c", "y"]), 10)
  })

  it("see through a byte order mark", () => {
    assert.strictEqual(scan("\uFEFFx = 1").lineOf(["x"]), 1)
  })

  it("take time and memory by the length of the text, however long its keys are", () => {
    const long = 100_000
    const keys = "k = 1\nl.m = 2\n".repeat(long / 10)
    assert.strictEqual(scan(`[${"b".repeat(long)}]\n${keys}`).lineOf(["b".repeat(long), "l", "m"]), 3)
  })

  it("end where nesting is deeper than any configuration's, and say where", () => {
    const deep = 100_000
    for (const [text, line] of [
      [`x = 1\ny = ${"[".repeat(deep)}${"]".repeat(deep)}\nz = 1`, 2],
      [`x = 1\n[y]\n${"a.".repeat(deep)}a = 1\n[z]`, 3],
      [`x = 1\n[y]\n\n[y.${"a.".repeat(deep)}a]\n[z]`, 4]
    ] as const) {
      const { lineOf, tooDeepAt } = scan(text)
      assert.strictEqual(tooDeepAt, line)
      assert.strictEqual(lineOf(["x"]), 1)
      assert.strictEqual(lineOf(["y"]), 2)
      assert.isUndefined(lineOf(["z"]))
    }
    const { lineOf, tooDeepAt } = scan(`y = ${"[".repeat(32)}${"]".repeat(32)}\n${"a.".repeat(31)}a = 1\nz = 1`)
    assert.isUndefined(tooDeepAt)
    assert.strictEqual(lineOf(["z"]), 3)
  })
})
