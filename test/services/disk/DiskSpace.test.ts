/** Counts of a disk: one for all who ask, two at once, kept with their age; by a du that a test answers for. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"
import { Executor, type RunRequest, type RunResult } from "../../../src/services/commands/Executor.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { DiskSpace } from "../../../src/services/disk/DiskSpace.ts"
import { Host } from "../../../src/services/host/Host.ts"
import { parseMounts } from "../../../src/services/host/mounts.ts"
import { ToolFailed, ToolTimeout } from "../../../src/services/tools/Tool.ts"
import { configOf } from "../config/support.ts"

const stream = (head: string) => ({ head, tail: "", bytes: head.length, sha256: "", truncated: false })

const ended = (code: number, stdout: string, stderr = ""): RunResult => ({
  exit: { _tag: "Exited", code },
  timedOut: false,
  durationMs: 1,
  pid: 1,
  startedAt: 0,
  stdout: stream(stdout),
  stderr: stream(stderr),
  endedEarly: false
})

const gnu = (...lines: ReadonlyArray<readonly [number, string]>) =>
  lines.map(([bytes, path]) => `${bytes}\t${path}\0`).join("")

const mounts = parseMounts(
  ["/ ext4", "/proc proc", "/sys sysfs", "/sys/fs/cgroup cgroup2"]
    .map((each, n) => `1 1 0:${n} / ${each.split(" ")[0]} rw - ${each.split(" ")[1]} x rw`)
    .join("\n")
)

/** A service whose du runs as `answer` says; `ran` are the argument vectors. */
const make = Effect.fnUntraced(function* (answer: (request: RunRequest) => Effect.Effect<RunResult>) {
  const config = yield* configOf("[disk]\ntimeout_seconds = 30\nfresh_ms = 60_000\n")
  const ran: Array<RunRequest> = []
  const context = yield* Layer.build(
    DiskSpace.layer.pipe(
      Layer.provide([
        CurrentConfig.layer(config),
        Layer.mock(Host, { mounts: Effect.succeed(mounts) }),
        Layer.mock(Executor, {
          run: (request) => {
            ran.push(request)
            return answer(request)
          }
        })
      ])
    )
  )
  const disk = yield* Effect.provideContext(DiskSpace, context)
  return { count: disk.count, ran }
})

const srv = { path: "/srv", depth: 1, cross: false }
const whole = ended(0, gnu([10, "/srv/a"], [30, "/srv"]))

