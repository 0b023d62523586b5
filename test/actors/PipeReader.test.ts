import * as fs from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as PubSub from "effect/PubSub"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import * as TestClock from "effect/testing/TestClock"
import { timeAt } from "../../src/services/events/Event.ts"
import * as EventStore from "../../src/actors/EventStore.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as PipeReader from "../../src/actors/PipeReader.ts"
import { EventLog, StoreFull } from "../../src/services/events/EventLog.ts"
import { noFilters } from "../../src/services/events/EventQuery.ts"
import { asidePathOf } from "../../src/services/fifo/AsideFile.ts"
import { Fifo } from "../../src/services/fifo/Fifo.ts"
import { type PipeOptions, Pipes } from "../../src/services/fifo/Pipes.ts"
import { layerWorker } from "../../src/services/storage/EventStorageWorker.ts"
import {
  type FakeLog,
  makeFakeFifo,
  makeFakeLog,
  makeWatchedFifo,
  pipe,
  shell,
  startShell,
  temporaryFolder,
  temporaryPath
} from "../services/fifo/support.ts"

const promise = <A>(work: () => Promise<A>) => Effect.promise(work)
const exists = (path: string) =>
  promise(() =>
    fs.lstat(path).then(
      () => true,
      () => false
    )
  )
const full = new StoreFull({ reason: "no space left on device" })

/** Builds a layer with its supervisor; it lives until `stop`, or until the test ends. */
const build = Effect.fnUntraced(function* <E>(layer: Layer.Layer<Pipes, E, Supervisor>) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(Layer.fresh(Layer.provideMerge(layer, Supervisor.layer)), scope).pipe(
    Effect.provideService(References.MinimumLogLevel, "None")
  )
  return {
    stats: () => {
      const [first] = Context.get(context, Pipes).stats()
      return first ?? assert.fail("no pipe")
    },
    pipes: Context.get(context, Pipes),
    supervisor: Context.get(context, Supervisor),
    stop: Scope.close(scope, Exit.void)
  }
})

/** A FIFO and a log that are both the test's. */
const startFake = Effect.fnUntraced(function* (options: Partial<PipeOptions> = {}) {
  const log = yield* makeFakeLog
  const fifo = yield* makeFakeFifo
  const layer = PipeReader.layerNoDeps([pipe("/fake/pipe", options)])
  const built = yield* build(Layer.provide(layer, [log.layer, fifo.layer]))
  yield* fifo.resumed
  return { ...built, log, fifo }
})

/** A real FIFO, and a log that is the test's. */
const startReal = Effect.fnUntraced(function* (
  path: string,
  options: Partial<PipeOptions> = {},
  prepare: (log: FakeLog) => void = () => {}
) {
  const log = yield* makeFakeLog
  const fifo = yield* makeWatchedFifo
  prepare(log)
  const layer = PipeReader.layerNoDeps([pipe(path, options)])
  return { ...(yield* build(Layer.provide(layer, [log.layer, fifo.layer]))), log, fifo }
})

const failureOf = Effect.fnUntraced(function* (path: string) {
  const log = yield* makeFakeLog
  const failure = yield* Effect.flip(build(Layer.provide(PipeReader.layer([pipe(path)]), log.layer)))
  return failure.message
})

describe("the stop", () => {
  it.effect("with a log that takes nothing costs one deadline for all FIFOs", () =>
    Effect.gen(function* () {
      const log = yield* makeFakeLog
      log.before = Effect.never
      const fifo = Layer.succeed(Fifo, {
        place: () => Effect.succeed("placed"),
        identity: () => Effect.succeed("1"),
        openAside: () => Effect.undefined,
        open: (_path, receive) =>
          Effect.succeed({
            identity: "1",
            resume: () => void receive(Buffer.from("line\n")),
            failed: Effect.never
          })
      })
      const sources = ["a", "b", "c"]
      const options = sources.map((source) => pipe(`/fake/${source}`, { source }))
      const { stop } = yield* build(Layer.provide(PipeReader.layerNoDeps(options), [log.layer, fifo]))
      for (const _ of sources) yield* Queue.take(log.asked)
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.isDefined(stopping.pollUnsafe())
    })
  )
})

