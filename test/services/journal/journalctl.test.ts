/** Pages and following, over a journalctl of the test's own. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { readFile } from "node:fs/promises"
import { makeJournalctl } from "../../../src/services/journal/journalctl.ts"
import { cursorOf, executor, fakeJournalctl, journal, lineOf } from "./support.ts"

const units = ["demo.service"]
const ask = { units, lines: 3, maxBytes: 1000 }
const writeLines = 'cat "$0.lines"'
const newestFirst = [5, 4, 3].map((n) => lineOf(n))

/** Nothing is there; what comes is the test's. */
const whenFollowing = (text: string) => `case "$*" in *--follow*) ;; *) exit 0;; esac; ${text}`

const messages = (entries: ReadonlyArray<{ readonly message: string }>) => entries.map(({ message }) => message)

describe("a page", () => {
  it.live("is the newest entries, oldest first", () =>
    Effect.gen(function* () {
      const { given } = yield* fakeJournalctl(writeLines, newestFirst)
      const { page } = yield* journal
      const { entries, truncated } = yield* page(ask)
      assert.deepStrictEqual(messages(entries), ["message 3", "message 4", "message 5"])
      assert.isFalse(truncated)
      assert.includeMembers([...(yield* given)], ["--reverse", "--lines=3", "--unit=demo.service"])
    })
  )

  it.live("keeps the newest of what is too much, and one entry of whatever length", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl(writeLines, newestFirst)
      const { page } = yield* journal
      const two = yield* page({ ...ask, maxBytes: 18 })
      assert.deepStrictEqual([messages(two.entries), two.truncated], [["message 4", "message 5"], true])
      const one = yield* page({ ...ask, maxBytes: 1 })
      assert.deepStrictEqual([messages(one.entries), one.truncated], [["message 5"], true])
    })
  )

  it.live("behind a cursor keeps the oldest, and ends ahead of the other", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl(
        writeLines,
        [3, 4, 5, 6].map((n) => lineOf(n))
      )
      const { page } = yield* journal
      const after = cursorOf(2)
      const two = yield* page({ ...ask, after, maxBytes: 18 })
      assert.deepStrictEqual([messages(two.entries), two.truncated], [["message 3", "message 4"], true])
      const between = yield* page({ ...ask, after, before: cursorOf(5) })
      assert.deepStrictEqual([messages(between.entries), between.truncated], [["message 3", "message 4"], false])
    })
  )

  it.live("ahead of a cursor is no older than asked", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl(writeLines, newestFirst)
      const { page } = yield* journal
      const { entries } = yield* page({ ...ask, before: cursorOf(6), since: 1_700_000_004_000 })
      assert.deepStrictEqual(messages(entries), ["message 4", "message 5"])
    })
  )

  it.live("has what it needs before journalctl has ended, and ends it", () =>
    Effect.gen(function* () {
      const fake = yield* fakeJournalctl(`echo $$ >"$0.pid"; ${writeLines}; exec sleep 1000`, newestFirst)
      const { page } = yield* journal
      assert.strictEqual((yield* page(ask)).entries.length, 3)
      const pid = Number(yield* Effect.promise(() => readFile(`${fake.program}.pid`, "utf8")))
      yield* untilGone(pid)
    })
  )

  it.live("has a deadline", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl(`trap "" TERM; sleep 1000 & wait`)
      const { page } = makeJournalctl(yield* executor, () => Duration.millis(200))
      const error = yield* Effect.flip(page(ask))
      assert.strictEqual(error._tag, "ToolTimeout")
    })
  )

  const complaints = [
    ["No journal files were opened due to insufficient permissions.", 1, "JournalForbidden"],
    [
      "Hint: You are currently not seeing messages from other users and the system.\\n      Users in groups see all.",
      0,
      "JournalForbidden"
    ],
    ["Failed to seek to cursor: Invalid argument", 1, "JournalCursorUnknown"],
    ['Bad pattern "a[": missing terminating ] for character class', 1, "JournalPatternRefused"],
    ["Compiled without pattern matching support", 1, "JournalPatternRefused"],
    ["Something else", 1, "ToolFailed"]
  ] as const

  it.live.each(complaints)("fails with what %j means", ([text, code, tag]) =>
    Effect.gen(function* () {
      yield* fakeJournalctl(`printf '%b\\n' '${text}' >&2; exit ${code}`)
      const { page } = yield* journal
      const error = yield* Effect.flip(page(ask))
      assert.strictEqual(error._tag, tag)
    })
  )

  it.live("is empty where nothing matches, and where there is no journal", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl("echo '-- No entries --'; exit 1")
      const { page } = yield* journal
      assert.deepStrictEqual(yield* page({ ...ask, grep: "nothing" }), { entries: [], truncated: false })
      yield* fakeJournalctl("echo 'No journal files were found.' >&2")
      assert.deepStrictEqual(yield* page(ask), { entries: [], truncated: false })
    })
  )

  it.live("of a machine without journalctl says so", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl("")
      process.env["PATH"] = "/nowhere"
      const { page } = yield* journal
      const error = yield* Effect.flip(page(ask))
      assert.deepStrictEqual([error._tag, error.message], ["ToolMissing", "journalctl is not there"])
    })
  )

  it.live("asks for nothing where a cursor is none", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl("exit 0")
      const { page } = yield* journal
      const error = yield* Effect.flip(page({ ...ask, after: "--flush" }))
      assert.strictEqual(error._tag, "JournalCursorUnknown")
    })
  )
})

