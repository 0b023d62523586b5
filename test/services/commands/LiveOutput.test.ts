/** The live output of real commands, from the worker that reads it to those who follow it. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import type { Worker } from "node:worker_threads"
import { LiveWaits } from "../../../src/services/commands/LiveWaits.ts"
import type { LiveOutput, OutputPart, OutputSegment } from "../../../src/services/commands/OutputLog.ts"
import type { RunningCommand } from "../../../src/services/commands/Spawner.ts"
import * as SpawnerWorker from "../../../src/services/commands/SpawnerWorker.ts"
import { exited, finished, makeLeash, script, temporaryFolder } from "./support.ts"

const wide = { headBytes: 100_000, tailBytes: 100_000 }
const readMax = 65_536

const textOf = (segments: ReadonlyArray<OutputSegment>): string =>
  Buffer.concat(segments.map(({ bytes }) => bytes)).toString()

/** What each stream wrote, in the order told: `out:one err:two`. */
const spoken = (segments: ReadonlyArray<OutputSegment>): string =>
  segments.map(({ bytes, stream }) => `${stream}:${Buffer.from(bytes).toString()}`).join("|")

const liveOf = (command: RunningCommand): LiveOutput => {
  if (command.live === undefined) throw new Error("the command has no live output")
  return command.live
}

const begin = Effect.fnUntraced(function* (text: string, live = wide) {
  const spawner = yield* SpawnerWorker.make()
  const command = yield* spawner.spawn(script(text, { live }))
  const run = (other: string) => Effect.scoped(Effect.flatMap(spawner.spawn(script(other)), finished))
  return { command, live: liveOf(command), run }
})

/** Everything from a byte on to the end, read part by part. */
const follow = Effect.fnUntraced(function* (live: LiveOutput, first = 0) {
  const segments: Array<OutputSegment> = []
  let from = first
  for (;;) {
    const part = yield* live.read(from, readMax)
    segments.push(...part.segments)
    from = part.next
    if (part.ended) return { segments, next: from, bytes: part.bytes }
  }
})

/**
 * A command that does a step, in sh, each time the test lets it: `go` lets the next begin. Each has a gate of its own, or
 * one could slip through with the writer of the one before.
 */
const stepwise = Effect.fnUntraced(function* (steps: ReadonlyArray<string>, live = wide) {
  const folder = yield* temporaryFolder
  const spawner = yield* SpawnerWorker.make()
  const run = (other: string) => Effect.scoped(Effect.flatMap(spawner.spawn(script(other)), finished))
  const gates = steps.slice(1).map((_, n) => `${folder}/gate${n}`)
  yield* run(`mkfifo ${gates.join(" ")}`)
  const text = steps.map((step, n) => (n === 0 ? step : `read line <${gates[n - 1]}\n${step}`)).join("\n")
  const command = yield* spawner.spawn(script(text, { live }))
  let next = 0
  const go = Effect.suspend(() => run(`echo >${gates[next++]}`))
  return { command, live: liveOf(command), go }
})

