import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { JournalCursorUnknown, JournalForbidden } from "../../../src/services/journal/Journal.ts"
import { followArguments } from "../../../src/services/journal/journalArguments.ts"
import { recordedMax } from "../../../src/services/config/UnitSection.ts"
import { cursorOf, fakeJournalctl, journal, lineOf } from "./support.ts"

const units = ["demo.service"]
const writeLines = 'cat "$0.lines"'

describe("a cursor", () => {
  it.live("of the newest entry is asked for alone", () =>
    Effect.gen(function* () {
      const { given } = yield* fakeJournalctl(writeLines, [lineOf(7)])
      const { cursor } = yield* journal
      assert.strictEqual(yield* cursor({ units }), cursorOf(7))
      const argv = yield* given
      assert.includeMembers([...argv], ["--lines=1", "--unit=demo.service"])
      assert.isFalse(argv.some((argument) => argument.startsWith("--cursor")))
    })
  )

  it.live("whose entry is gone is told by that of the next one", () =>
    Effect.gen(function* () {
      const { given } = yield* fakeJournalctl(writeLines, [lineOf(7)])
      const { cursor } = yield* journal
      assert.strictEqual(yield* cursor({ units, at: cursorOf(5) }), cursorOf(7))
      assert.include(yield* given, `--cursor=${cursorOf(5)}`)
    })
  )

  it.live("is none where there are no entries", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl('echo "-- No entries --"')
      const { cursor } = yield* journal
      assert.isUndefined(yield* cursor({ units }))
    })
  )

  it.live("is not looked for where the journal may not be read, nor when it is no cursor", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl("echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1")
      const { cursor } = yield* journal
      assert.deepStrictEqual(yield* Effect.flip(cursor({ units })), new JournalForbidden())
      assert.deepStrictEqual(yield* Effect.flip(cursor({ units, at: "--help" })), new JournalCursorUnknown())
    })
  )
})

describe("following", () => {
  it("takes this boot alone, and all of it", () => {
    const argv = followArguments({ units, thisBoot: true })
    assert.includeMembers([...argv], ["--boot", "--follow", "--no-tail"])
  })

  it.live("as the daemon itself has a place for every unit that may be recorded", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl(`${writeLines}; exec sleep 60`, [lineOf(1)])
      const { follow } = yield* journal
      const begun = yield* Effect.forEach(
        Array.from({ length: recordedMax }),
        () => Effect.flatMap(Stream.toPull(follow({ units, own: true })), (pull) => pull),
        { concurrency: "unbounded" }
      )
      assert.strictEqual(begun.length, recordedMax)
    }).pipe(Effect.scoped)
  )
})