const untilGone = (pid: number) =>
  Effect.gen(function* () {
    for (;;) {
      const state = yield* Effect.promise(() => readFile(`/proc/${pid}/stat`, "utf8").catch(() => "Z"))
      if (/(?:^|\) )Z/u.test(state)) return
      yield* Effect.sleep("5 millis")
    }
  })

describe("following", () => {
  it.live("gives every entry once, whole and in order, however slow it is read", () =>
    Effect.gen(function* () {
      const count = 5000
      yield* fakeJournalctl(
        whenFollowing(`${writeLines}; exec sleep 1000`),
        Array.from({ length: count }, (_, n) => lineOf(n))
      )
      const { follow } = yield* journal
      let n = 0
      yield* follow({ units }).pipe(
        Stream.take(count),
        Stream.runForEach((entry) => {
          assert.strictEqual(entry.cursor, cursorOf(n))
          n += 1
          return n % 500 === 0 ? Effect.sleep("1 millis") : Effect.void
        })
      )
      assert.strictEqual(n, count)
    })
  )

  it.live("gives what comes when it comes, and ends journalctl when its reader leaves", () =>
    Effect.gen(function* () {
      const fake = yield* fakeJournalctl(
        whenFollowing(
          `mkfifo "$0.gate"; echo $$ >"$0.pid"; head -1 "$0.lines"; read line <"$0.gate"; tail -1 "$0.lines"; exec sleep 1000`
        ),
        [lineOf(1), lineOf(2)]
      )
      const { follow } = yield* journal
      const seen: Array<string> = []
      const reader = yield* Effect.forkChild(
        follow({ units }).pipe(
          Stream.runForEach(({ message }) =>
            Effect.promise(async () => {
              seen.push(message)
              // The next comes only when this one has.
              if (seen.length === 1)
                await import("node:fs/promises").then((fs) => fs.writeFile(`${fake.program}.gate`, "\n"))
            })
          )
        )
      )
      while (seen.length < 2) yield* Effect.sleep("5 millis")
      assert.deepStrictEqual(seen, ["message 1", "message 2"])
      assert.includeMembers([...(yield* fake.given)], ["--follow", "--no-tail"])
      const pid = Number(yield* Effect.promise(() => readFile(`${fake.program}.pid`, "utf8")))
      yield* Fiber.interrupt(reader)
      yield* untilGone(pid)
    })
  )

  it.live("reads what is there before it follows, for journalctl follows the running boot alone", () =>
    Effect.gen(function* () {
      const fake = yield* fakeJournalctl(
        `case "$*" in *--follow*) tail -1 "$0.lines"; exec sleep 1000;; *) head -2 "$0.lines";; esac`,
        [lineOf(1), lineOf(2), lineOf(3)]
      )
      const { follow } = yield* journal
      const entries = yield* Stream.runCollect(Stream.take(follow({ units, since: 1 }), 3))
      assert.deepStrictEqual(messages(entries), ["message 1", "message 2", "message 3"])
      assert.include([...(yield* fake.given)], `--after-cursor=${cursorOf(2)}`)
    })
  )

  it.live("follows at once behind a cursor of the running boot", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl(
        'case "$*" in *--follow*) cat "$0.lines"; exec sleep 1000;; *) echo not to be asked >&2; exit 2;; esac',
        [lineOf(1)]
      )
      const id = yield* Effect.promise(() => readFile("/proc/sys/kernel/random/boot_id", "utf8"))
      const after = cursorOf(0).replace(/b=\w+/u, `b=${id.trim().replaceAll("-", "")}`)
      const { follow } = yield* journal
      const entries = yield* Stream.runCollect(Stream.take(follow({ units, after }), 1))
      assert.deepStrictEqual(messages(entries), ["message 1"])
    })
  )

  it.live("begins with the newest, and goes on behind them", () =>
    Effect.gen(function* () {
      const fake = yield* fakeJournalctl(
        `case "$*" in
           *--follow*) tail -1 "$0.lines"; exec sleep 1000;;
           *--reverse*) head -2 "$0.lines";;
         esac`,
        [lineOf(2), lineOf(1), lineOf(3)]
      )
      const { follow } = yield* journal
      const entries = yield* Stream.runCollect(Stream.take(follow({ units, lines: 2, since: 5 }), 3))
      assert.deepStrictEqual(messages(entries), ["message 1", "message 2", "message 3"])
      const given = yield* fake.given
      assert.includeMembers([...given], ["--follow", "--no-tail", `--after-cursor=${cursorOf(2)}`])
      assert.isFalse(given.some((one) => one.startsWith("--since")))
    })
  )

  it.live("begins with all that comes of a unit that has nothing yet", () =>
    Effect.gen(function* () {
      const fake = yield* fakeJournalctl('case "$*" in *--follow*) cat "$0.lines"; exec sleep 1000;; esac', [lineOf(1)])
      const { follow } = yield* journal
      const entries = yield* Stream.runCollect(Stream.take(follow({ units, lines: 2 }), 1))
      assert.deepStrictEqual(messages(entries), ["message 1"])
      assert.isFalse((yield* fake.given).some((one) => one.startsWith("--after-cursor")))
    })
  )

  it.live("of a search that takes too long begins with nothing, behind what there was", () =>
    Effect.gen(function* () {
      // The newest entry of any kind is found at once; those that match are not.
      const fake = yield* fakeJournalctl(
        `case "$*" in
           *--follow*) tail -1 "$0.lines"; exec sleep 1000;;
           *--grep*--reverse*) exec sleep 1000;;
           *--lines=1*) head -1 "$0.lines";;
         esac`,
        [lineOf(1), lineOf(2)]
      )
      const { follow } = makeJournalctl(yield* executor, () => Duration.seconds(3))
      const entries = yield* Stream.runCollect(Stream.take(follow({ units, lines: 2, grep: "rare" }), 1))
      assert.deepStrictEqual(messages(entries), ["message 2"])
      assert.include([...(yield* fake.given)], `--after-cursor=${cursorOf(1)}`)
    })
  )

  it.live("fails when the journal may not be read, even if something of it is seen", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl(
        `echo 'Hint: You are currently not seeing messages from other users and the system.' >&2; ${writeLines}; exec sleep 1000`,
        [lineOf(1)]
      )
      const { follow } = yield* journal
      const error = yield* Effect.flip(Stream.runDrain(follow({ units })))
      assert.strictEqual(error._tag, "JournalForbidden")
    })
  )

  it.live("fails when journalctl ends", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl(whenFollowing(`${writeLines}; kill -9 $$`), [lineOf(1)])
      const { follow } = yield* journal
      const error = yield* Effect.flip(Stream.runDrain(follow({ units })))
      assert.deepStrictEqual([error._tag, error.message], ["ToolFailed", "journalctl failed with exit status -1"])
    })
  )

  it.live("is refused beyond its bound; the daemon's own reading has places of its own", () =>
    Effect.gen(function* () {
      yield* fakeJournalctl(whenFollowing(`${writeLines}; exec sleep 1000`), [lineOf(1)])
      const { follow } = yield* journal
      const hold = (own: boolean) =>
        Effect.gen(function* () {
          const begun = yield* Stream.toPull(follow({ units, own }))
          yield* begun
        })
      yield* Effect.forEach(Array.from({ length: 64 }), () => hold(false), { concurrency: 16 })
      const error = yield* Effect.flip(Stream.runHead(follow({ units })))
      assert.strictEqual(error._tag, "ToolBusy")
      yield* hold(true)
    })
  )
})