describe("an unfinished line", () => {
  it.effect("is recorded after five seconds of silence", () =>
    Effect.gen(function* () {
      const { fifo, log, stats } = yield* startFake()
      fifo.write("half")
      yield* TestClock.adjust("4 seconds")
      fifo.write(" and half")
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(stats().lines, 0)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* log.take(1), ["half and half"])
      fifo.write("\nnext\n")
      assert.deepStrictEqual(yield* log.take(2), ["", "next"])
    })
  )

  it.effect("is recorded as soon as its newline comes, and silence then adds nothing", () =>
    Effect.gen(function* () {
      const { fifo, log, stats } = yield* startFake()
      fifo.write("whole")
      fifo.write("\n")
      assert.deepStrictEqual(yield* log.take(1), ["whole"])
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(stats().lines, 1)
    })
  )

  it.effect("is not taken for abandoned while nobody reads on", () =>
    Effect.gen(function* () {
      const { fifo, log, stats } = yield* startFake()
      log.before = Effect.fail(full)
      fifo.write("first\n")
      yield* Queue.take(log.asked)
      assert.isFalse(fifo.write(`${"x".repeat(1024)}\n`.repeat(1100) + "half"))
      yield* TestClock.adjust("1 minute")
      assert.strictEqual(stats().lines, 1101)
      log.before = Effect.void
      yield* TestClock.adjust("2 seconds")
      yield* fifo.resumed
      fifo.write(" and half\n")
      assert.strictEqual((yield* log.take(1102)).at(-1), "half and half")
    })
  )

  it.effect("is recorded at the stop, after what was left in the FIFO", () =>
    Effect.gen(function* () {
      const { fifo, log, stats, stop } = yield* startFake()
      fifo.write("ha")
      fifo.left = "lf\nlast"
      yield* stop
      assert.deepStrictEqual(yield* log.take(2), ["half", "last"])
      assert.isFalse(stats().open)
    })
  )
})

describe("time", () => {
  it.effect("is that of the arrival, or the writer's where that is wanted", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(1_730_764_800_500)
      const { fifo, log } = yield* startFake({ givenTime: true, trim: true, skipEmpty: true })
      fifo.write("  a \n\n1730764800123 b\n")
      const runs = yield* log.takeRuns
      assert.deepStrictEqual(
        runs.flatMap((run) => run.messages.map((message, i) => [timeAt(run, i), run.source, message])),
        [
          [1_730_764_800_500_000_000n, "pipe:test", "a"],
          [1_730_764_800_123_000_000n, "pipe:test", "b"]
        ]
      )
    })
  )
})

