/** What is made for the package of the command line and of the configuration: whole, and as its readers take it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { commandPage } from "../../scripts/package/commandPage.ts"
import { commandLine, completions } from "../../scripts/package/completions.ts"
import { configPage } from "../../scripts/package/configPage.ts"
import { changelog } from "../../scripts/package/texts.ts"
import { jsonSchema } from "../../src/services/config/ConfigSchema.ts"
import { execute } from "../system/support.ts"

/** What a reader of roff sees of a dash. */
const shown = (page: string): string => page.replaceAll(String.raw`\-`, "-")

describe("systemapi(1)", () => {
  const page = shown(commandPage(commandLine(), "2026-11-22", "1.0"))

  it("has every command and every flag", () => {
    const all = (command: ReturnType<typeof commandLine>, above: string): ReadonlyArray<string> => [
      ...(command.subcommands.length === 0 ? [`"${above}${command.name}`] : []),
      ...command.flags.map(({ name }) => `"--${name}`),
      ...command.subcommands.flatMap((below) => all(below, `${above}${command.name} `))
    ]
    const wanted = all(commandLine(), "")
    assert.isAbove(wanted.length, 30)
    for (const words of wanted) assert.include(page, words)
  })

  it("has no line that roff takes for a command which is none", () => {
    for (const line of page.split("\n")) assert.match(line, /^(?:[^.']|\.(?:TH|SH|SS|PP|TP|B|BR|EX|EE|br|nh|ad)\b)|^$/u)
  })
})

describe("systemapi-config.toml(5)", () => {
  const page = shown(configPage(jsonSchema(), "2026-11-22", "1.0"))

  it("has every key of every table, of those in lists and of those with names of the user's too", () => {
    const keys = (schema: unknown): ReadonlyArray<string> => {
      if (typeof schema !== "object" || schema === null) return []
      const own = "properties" in schema && typeof schema.properties === "object" ? schema.properties : null
      return [
        ...Object.keys(own ?? {}),
        ...Object.values(schema).flatMap(keys),
        ...Object.values(own ?? {}).flatMap(keys)
      ]
    }
    const { properties } = jsonSchema()
    const wanted = new Set(Object.values(properties ?? {}).flatMap(keys))
    assert.isAbove(wanted.size, 100)
    for (const key of wanted) assert.match(page, new RegExp(`^\\.B "${key}"$`, "mu"))
  })

  it("says what a key takes, what it is for and what it is when it is left out", () => {
    assert.match(
      page,
      /\.B "message_max_bytes"\n.*bytes.*\n\.br\nAllowed: an integer from \d+ to \d+\. Default: 1048576\./u
    )
  })
})

describe("completions", () => {
  const complete = (...words: ReadonlyArray<string>) =>
    Effect.map(
      execute("bash", [
        "-c",
        'eval "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; ' +
          '_systemapi "$1" "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}"; printf "%s\\n" "${COMPREPLY[@]}"',
        "bash",
        completions("bash", commandLine()),
        ...words
      ]),
      ({ out }) => out.split("\n").filter((line) => line !== "")
    )

  it.live("of bash know commands, flags, fixed words and files", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* complete("systemapi", "con"), ["config"])
      assert.include(yield* complete("systemapi", "events", "export", "--"), "--output")
      assert.deepStrictEqual(yield* complete("systemapi", "--log-level", "de"), ["debug"])
      assert.include(yield* complete("systemapi", "--config", "/etc/hos"), "/etc/hosts")
    })
  )

  it("of the others are there, and tell nobody how to install what is installed", () => {
    assert.match(completions("zsh", commandLine()), /^#compdef systemapi\n/u)
    assert.include(completions("fish", commandLine()), "complete -c systemapi")
    for (const shell of ["bash", "zsh", "fish"] as const)
      assert.notInclude(completions(shell, commandLine()), "Installation")
  })
})

describe("Debian's changelog", () => {
  it("has the points of the newest version, in lines that fit", () => {
    const text = changelog("# Changelog\n\n## 2.0\n\n- One point\n  in two lines\n- Another\n\n## 1.0\n\n- Old\n", {
      version: "2.0-1",
      architecture: "amd64",
      maintainer: "somebody <somebody@example.org>",
      time: 0
    })
    assert.strictEqual(
      text,
      [
        "systemapi (2.0-1) unstable; urgency=medium",
        "",
        "  * One point in two lines",
        "  * Another",
        "",
        " -- somebody <somebody@example.org>  Thu, 01 Jan 1970 00:00:00 +0000",
        ""
      ].join("\n")
    )
  })
})