describe("the counts of a disk", () => {
  it.effect("are told with the largest first, and kept for their time", () =>
    Effect.gen(function* () {
      const { count, ran } = yield* make(() => Effect.succeed(whole))
      const { stale, value } = yield* count(srv)
      assert.deepStrictEqual(value, {
        folders: [{ path: "/srv/a", bytes: 10, depth: 1 }],
        totalBytes: 30,
        truncated: false,
        partial: false
      })
      assert.isFalse(stale)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual((yield* count(srv)).ageMs, 59_000)
      assert.strictEqual(ran.length, 1)
      yield* count({ ...srv, depth: 2 })
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* count(srv)).ageMs, 0)
      assert.strictEqual(ran.length, 3)
      assert.deepInclude(ran[0], { name: "tool:du", concurrency: 2, queueLength: 16 })
      assert.strictEqual(Duration.toMillis(ran[0]?.timeout ?? 0), 30_000)
    })
  )

  it.effect("are made once for all who ask, and go on for the others when one leaves", () =>
    Effect.gen(function* () {
      const gate = Deferred.makeUnsafe<void>()
      let interrupted = false
      const { count, ran } = yield* make(() =>
        Effect.as(Deferred.await(gate), whole).pipe(
          Effect.onInterrupt(() =>
            Effect.sync(() => {
              interrupted = true
            })
          )
        )
      )
      const first = yield* Effect.forkChild(count(srv), { startImmediately: true })
      const second = yield* Effect.forkChild(count(srv), { startImmediately: true })
      yield* Fiber.interrupt(first)
      assert.isFalse(interrupted)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(second)).value.totalBytes, 30)
      assert.strictEqual(ran.length, 1)
    })
  )

  it.effect("are partial where something could not be read, and failed where nothing was counted", () =>
    Effect.gen(function* () {
      let result = ended(
        1,
        gnu([10, "/srv/a"], [30, "/srv"]),
        "du: cannot read directory '/srv/b': Permission denied\n"
      )
      const { count } = yield* make(() => Effect.sync(() => result))
      assert.deepInclude((yield* count(srv)).value, { partial: true, totalBytes: 30 })
      const failures: ReadonlyArray<readonly [RunResult, number]> = [
        [ended(1, "", "du: cannot access '/srv': Input/output error\n"), 1],
        [ended(127, gnu([30, "/srv"])), 127],
        [ended(0, "nothing of the kind"), 0]
      ]
      for (const [index, [failed, exit_code]] of failures.entries()) {
        result = failed
        const error = yield* Effect.flip(count({ ...srv, depth: index + 2 }))
        assert.deepStrictEqual(error, new ToolFailed({ command: "du", exit_code }))
      }
    })
  )

  it.effect("are asked of busybox's du in its own words, once it is known", () =>
    Effect.gen(function* () {
      const { count, ran } = yield* make(({ argv }) =>
        Effect.succeed(
          argv.includes("--null")
            ? ended(1, "", "du: unrecognized option '--null'\nBusyBox v1.36 multi-call binary.\n")
            : ended(0, "4\t/srv/a\n12\t/srv\n16\t/\n")
        )
      )
      assert.deepInclude((yield* count(srv)).value, { totalBytes: 12_288, partial: false })
      yield* count({ ...srv, path: "/srv/a" })
      assert.deepStrictEqual(
        ran.map(({ argv }) => argv[1]),
        ["--null", "-k", "-k"]
      )
      // It cannot leave out the kernel's own, so it stays where it is, and says so.
      const crossing = yield* count({ path: "/", depth: 1, cross: true })
      assert.deepInclude(crossing.value, { totalBytes: 16_384, partial: true })
      assert.include(ran.at(-1)?.argv ?? [], "-x")
    })
  )

  it.effect("leave out what the kernel shows, each tree by its top, and are nothing within it", () =>
    Effect.gen(function* () {
      const { count, ran } = yield* make(() => Effect.succeed(ended(0, gnu([5, "/"]))))
      yield* count({ path: "/", depth: 1, cross: true })
      assert.deepStrictEqual(
        ran[0]?.argv.filter((argument) => argument.startsWith("--exclude")),
        ["--exclude=/proc", "--exclude=/sys"]
      )
      const { value } = yield* count({ path: "/proc/1", depth: 1, cross: true })
      assert.deepStrictEqual(value, { folders: [], totalBytes: 0, truncated: false, partial: false })
      assert.strictEqual(ran.length, 1)
    })
  )

  it.effect("are answered by their deadline, with what was counted before where there is something", () =>
    Effect.gen(function* () {
      let answer: Effect.Effect<RunResult> = Effect.never
      const { count } = yield* make(() => Effect.suspend(() => answer))
      const late = yield* Effect.forkChild(Effect.flip(count(srv)), { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* Fiber.join(late), new ToolTimeout({ command: "du" }))
      answer = Effect.succeed(whole)
      yield* TestClock.adjust("61 seconds")
      assert.isFalse((yield* count(srv)).stale)
      answer = Effect.never
      yield* TestClock.adjust("61 seconds")
      const stale = yield* Effect.forkChild(count(srv), { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      assert.deepInclude(yield* Fiber.join(stale), { stale: true, error: new ToolTimeout({ command: "du" }) })
    })
  )

  it.effect("are kept of so many folders and no more", () =>
    Effect.gen(function* () {
      const { count, ran } = yield* make(({ argv }) => Effect.succeed(ended(0, gnu([1, argv.at(-1) ?? ""]))))
      const ask = (n: number) => count({ path: `/srv/${n}`, depth: 1, cross: false })
      for (let n = 0; n < 33; n++) yield* ask(n)
      yield* ask(32)
      yield* ask(1)
      assert.strictEqual(ran.length, 33)
      yield* ask(0)
      assert.strictEqual(ran.length, 34, "the one that was asked for longest ago is gone")
    })
  )
})
