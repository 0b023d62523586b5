/** The FIFO as local services use it: with sh, under any umask, before the daemon is there, and over its replacement. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { chmod, readdir, rename, stat, unlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { curl, eventsOf, logsOf } from "./client.ts"
import { openFiles, processorTime } from "./proc.ts"
import { type Daemon, eventually, execute, run, shell, start, temporaryFolder, write } from "./support.ts"

const config = (more = "") => `[general]\nlisten_addr = "127.0.0.1:0"\npipe_file = "pipe.fifo"\n${more}\n`

const logHas = ({ url }: Daemon, lines: ReadonlyArray<string>) =>
  eventually(
    `the log is ${JSON.stringify(lines)}`,
    Effect.map(logsOf(url), (found) => JSON.stringify(found) === JSON.stringify(lines))
  )

/** Long enough that a busy loop is plain to see, short enough to wait for. */
const idleWindow = "2 seconds"

describe("the FIFO", () => {
  it.live("costs nothing while nobody writes, also after the first writer has closed", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      yield* shell(daemon.folder, "echo first > pipe.fifo")
      yield* logHas(daemon, ["first"])
      const before = yield* processorTime(daemon.pid)
      yield* Effect.sleep(idleWindow)
      const used = (yield* processorTime(daemon.pid)) - before
      assert.isBelow(used, 100, "milliseconds of processor time in two seconds: 5 %")
      yield* shell(daemon.folder, "echo second > pipe.fifo")
      yield* logHas(daemon, ["first", "second"])
    })
  )

  it.live("takes lines as they are: carriage returns, empty lines, bytes that are no text", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      yield* shell(daemon.folder, String.raw`printf 'dos\r\n\n  spaces  \ntab\there\n\377bad\n' > pipe.fifo`)
      yield* logHas(daemon, [String.raw`dos\r`, "", "  spaces  ", "tab\there", "\uFFFDbad"])
      const events = yield* eventsOf(daemon.url)
      assert.deepStrictEqual(
        events.map(({ message, source }) => [source, message]),
        [
          ["pipe:pipe.fifo", "dos\r"],
          ["pipe:pipe.fifo", ""],
          ["pipe:pipe.fifo", "  spaces  "],
          ["pipe:pipe.fifo", "tab\there"],
          ["pipe:pipe.fifo", "\uFFFDbad"]
        ]
      )
    })
  )

  it.live("trims, skips and takes given times where configured", () =>
    Effect.gen(function* () {
      const daemon = yield* start({
        config: config("pipe_trim = true\npipe_skip_empty = true\npipe_given_time = true")
      })
      yield* shell(daemon.folder, String.raw`printf '  a  \n\n   \n1700000000 b\n1700000000123 c\n' > pipe.fifo`)
      yield* logHas(daemon, ["a", "b", "c"])
      const events = yield* eventsOf(daemon.url)
      assert.deepStrictEqual(
        events.slice(1).map(({ received_at }) => received_at),
        ["2023-11-14T22:13:20.000000000Z", "2023-11-14T22:13:20.123000000Z"]
      )
    })
  )

  it.live("may be written by anybody, whatever the umask", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config(), umask: "022" })
      const path = join(daemon.folder, "pipe.fifo")
      const { mode } = yield* Effect.promise(() => stat(path))
      assert.strictEqual(mode & 0o777, 0o666)
      yield* Effect.promise(() => chmod(daemon.folder, 0o755))
      const asRoot = process.getuid?.() === 0
      const other = asRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : ["env"]
      const [program = "", ...args] = [...other, "sh", "-c", `echo from outside > ${path}`]
      assert.deepInclude(yield* execute(program, args), { code: 0, err: "" })
      yield* logHas(daemon, ["from outside"])
    })
  )

  it.live("is reused when it is there, and left at the end", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* shell(folder, "mkfifo -m 0640 pipe.fifo")
      const path = join(folder, "pipe.fifo")
      const before = yield* Effect.promise(() => stat(path))
      const daemon = yield* start({ folder, config: config() })
      yield* shell(folder, "echo x > pipe.fifo")
      yield* logHas(daemon, ["x"])
      yield* daemon.stop
      const after = yield* Effect.promise(() => stat(path))
      assert.deepStrictEqual([after.ino, after.mode & 0o777], [before.ino, 0o640])
    })
  )

  it.live("that is removed or replaced is opened again, and lines in the old one are not lost", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      const path = join(daemon.folder, "pipe.fifo")
      yield* shell(daemon.folder, "echo first > pipe.fifo")
      yield* logHas(daemon, ["first"])
      yield* Effect.promise(() => unlink(path))
      yield* eventually(
        "a new FIFO is at the path",
        Effect.promise(() =>
          stat(path).then(
            (found) => found.isFIFO(),
            () => false
          )
        )
      )
      yield* shell(daemon.folder, "echo after removal > pipe.fifo")
      yield* logHas(daemon, ["first", "after removal"])

      yield* shell(daemon.folder, "mkfifo next.fifo; echo into the old one > pipe.fifo")
      yield* Effect.promise(() => rename(join(daemon.folder, "next.fifo"), path))
      yield* shell(daemon.folder, "echo into the new one > pipe.fifo")
      yield* logHas(daemon, ["first", "after removal", "into the old one", "into the new one"])
    })
  )

  it.live("keeps a last line without an end when the daemon stops", () =>
    Effect.gen(function* () {
      const first = yield* start({ config: config() })
      yield* shell(first.folder, "printf 'whole\\nhalf a li' > pipe.fifo")
      assert.deepStrictEqual(yield* first.stop, { code: 0, signal: null })
      const next = yield* start({ folder: first.folder, config: config() })
      assert.deepStrictEqual(yield* logsOf(next.url), ["whole", "half a li"])
    })
  )

  it.live("a regular file in its place is ingested first, then a FIFO takes the place", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* write(folder, "pipe.fifo", "logged before the daemon\nand this\n")
      const daemon = yield* start({ folder, config: config() })
      assert.isTrue((yield* Effect.promise(() => stat(join(folder, "pipe.fifo")))).isFIFO())
      yield* logHas(daemon, ["logged before the daemon", "and this"])
      yield* shell(folder, "echo and now > pipe.fifo")
      yield* logHas(daemon, ["logged before the daemon", "and this", "and now"])
      yield* eventually(
        "nothing of the file is left",
        Effect.map(
          Effect.promise(() => readdir(folder)),
          (names) => names.every((name) => !name.includes("ingest"))
        )
      )
      yield* daemon.stop
      const next = yield* start({ folder, config: config() })
      assert.strictEqual((yield* logsOf(next.url)).length, 3, "and it is not ingested again")
    })
  )

  it.live("lines over the cap are kept cut and marked, and the next ones are whole", () =>
    Effect.gen(function* () {
      const daemon = yield* start({
        config: `[general]\nlisten_addr = "127.0.0.1:0"\npipe_file = ""\n
[[pipes]]\npath = "small.fifo"\nsource = "small"\nline_max_bytes = 100\n`
      })
      yield* shell(daemon.folder, "{ head -c 100000 /dev/zero | tr '\\0' x; echo; echo short; } > small.fifo")
      yield* eventually(
        "both lines are there",
        Effect.map(eventsOf(daemon.url), (events) => events.length === 2)
      )
      const [long, short] = yield* eventsOf(daemon.url)
      assert.strictEqual(long?.message, "x".repeat(100))
      assert.isDefined(long?.fields, "marked")
      assert.deepInclude(short, { message: "short", source: "pipe:small" })
    })
  )

  it.live("takes a flood in order without a gap, while others are served", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config("log_max_entries = 200_000") })
      const count = 100_000
      const flood = yield* Effect.forkScoped(shell(daemon.folder, `seq ${count} > pipe.fifo`))
      assert.deepStrictEqual((yield* curl(`${daemon.url}/livez`)).status, 200)
      yield* eventually(
        "all of it is in the log",
        Effect.map(eventsOf(daemon.url, "tail=1"), ([last]) => last?.message === String(count))
      )
      yield* Fiber.join(flood)
      const lines = yield* logsOf(daemon.url)
      assert.strictEqual(lines.length, count)
      assert.isTrue(lines.every((line, i) => line === String(i + 1)))
    })
  )

  it.live("does not leak descriptors however often it is opened and replaced", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config() })
      const path = join(daemon.folder, "pipe.fifo")
      yield* shell(daemon.folder, "for i in $(seq 50); do echo $i > pipe.fifo; done")
      yield* logHas(
        daemon,
        Array.from({ length: 50 }, (_, i) => String(i + 1))
      )
      yield* Effect.promise(() => unlink(path))
      yield* eventually(
        "it has opened the new one and closed the old one",
        Effect.map(openFiles(daemon.pid), (files) => {
          const open = files.filter((file) => file.includes("pipe.fifo"))
          return open.length > 0 && open.every((file) => !file.includes("(deleted)"))
        })
      )
    })
  )

  it.live("is no link to a file of somebody else's", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => writeFile(join(folder, "target"), "not ours\n"))
      yield* shell(folder, "ln -s target pipe.fifo")
      const { code, err } = yield* run({ folder, config: config() })
      assert.strictEqual(code, 1)
      assert.include(err, "a symbolic link to a regular file")
    })
  )
})
