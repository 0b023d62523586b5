import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { normalize } from "../../src/cli/argv.ts"

describe("a command line", () => {
  it("may have the one-dash flags of the original", () => {
    assert.deepStrictEqual(normalize(["-config", "x.toml", "-listen-addr=:1", "-pipe-file", "-"]), [
      "--config",
      "x.toml",
      "--listen-addr=:1",
      "--pipe-file",
      "-"
    ])
  })

  it("keeps what is no long flag", () => {
    const kept = ["-h", "-v", "-", "-3", "-x=1", "--config", "x", "events", "export", "--", "-config"]
    assert.deepStrictEqual(normalize(kept), kept)
  })

  it("may have its flags before serve", () => {
    assert.deepStrictEqual(normalize(["-config", "serve", "serve", "--pipe-file="]), [
      "--config",
      "serve",
      "--pipe-file="
    ])
    assert.deepStrictEqual(normalize(["--config=x", "serve"]), ["--config=x"])
    assert.deepStrictEqual(normalize(["--help", "serve"]), ["--help"])
    assert.deepStrictEqual(normalize(["serve", "--config", "x"]), ["serve", "--config", "x"])
    assert.deepStrictEqual(normalize(["--config", "serve"]), ["--config", "serve"])
  })

  it.effect.prop(
    "is normalised once and for all, and never what follows --",
    [Schema.Array(Schema.String)],
    ([parts]) =>
      Effect.sync(() => {
        const flagsOnly = parts.filter((part) => part !== "serve")
        assert.deepStrictEqual(normalize(normalize(flagsOnly)), normalize(flagsOnly))
        assert.deepStrictEqual(normalize(["--", ...parts]), ["--", ...parts])
      })
  )
})