describe("a log that takes no events", () => {
  it.effect("stops the reading when enough waits; all of it is stored in order once it works again", () =>
    Effect.gen(function* () {
      const { fifo, log, stats, supervisor } = yield* startFake()
      log.before = Effect.fail(full)
      let written = 0
      const write = () => fifo.write(`line ${written++}\n`.padEnd(1000, "x") + "\n")
      write()
      yield* Queue.take(log.asked)
      while (write());
      assert.isBelow(written, 1200)
      assert.strictEqual(stats().blocked, full.message)
      assert.deepStrictEqual(stats().lastError, { message: full.message, atMs: 0 })
      assert.strictEqual(stats().waiting, stats().lines)
      const [status] = yield* supervisor.report
      assert.strictEqual(status?.state, "running")
      assert.strictEqual(status?.mailbox?.depth, stats().lines)
      log.before = Effect.void
      yield* TestClock.adjust("2 seconds")
      yield* fifo.resumed
      const lines = (yield* log.take(written * 2)).filter((line) => line.startsWith("line"))
      assert.deepStrictEqual(
        lines,
        Array.from({ length: written }, (_, n) => `line ${n}`)
      )
      assert.isUndefined(stats().blocked)
    })
  )

  it.effect("holds up the stop no longer than its deadline", () =>
    Effect.gen(function* () {
      const { fifo, log, stats, stop } = yield* startFake()
      log.before = Effect.never
      fifo.write("lost\n")
      yield* Queue.take(log.asked)
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(stopping.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(stopping)
      assert.strictEqual(stats().waiting, 1)
    })
  )

  it.effect("gets at the stop what it had refused before", () =>
    Effect.gen(function* () {
      const { fifo, log, stop } = yield* startFake()
      log.before = Effect.fail(full)
      fifo.write("kept\n")
      yield* Queue.take(log.asked)
      fifo.left = "left\n"
      const stopping = yield* Effect.forkChild(stop, { startImmediately: true })
      log.before = Effect.void
      yield* TestClock.adjust("100 millis")
      yield* Fiber.join(stopping)
      assert.deepStrictEqual(yield* log.take(2), ["kept", "left"])
    })
  )
})

describe("a fault", () => {
  it.effect("of the reading restarts the actor, and nothing that was read is lost", () =>
    Effect.gen(function* () {
      const { fifo, log, stats, supervisor } = yield* startFake()
      const gate = yield* Latch.make(false)
      log.before = gate.await
      fifo.write("1\n")
      yield* Queue.take(log.asked)
      fifo.write("2\nhalf")
      const transitions = yield* supervisor.transitions
      yield* fifo.fail("cannot read it: i/o error")
      const failed = yield* PubSub.take(transitions)
      assert.strictEqual(failed.state, "backing-off")
      assert.include(failed.lastFailure, "FIFO fake: cannot read it: i/o error")
      yield* TestClock.adjust("100 millis")
      yield* fifo.resumed
      fifo.write("3\n")
      yield* gate.open
      assert.deepStrictEqual(yield* log.take(4), ["1", "2", "half", "3"])
      assert.strictEqual(stats().reopened, 1)
      assert.strictEqual(stats().lastError?.message, "FIFO fake: cannot read it: i/o error")
    })
  )

  it.effect("that lasts is tried again for ever, at most every five seconds, and never ends the daemon", () =>
    Effect.gen(function* () {
      const { fifo, log, stats, supervisor } = yield* startFake()
      const joined = yield* Effect.forkChild(supervisor.join)
      fifo.broken = "cannot open it: permission denied"
      fifo.identity = undefined
      yield* TestClock.adjust("10 minutes")
      assert.isFalse(stats().open)
      assert.isUndefined(joined.pollUnsafe())
      const [status] = yield* supervisor.report
      assert.strictEqual(status?.state, "backing-off")
      assert.isAtLeast(status?.restarts ?? 0, 100)
      fifo.broken = undefined
      yield* TestClock.adjust("5 seconds")
      yield* fifo.resumed
      fifo.write("again\n")
      assert.deepStrictEqual(yield* log.take(1), ["again"])
    })
  )
})

describe("real writers", () => {
  it.live("several at once, each of many lines, lose and mix none", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const { log, stats } = yield* startReal(path)
      const writers = ["a", "b", "c", "d"]
      const count = 2000
      yield* Effect.forEach(
        writers,
        (name) => shell(`i=0; while [ $i -lt ${count} ]; do echo ${name} $i; i=$((i+1)); done > "$1"`, path),
        { concurrency: "unbounded" }
      )
      const lines = yield* log.take(writers.length * count)
      for (const name of writers) {
        assert.deepStrictEqual(
          lines.filter((line) => line.startsWith(name)),
          Array.from({ length: count }, (_, n) => `${name} ${n}`)
        )
      }
      assert.strictEqual(stats().lines, writers.length * count)
      assert.strictEqual(
        stats().bytes,
        lines.reduce((sum, line) => sum + line.length + 1, 0)
      )
    })
  )

  it.live.skipIf(process.getuid?.() !== 0)("of another account are let in under any umask", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      yield* Effect.acquireRelease(
        Effect.sync(() => process.umask(0o022)),
        (before) => Effect.sync(() => process.umask(before))
      )
      const { log } = yield* startReal(path)
      assert.strictEqual(yield* shell('echo hello > "$1"', path, 65_534), 0)
      assert.deepStrictEqual(yield* log.take(1), ["hello"])
    })
  )

  it.live("200,000 lines are durable and in order in the real log", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const folder = yield* temporaryFolder
      const count = 200_000
      const store = EventStore.layer({ recent: { events: 1000, bytes: 1024 * 1024 } }).pipe(
        Layer.provideMerge(Supervisor.layer),
        Layer.provide(layerWorker(folder))
      )
      const context = yield* Layer.build(store)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* Layer.build(PipeReader.layer([pipe(path)]))
          assert.strictEqual(yield* shell(`exec seq 1 ${count} > "$1"`, path), 0)
        })
      ).pipe(Effect.provide(context))
      const log = Context.get(context, EventLog)
      assert.strictEqual(log.bounds().last, count)
      const query = { before: count + 1, order: "oldest-first", limit: 3, filters: noFilters } as const
      const pages = [yield* log.query({ ...query, after: 0 }), yield* log.query({ ...query, after: count - 3 })]
      const events = pages.flatMap((page) => page.events.map(({ message, seq, source }) => [seq, source, message]))
      assert.deepStrictEqual(
        events,
        [1, 2, 3, count - 2, count - 1, count].map((n) => [n, "pipe:test", String(n)])
      )
    })
  )

  it.live("that die in the middle of a line leave it to the stop", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const { log, stop } = yield* startReal(path)
      assert.strictEqual(yield* shell('exec > "$1"; echo whole; printf half; kill -KILL $$', path), "SIGKILL")
      assert.deepStrictEqual(yield* log.take(1), ["whole"])
      yield* stop
      assert.deepStrictEqual(yield* log.take(1), ["half"])
    })
  )

  it.live("of binary junk and of lines without end harm nobody", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const { log, stats } = yield* startReal(path, { lineMaxBytes: 1000 })
      yield* shell(`head -c 3000000 /dev/zero | tr '\\0' x > "$1"; printf '\\n\\377\\0\\376\\nfine\\n' > "$1"`, path)
      const lines = yield* log.take(3)
      assert.deepStrictEqual(lines, ["x".repeat(1000), "\u{fffd}\0\u{fffd}", "fine"])
      const [asked] = yield* Queue.takeAll(log.asked)
      assert.strictEqual(asked?.[0]?.fields, `{"truncated":true,"bytes":3000000}`)
      assert.deepInclude(stats(), { lines: 3, cutLines: 1, invalidLines: 1, bytes: 3_000_010 })
    })
  )

  it.live("wait in the kernel while the log is slow, and lose nothing", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const { fifo, log, stats } = yield* startReal(path)
      const gate = yield* Latch.make(false)
      log.before = gate.await
      const count = 300_000
      const writer = yield* startShell(`exec seq 1 ${count} > "$1"`, path)
      // The writer is quick and the log stands still.
      yield* fifo.paused
      assert.isNull(writer.process.exitCode)
      assert.isBelow(stats().waiting, 32_768 + 2 * 65_536)
      yield* gate.open
      assert.deepStrictEqual(
        yield* log.take(count),
        Array.from({ length: count }, (_, n) => String(n + 1))
      )
      assert.strictEqual(yield* writer.ended, 0)
    })
  )

  it.live("get what they wrote before the stop recorded, and find the FIFO there after it", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      yield* shell('mkfifo -m 640 "$1"', path)
      const { log, stop } = yield* startReal(path)
      yield* shell('echo 1 > "$1"; echo 2 > "$1"; printf 3 > "$1"', path)
      yield* stop
      assert.deepStrictEqual(yield* log.take(3), ["1", "2", "3"])
      const after = yield* promise(() => fs.stat(path))
      assert.isTrue(after.isFIFO())
      assert.strictEqual(after.mode & 0o777, 0o640)
    })
  )
})

