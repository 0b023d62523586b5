/** What journalctl is asked with; that systemd takes it so is held by test/guest/journal.test.ts. */
import { assert, describe, it } from "@effect/vitest"
import {
  followArguments,
  isCursor,
  pageArguments,
  pastArguments,
  timeOfCursor
} from "../../../src/services/journal/journalArguments.ts"
import { cursorOf, timeOf } from "./support.ts"

const units = ["a.service", "b.socket"]

/** Without what all of them have. */
const own = (argv: ReadonlyArray<string>): ReadonlyArray<string> => {
  assert.deepStrictEqual(argv.slice(0, 4), ["journalctl", "--no-pager", "--all", "--output=json"])
  assert.match(argv[4] ?? "", /^--output-fields=MESSAGE,/u)
  return argv.slice(5)
}

const named = ["--unit=a.service", "--unit=b.socket"]

describe("a page", () => {
  it("of the newest is asked for in reverse, with a time and without", () => {
    assert.deepStrictEqual(own(pageArguments({ units, lines: 5 })), ["--reverse", "--lines=5", ...named])
    assert.deepStrictEqual(own(pageArguments({ units, lines: 5, since: 1_700_000_000_123 })), [
      "--since=@1700000000.123",
      "--reverse",
      "--lines=5",
      ...named
    ])
  })

  it("ahead of a cursor goes back from it", () => {
    const before = cursorOf(1)
    assert.deepStrictEqual(own(pageArguments({ units, lines: 5, before })), [
      `--after-cursor=${before}`,
      "--reverse",
      "--lines=5",
      ...named
    ])
  })

  it("behind a cursor takes no time beside it, and leaves the number to its reader where a pattern would turn it", () => {
    const after = cursorOf(1)
    const asked = { units, lines: 5, after, since: 1 }
    assert.deepStrictEqual(own(pageArguments(asked)), [`--after-cursor=${after}`, "--lines=5", ...named])
    assert.deepStrictEqual(own(pageArguments({ ...asked, grep: "x" })), [
      "--grep=x",
      `--after-cursor=${after}`,
      ...named
    ])
  })

  it("of no unit is the kernel's, of every boot", () => {
    assert.deepStrictEqual(own(pageArguments({ units: [], lines: 5 })), ["--reverse", "--lines=5", "_TRANSPORT=kernel"])
  })

  it("has what callers choose behind the name of its option", () => {
    const grep = "--unit=other.service"
    assert.deepStrictEqual(own(pageArguments({ units, lines: 5, priority: 3, grep })).slice(0, 2), [
      "--priority=3",
      `--grep=${grep}`
    ])
  })
})

describe("following", () => {
  it("begins at a time, behind a cursor, or with all", () => {
    const since = 1_700_000_000_000
    const after = cursorOf(1)
    assert.deepStrictEqual(own(followArguments({ units, since })), [
      "--since=@1700000000.000",
      "--follow",
      "--no-tail",
      ...named
    ])
    assert.deepStrictEqual(own(followArguments({ units, since, after })), [
      "--follow",
      "--no-tail",
      `--after-cursor=${after}`,
      ...named
    ])
    assert.deepStrictEqual(own(followArguments({ units })), ["--follow", "--no-tail", ...named])
    assert.deepStrictEqual(own(pastArguments({ units, after })), [`--after-cursor=${after}`, ...named])
    assert.deepStrictEqual(own(pastArguments({ units })), named)
  })
})

describe("a cursor", () => {
  it("has the form that journald gives it, and its time in it", () => {
    assert.isTrue(isCursor(cursorOf(7)))
    assert.strictEqual(timeOfCursor(cursorOf(7)), timeOf(7))
  })

  it.each(["", "xyz", "--flush", "s=xyz;i=1", "s=1", `s=1;i=2\n`, `s=1;${"i=1;".repeat(100)}i=2`, "s=1;i=1;m=1 --all"])(
    "is not %j",
    (text) => {
      assert.isFalse(isCursor(text))
    }
  )
})
