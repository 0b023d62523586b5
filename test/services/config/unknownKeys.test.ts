import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { ConfigDocument } from "../../../src/services/config/ConfigSchema.ts"
import { shapeOf } from "../../../src/services/config/SchemaShape.ts"
import { distance, nearest, unknownKeys } from "../../../src/services/config/unknownKeys.ts"

const Word = Schema.String.check(Schema.isPattern(/^[a-d]{0,8}$/u))

describe("the distance of two words", () => {
  it("counts slips", () => {
    assert.strictEqual(distance("", "abc"), 3)
    assert.strictEqual(distance("kitten", "sitting"), 3)
    assert.strictEqual(distance("listen_addr", "listen_adrr"), 1)
    assert.strictEqual(distance("ab", "ba"), 1)
  })

  it.effect.prop("is symmetric, bounded, and 0 for equals only", [Word, Word], ([a, b]) =>
    Effect.sync(() => {
      const slips = distance(a, b)
      assert.strictEqual(slips, distance(b, a))
      assert.isAtLeast(slips, Math.abs(a.length - b.length))
      assert.isAtMost(slips, Math.max(a.length, b.length))
      assert.strictEqual(slips === 0, a === b)
    })
  )

  it.effect.prop("is at most 1 for one letter more", [Word, Schema.Natural, Word], ([word, at, letter]) =>
    Effect.sync(() => {
      const place = at % (word.length + 1)
      const longer = word.slice(0, place) + letter.slice(0, 1) + word.slice(place)
      assert.isAtMost(distance(word, longer), 1)
    })
  )
})

describe("the nearest name", () => {
  it("is one that a slip makes of another", () => {
    assert.strictEqual(nearest("listenaddr", ["listen_addr", "pipe_file"]), "listen_addr")
    assert.strictEqual(nearest("Log_Debug", ["log_json", "log_debug"]), "log_debug")
  })

  it("is none where names have little in common, or are endless", () => {
    assert.isUndefined(nearest("colour", ["listen_addr", "pipe_file"]))
    assert.isUndefined(nearest("ab", ["cd"]))
    assert.isUndefined(nearest(`listen_addr${"r".repeat(1_000_000)}`, ["listen_addr"]))
  })
})

describe("unknown keys", () => {
  it("are found at every depth, and only there", () => {
    const found = unknownKeys(shapeOf(ConfigDocument), {
      genral: {},
      general: { listen_adr: "x", pprof: true },
      pipes: [{ path: "a" }, { pth: "b" }],
      actions: { anything: "goes", here: { comand: "x", env: { ANY: "1" }, args: [{ name: "a", tipe: "int" }] } },
      file_uploads: { any: "path", here: { paht: "x" } },
      limits: 3
    })
    assert.deepStrictEqual(
      found.map(({ path, text }) => [path.join("."), text]),
      [
        ["genral", 'unknown key, did you mean "general"?'],
        ["general.listen_adr", 'unknown key, did you mean "listen_addr"?'],
        ["pipes.1.pth", 'unknown key, did you mean "path"?'],
        ["actions.here.comand", 'unknown key, did you mean "command"?'],
        ["actions.here.args.0.tipe", 'unknown key, did you mean "type"?'],
        ["file_uploads.here.paht", 'unknown key, did you mean "path"?']
      ]
    )
  })
})