describe("what is at the path", () => {
  it.effect("is made again when it was removed, and opened again when it was replaced", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const { fifo, log, stats, supervisor } = yield* startReal(path)
      yield* fifo.resumed
      // The unfinished line of the old FIFO is not glued to the first one of the new.
      yield* startShell('exec 3>"$1"; printf old >&3; exec sleep 1000', path)
      assert.strictEqual(yield* fifo.received, "old")
      yield* promise(() => fs.rm(path))
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* log.take(1), ["old"])
      yield* fifo.resumed
      assert.strictEqual((yield* promise(() => fs.stat(path))).mode & 0o777, 0o666)
      yield* shell('echo 2 > "$1"', path)
      assert.deepStrictEqual(yield* log.take(1), ["2"])

      yield* shell('mkfifo "$1.new"; mv "$1.new" "$1"', path)
      yield* startShell('echo 3 > "$1"', path)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* log.take(1), ["3"])
      assert.strictEqual(stats().reopened, 2)
      assert.strictEqual((yield* supervisor.report)[0]?.restarts, 0)
    })
  )

  it.effect("may be a file for a while: it is ingested and a FIFO again", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const { fifo, log, stats } = yield* startReal(path)
      yield* fifo.resumed
      yield* shell('rm "$1"; echo 2 >> "$1"', path)
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* log.take(1), ["2"])
      yield* fifo.resumed
      yield* shell('echo 3 > "$1"', path)
      assert.deepStrictEqual(yield* log.take(1), ["3"])
      assert.strictEqual(stats().ingestedFiles, 1)
    })
  )

  it.live("is ingested first if it is a file, without its last newline too", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const early = Array.from({ length: 50_000 }, (_, n) => `early ${n}`)
      yield* promise(() => fs.writeFile(path, early.join("\n")))
      const { log, stats } = yield* startReal(path)
      yield* shell('echo late > "$1"', path)
      assert.deepStrictEqual(yield* log.take(50_001), [...early, "late"])
      assert.isFalse(yield* exists(asidePathOf(path)))
      assert.strictEqual(stats().ingestedFiles, 1)
      assert.strictEqual(stats().lines, 50_001)
    })
  )

  it.live("may be left over from a daemon that died: all of it is ingested, the oldest first", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      yield* promise(() => fs.writeFile(asidePathOf(path), "1\n2\n"))
      yield* promise(() => fs.writeFile(path, "3\n"))
      const { fifo, log } = yield* startReal(path)
      yield* fifo.resumed
      yield* shell('echo 4 > "$1"', path)
      assert.deepStrictEqual(yield* log.take(4), ["1", "2", "3", "4"])
      assert.isFalse(yield* exists(asidePathOf(path)))
    })
  )

  it.live("is not removed before the log has it and what was added meanwhile", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      yield* promise(() => fs.writeFile(path, "1\n"))
      const gate = yield* Latch.make(false)
      const { fifo, log } = yield* startReal(path, {}, (log) => {
        log.before = gate.await
      })
      yield* Queue.take(log.asked)
      assert.strictEqual(yield* promise(() => fs.readFile(asidePathOf(path), "utf8")), "1\n")
      // By whoever has had it open since before it was put aside.
      yield* promise(() => fs.appendFile(asidePathOf(path), "2\n"))
      yield* gate.open
      assert.deepStrictEqual(yield* log.take(2), ["1", "2"])
      yield* fifo.resumed
      assert.isFalse(yield* exists(asidePathOf(path)))
    })
  )

  it.live("fails the start when it can be no FIFO, naming the path and what was found", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      assert.strictEqual(yield* failureOf(folder), `FIFO ${folder}: a directory is in its place`)
      const missing = join(folder, "no", "pipe")
      assert.strictEqual(yield* failureOf(missing), `FIFO ${missing}: cannot make it: no such file or directory`)
    })
  )

  it.live("is one FIFO for each source", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const log = yield* makeFakeLog
      const layer = PipeReader.layer([pipe(`${path}.a`, { source: "a" }), pipe(`${path}.b`, { source: "b" })])
      const { pipes, supervisor } = yield* build(Layer.provide(layer, log.layer))
      yield* shell('echo x > "$1.b"', path)
      assert.strictEqual((yield* log.takeRuns)[0]?.source, "pipe:b")
      assert.deepStrictEqual(
        pipes.stats().map(({ lines, source }) => [source, lines]),
        [
          ["a", 0],
          ["b", 1]
        ]
      )
      assert.deepStrictEqual(
        (yield* supervisor.report).map(({ name }) => name),
        ["pipe:a", "pipe:b"]
      )
    })
  )
})
