/** Output that is read at its reader's pace, of real commands by both ways to start one. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { readFile } from "node:fs/promises"
import type { LiveOutput, OutputSegment } from "../../../src/services/commands/OutputLog.ts"
import { PacedWaits } from "../../../src/services/commands/PacedWaits.ts"
import * as SpawnerWorker from "../../../src/services/commands/SpawnerWorker.ts"
import { exited, script } from "./support.ts"

const readMax = 65_536
const windowBytes = 256 * 1024

const hashes = () => ({ stdout: createHash("sha256"), stderr: createHash("sha256") })

/** Everything to the end, in order, each byte once. */
const readAll = Effect.fnUntraced(function* (live: LiveOutput, between: Effect.Effect<void> = Effect.void) {
  const segments: Array<OutputSegment> = []
  let from = 0
  for (;;) {
    const part = yield* live.read(from, readMax)
    for (const segment of part.segments) {
      assert.strictEqual(segment.offset, from)
      from += segment.bytes.length
      segments.push({ ...segment, bytes: segment.bytes.slice() })
    }
    assert.strictEqual(part.next, from)
    part.free?.()
    if (part.ended) return segments
    yield* between
  }
})

const textOf = (segments: ReadonlyArray<OutputSegment>, stream: string): string =>
  Buffer.concat(segments.filter((one) => one.stream === stream).map(({ bytes }) => bytes)).toString()

const begin = Effect.fnUntraced(function* (text: string, quick: boolean) {
  const spawner = yield* SpawnerWorker.make(undefined, quick)
  const command = yield* spawner.spawn(script(text, { paced: true }))
  if (command.live === undefined) throw new Error("the command has no live output")
  return { command, live: command.live }
})

/** The kernel's own word for what a process does: S, and where it waits. */
const isBlockedInWrite = (pid: number) =>
  Effect.promise(async () => {
    const call = await readFile(`/proc/${pid}/syscall`, "utf8").catch(() => "")
    // write(2) is 1 on x64 and 64 on arm64.
    return /^(?:1|64) /u.test(call)
  })

/** Waits until the window is full and the command stands in a write. */
const untilHeld = Effect.fnUntraced(function* (live: LiveOutput, pid: number) {
  for (;;) {
    const { bytes } = yield* live.snapshot
    if (bytes >= windowBytes && (yield* isBlockedInWrite(pid))) return bytes
    yield* Effect.sleep("2 millis")
  }
})

const numbers = (count: number) => Array.from({ length: count }, (_, n) => `${n + 1}\n`).join("")

describe.each([
  ["posix_spawn", true],
  ["Node", false]
])("paced output of a command started by %s", (_way, quick) => {
  it.live("comes whole and in order, however much there is", () =>
    Effect.gen(function* () {
      const { command, live } = yield* begin("exec seq 1 500000", quick)
      const segments = yield* readAll(live)
      assert.strictEqual(textOf(segments, "stdout"), numbers(500_000))
      assert.deepStrictEqual(yield* command.exit, exited(0))
    })
  )

  it.live("waits in the command while nobody reads, and goes on when somebody does", () =>
    Effect.gen(function* () {
      const { command, live } = yield* begin("exec seq 1 500000", quick)
      assert.isAtMost(yield* untilHeld(live, command.pid), windowBytes + readMax)
      assert.strictEqual(textOf(yield* readAll(live), "stdout"), numbers(500_000))
      assert.deepStrictEqual(yield* command.exit, exited(0))
    })
  )

  it.live("is given both streams, and neither outruns the other's window", () =>
    Effect.gen(function* () {
      const { live } = yield* begin("seq 1 100000 & seq 1 100000 >&2; wait", quick)
      const segments = yield* readAll(live, Effect.yieldNow)
      assert.strictEqual(textOf(segments, "stdout"), numbers(100_000))
      assert.strictEqual(textOf(segments, "stderr"), numbers(100_000))
    })
  )

  it.live("is there to be read when the command has long ended and its output was closed", () =>
    Effect.gen(function* () {
      // More than the window, and no more than window and pipe: it ends although nobody has read.
      const { command, live } = yield* begin("exec seq 1 52000", quick)
      assert.deepStrictEqual(yield* command.exit, exited(0))
      yield* command.closeOutput
      yield* command.output
      assert.strictEqual(textOf(yield* readAll(live), "stdout"), numbers(52_000))
    })
  )

  it.live("ends with the command's death in a write", () =>
    Effect.gen(function* () {
      const { command, live } = yield* begin("exec cat /dev/zero", quick)
      yield* untilHeld(live, command.pid)
      yield* command.signalGroup("SIGTERM")
      assert.deepStrictEqual(yield* command.exit, { _tag: "Signaled", signal: "SIGTERM" })
      const segments = yield* readAll(live)
      assert.isAtLeast(textOf(segments, "stdout").length, windowBytes)
    })
  )
})

describe("the worker's end", () => {
  it("is full at the window, or of too many little pieces, and has room when they are read", () => {
    const parts: Array<number> = []
    const waits = new PacedWaits(hashes(), (_read, { segments }) => parts.push(segments.length))
    for (let n = 0; n < 1023; n++) waits.push("stdout", Buffer.from("x"))
    assert.isFalse(waits.isFull)
    waits.push("stderr", Buffer.from("y"))
    assert.isTrue(waits.isFull)
    waits.read(1, 0, readMax)
    assert.isFalse(waits.isFull)
    assert.deepStrictEqual(parts, [1024])
    waits.push("stdout", Buffer.alloc(256 * 1024))
    assert.isTrue(waits.isFull)
  })

  it("answers a read with whole pieces up to its maximum, and one at least", () => {
    const parts: Array<ReadonlyArray<number>> = []
    const waits = new PacedWaits(hashes(), (_read, { next, segments }) =>
      parts.push([next, ...segments.map(({ bytes }) => bytes.length)])
    )
    for (const length of [10, 20, 30]) waits.push("stdout", Buffer.alloc(length))
    waits.read(1, 0, 35)
    waits.read(2, 30, 5)
    waits.read(3, 60, 5)
    assert.deepStrictEqual(parts, [
      [30, 10, 20],
      [60, 30]
    ])
    waits.push("stdout", Buffer.alloc(1))
    assert.deepStrictEqual(parts.at(-1), [61, 1])
    waits.read(4, 61, 5)
    waits.forget(4)
    waits.push("stdout", Buffer.alloc(2))
    assert.strictEqual(parts.length, 3)
    assert.strictEqual(waits.snapshot().segments.length, 1)
  })
})
