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
        const lineOf = scan(text)
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
    ([parts]) => Effect.sync(() => assert.isUndefined(scan(parts.join(""))(["zz", 0]))),
    { arbitrary: { runs: 500 } }
  )

  it("reach down to the nearest place above a missing one", () => {
    const lineOf = scan("\n[general]\nlisten_addr = 1\n")
    assert.strictEqual(lineOf(["general", "listen_addr"]), 3)
    assert.strictEqual(lineOf(["general", "absent"]), 2)
    assert.strictEqual(lineOf(["general", "listen_addr", "deeper", 3]), 3)
    assert.isUndefined(lineOf(["absent"]))
    assert.isUndefined(lineOf([]))
  })

  it("keep the first line of a table that is continued", () => {
    const lineOf = scan("[a.b]\nx = 1\n[a]\ny = 2\n[a.c]\nz = 3")
    assert.strictEqual(lineOf(["a"]), 1)
    assert.strictEqual(lineOf(["a", "y"]), 4)
    assert.strictEqual(lineOf(["a", "c", "z"]), 6)
  })

  it("count the elements of nested arrays of tables", () => {
    const lineOf = scan("[[a]]\n[[a.b]]\nx = 1\n[[a.b]]\nx = 2\n[[a]]\n[[a.b]]\nx = 3\n[a.b.c]\ny = 4")
    assert.strictEqual(lineOf(["a", 0, "b", 1, "x"]), 5)
    assert.strictEqual(lineOf(["a", 1, "b", 0, "x"]), 8)
    assert.strictEqual(lineOf(["a", 1, "b", 0, "c", "y"]), 10)
  })

  it("see through a byte order mark", () => {
    assert.strictEqual(scan("\uFEFFx = 1")(["x"]), 1)
  })

  it("take time and memory by the length of the text, however deep its keys are and however long", () => {
    const deep = 100_000
    const lineOf = scan(
      `[${"a.".repeat(deep)}a]\nx = 1\n[${"b".repeat(deep)}]\n${"k = 1\nl.m = 2\n".repeat(deep / 10)}`
    )
    assert.strictEqual(lineOf([...Array.from({ length: deep + 1 }, () => "a"), "x"]), 2)
    assert.strictEqual(lineOf(["b".repeat(deep), "l", "m"]), 5)
  })

  it("end where nesting is deeper than any configuration's", () => {
    const deep = 100_000
    const lineOf = scan(`x = 1\ny = ${"[".repeat(deep)}${"]".repeat(deep)}\nz = 1`)
    assert.strictEqual(lineOf(["x"]), 1)
    assert.strictEqual(lineOf(["y", 0, 0]), 2)
    assert.isUndefined(lineOf(["z"]))
  })
})
