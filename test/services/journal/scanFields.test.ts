/** Members of an object read off its text are those that JSON.parse finds, whatever they hold. */
import { assert, describe, it } from "@effect/vitest"
import { scanFields } from "../../../src/services/journal/scanFields.ts"
import { random } from "../../harness/random.ts"

const empty = { MESSAGE: undefined, _PID: undefined, UNIT: undefined }
const names = new Map<string, keyof typeof empty>([
  ["MESSAGE", "MESSAGE"],
  ["_PID", "_PID"],
  ["UNIT", "UNIT"]
])

const scan = (line: string) => scanFields(line, names, empty)

/** What texts of an attacker would be made of. */
const pieces = [
  "a",
  '"',
  "\\",
  "\\\\",
  '\\"',
  '","_PID":"1',
  "\n",
  "\u0001",
  "é",
  "😀",
  "]",
  "}",
  "null",
  " ",
  "\u2028"
]

describe("scanning", () => {
  it("finds what JSON.parse finds, in any order, for 20,000 seeded objects", () => {
    const next = random(7)
    const below = (most: number) => Math.floor(next() * most)
    const text = () => Array.from({ length: below(6) }, () => pieces[below(pieces.length)]).join("")
    const value = (): unknown => {
      const kind = below(4)
      if (kind === 0) return null
      return kind === 1 ? Array.from({ length: below(4) }, () => below(256)) : text()
    }
    for (let n = 0; n < 20_000; n++) {
      const entries = ["MESSAGE", "_PID", "UNIT", "OTHER", "__CURSOR"].flatMap((name) =>
        below(4) === 0 ? [] : [[name, value()] as const]
      )
      if (entries.length === 0) continue
      const line = JSON.stringify(Object.fromEntries(entries.toSorted(() => below(3) - 1)))
      const parsed: Readonly<Record<string, unknown>> = JSON.parse(line)
      assert.deepStrictEqual(
        scan(line),
        { MESSAGE: parsed["MESSAGE"], _PID: parsed["_PID"], UNIT: parsed["UNIT"] },
        line
      )
    }
  })

  it.each([
    '{"MESSAGE":["a","b"]}',
    '{"MESSAGE":["]"]}',
    '{"MESSAGE":{"a":1}}',
    '{"MESSAGE":"open}',
    '{"MESSAGE":"a"',
    '{"MESSAGE":"a"} ',
    '{"MESSAGE":"a","_PID"}',
    '{"MESSAGE":"\\x"}',
    '{"MESSAGE":[1,,2]}',
    "{}",
    "{",
    ""
  ])("leaves %j to others", (line) => {
    assert.isUndefined(scan(line))
  })
})