describe("a command's live output", () => {
  it.live("is there while it runs, both streams in the order in which they came", () =>
    Effect.gen(function* () {
      const { command, go, live } = yield* stepwise(["echo one", "echo two >&2", "echo three"])
      const first = yield* live.read(0, readMax)
      assert.deepStrictEqual([spoken(first.segments), first.next, first.ended], ["stdout:one\n", 4, false])
      const waiting = yield* Effect.forkChild(live.read(4, readMax), { startImmediately: true })
      yield* go
      const second = yield* Fiber.join(waiting)
      assert.strictEqual(spoken(second.segments), "stderr:two\n")
      assert.strictEqual(second.segments[0]?.offset, 4)
      yield* go
      const { output } = yield* finished(command)
      assert.deepStrictEqual(
        output.both?.segments.map(({ offset, stream }) => [offset, stream]),
        [
          [0, "stdout"],
          [4, "stderr"],
          [8, "stdout"]
        ]
      )
      assert.strictEqual(spoken((yield* follow(live)).segments), "stdout:one\n|stderr:two\n|stdout:three\n")
      assert.deepStrictEqual([output.stdout.head, output.stderr.head], ["one\nthree\n", "two\n"])
    })
  )

  it.live("is told once from any byte on, also when all is over and the command released", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { command, live } = yield* Scope.provide(begin("printf 0123456789; printf last"), scope)
      const { output } = yield* finished(command)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(textOf((yield* follow(live)).segments), "0123456789last")
      assert.strictEqual(textOf((yield* follow(live, 7)).segments), "789last")
      const piece = yield* live.read(3, 4)
      assert.deepStrictEqual([textOf(piece.segments), piece.next, piece.ended], ["3456", 7, false])
      assert.deepStrictEqual(yield* live.read(14, 4), { segments: [], next: 14, bytes: 14, ended: true })
      assert.deepStrictEqual(yield* live.snapshot, output.both)
      assert.strictEqual(output.both?.sha256, createHash("sha256").update("0123456789last").digest("hex"))
    })
  )

  it.live("may be nothing at all", () =>
    Effect.gen(function* () {
      const { live } = yield* begin("exit 0")
      assert.deepStrictEqual(yield* live.read(0, readMax), { segments: [], next: 0, bytes: 0, ended: true })
    })
  )

  it.live("gives memory back to whoever has done with a part, and to nobody else", () =>
    Effect.gen(function* () {
      const { live } = yield* begin("printf abc; sleep 60")
      const [first, second] = yield* Effect.all([live.read(0, readMax), live.read(0, readMax)])
      first.free?.()
      assert.strictEqual(first.segments[0]?.bytes.length, 0)
      assert.strictEqual(textOf(second.segments), "abc")
      assert.strictEqual(textOf((yield* live.read(0, readMax)).segments), "abc")
    })
  )

  it.live("may be binary", () =>
    Effect.gen(function* () {
      const { live } = yield* begin("printf '\\377\\000\\342\\202'")
      const { segments } = yield* follow(live)
      assert.deepStrictEqual(Buffer.concat(segments.map(({ bytes }) => bytes)), Buffer.from([0xff, 0, 0xe2, 0x82]))
    })
  )

  it.live("may change the stream with every byte, and none is missed", () =>
    Effect.gen(function* () {
      const turns = 2000
      const { live } = yield* begin(`n=0; while [ $n -lt ${turns} ]; do printf a; printf b >&2; n=$((n+1)); done`)
      const { bytes, segments } = yield* follow(live)
      const written = (wanted: OutputSegment["stream"]) => textOf(segments.filter(({ stream }) => stream === wanted))
      assert.strictEqual(bytes, 2 * turns)
      assert.strictEqual(written("stdout"), "a".repeat(turns))
      assert.strictEqual(written("stderr"), "b".repeat(turns))
    })
  )

  it.live("has many readers, each where it is, and forgets those that leave", () =>
    Effect.gen(function* () {
      const { go, live } = yield* stepwise(["echo one", "echo two", "exit 0"])
      yield* live.read(0, readMax)
      const readers = yield* Effect.forEach([4, 4, 5, 6], (from) =>
        Effect.forkChild(live.read(from, readMax), { startImmediately: true })
      )
      const leaver = yield* Effect.forkChild(live.read(4, readMax), { startImmediately: true })
      yield* Fiber.interrupt(leaver)
      yield* go
      const parts = yield* Effect.forEach(readers, Fiber.join)
      assert.deepStrictEqual(
        parts.map(({ segments }) => textOf(segments)),
        ["two\n", "two\n", "wo\n", "o\n"]
      )
      const beyond = yield* Effect.forkChild(live.read(1000, readMax), { startImmediately: true })
      yield* go
      assert.deepStrictEqual(yield* Fiber.join(beyond), { segments: [], next: 1000, bytes: 8, ended: true })
    })
  )

  it.live("does not wait for a reader: who is too slow finds a gap, and the last line", () =>
    Effect.gen(function* () {
      const bytes = 50_000_000
      const text = `printf first; head -c ${bytes} /dev/zero; printf 'the last line'`
      const { command, live } = yield* begin(text, { headBytes: 1000, tailBytes: 1000 })
      const first = yield* live.read(0, 5)
      assert.strictEqual(textOf(first.segments), "first")
      // Nobody reads on until the command has ended.
      const { output } = yield* finished(command)
      const all = 5 + bytes + 13
      assert.strictEqual(output.both?.bytes, all)
      const { next, segments } = yield* follow(live, first.next)
      assert.deepStrictEqual(
        segments.map(({ bytes: some, offset }) => [offset, some.length]),
        [
          [5, 995],
          [all - 1000, 1000]
        ]
      )
      assert.strictEqual(next, all)
      assert.isTrue(textOf(segments).endsWith("\0the last line"))
      assert.strictEqual(output.both?.sha256, output.stdout.sha256)
    })
  )

  it.live("goes on behind the end of the command's own process until the output is taken", () =>
    Effect.gen(function* () {
      const { command, go, live } = yield* stepwise(["(echo hi", "echo late", "echo too late) &"])
      yield* command.exit
      assert.strictEqual(textOf((yield* live.read(0, readMax)).segments), "hi\n")
      const late = yield* Effect.forkChild(live.read(3, readMax), { startImmediately: true })
      yield* go
      assert.strictEqual(textOf((yield* Fiber.join(late)).segments), "late\n")
      const end = yield* Effect.forkChild(live.read(8, readMax), { startImmediately: true })
      yield* command.closeOutput
      assert.deepStrictEqual(yield* Fiber.join(end), { segments: [], next: 8, bytes: 8, ended: true })
      yield* go
      assert.strictEqual((yield* live.snapshot).bytes, 8)
    })
  )

  it.live("ends for those who wait when the command is killed", () =>
    Effect.gen(function* () {
      const { command, live } = yield* begin("printf so; sleep 60")
      yield* live.read(0, readMax)
      const waiting = yield* Effect.forkChild(live.read(2, readMax), { startImmediately: true })
      yield* command.signalGroup("SIGKILL")
      assert.deepStrictEqual(yield* Fiber.join(waiting), { segments: [], next: 2, bytes: 2, ended: true })
      assert.deepStrictEqual(yield* command.exit, { _tag: "Signaled", signal: "SIGKILL" })
    })
  )

  it.live("ends with what there was when the command is released before its time", () =>
    Effect.gen(function* () {
      const spawner = yield* SpawnerWorker.make()
      const scope = yield* Scope.make()
      const command = yield* Scope.provide(spawner.spawn(script("printf so; sleep 60", { live: wide })), scope)
      const live = liveOf(command)
      yield* live.read(0, readMax)
      const waiting = yield* Effect.forkChild(live.read(2, readMax), { startImmediately: true })
      yield* Scope.close(scope, Exit.void)
      assert.isTrue((yield* Fiber.join(waiting)).ended)
      assert.strictEqual(textOf((yield* live.snapshot).segments), "so")
    })
  )

  it.live("ends when the thread dies, with what a snapshot has seen", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<Worker>()
      const spawner = yield* SpawnerWorker.make((worker) => Deferred.doneUnsafe(started, Effect.succeed(worker)))
      const leash = yield* makeLeash
      const spec = script(`exec 9>${leash.path}; printf so; sleep 60 & wait`, { live: wide })
      const command = yield* spawner.spawn(spec)
      const live = liveOf(command)
      const { gone } = yield* leash.connected
      yield* live.read(0, readMax)
      const seen = yield* live.snapshot
      const waiting = yield* Effect.forkChild(live.read(2, readMax), { startImmediately: true })
      const worker = yield* Deferred.await(started)
      yield* Effect.promise(() => worker.terminate())
      assert.isTrue((yield* Fiber.join(waiting)).ended)
      assert.deepStrictEqual(yield* live.snapshot, seen)
      assert.strictEqual(textOf(seen.segments), "so")
      assert.strictEqual((yield* Effect.flip(command.exit))._tag, "CommandLost")
      yield* gone
    })
  )

  it.live("ends empty when the thread dies before anything was seen", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<Worker>()
      const spawner = yield* SpawnerWorker.make((worker) => Deferred.doneUnsafe(started, Effect.succeed(worker)))
      const command = yield* spawner.spawn(script("sleep 60", { live: wide }))
      const live = liveOf(command)
      const worker = yield* Deferred.await(started)
      yield* Effect.promise(() => worker.terminate())
      yield* Effect.flip(command.exit)
      assert.deepStrictEqual(yield* live.read(0, readMax), { segments: [], next: 0, bytes: 0, ended: true })
      assert.strictEqual((yield* live.snapshot).sha256, createHash("sha256").digest("hex"))
      // The next command has a thread of its own, and an output.
      const next = yield* spawner.spawn(script("echo again", { live: wide }))
      assert.strictEqual(textOf((yield* follow(liveOf(next))).segments), "again\n")
    })
  )

  it.live("is also that of a command that Node starts, and of one that is not asked for", () =>
    Effect.gen(function* () {
      const spawner = yield* SpawnerWorker.make(undefined, false)
      const command = yield* spawner.spawn(script("echo out; echo err >&2; exit 3", { live: wide }))
      const { exit, output } = yield* finished(command)
      assert.deepStrictEqual(exit, exited(3))
      assert.deepStrictEqual([output.both?.stdoutBytes, output.both?.stderrBytes], [4, 4])
      const plain = yield* spawner.spawn(script("echo out"))
      assert.isUndefined(plain.live)
      assert.isUndefined((yield* finished(plain)).output.both)
    })
  )
})

describe("the worker's end", () => {
  it("answers a read once, and nobody who has left", () => {
    const answers: Array<readonly [number, OutputPart]> = []
    const hashes = { stdout: createHash("sha256"), stderr: createHash("sha256") }
    const waits = new LiveWaits(wide, hashes, (read, part) => answers.push([read, part]))
    waits.read(1, 0, readMax)
    waits.read(2, 0, readMax)
    waits.read(3, 4, readMax)
    waits.forget(2)
    waits.push("stdout", Buffer.from("one\n"))
    waits.push("stdout", Buffer.from("two\n"))
    assert.deepStrictEqual(
      answers.map(([read, { segments }]) => [read, textOf(segments)]),
      [
        [1, "one\n"],
        [3, "two\n"]
      ]
    )
  })
})
