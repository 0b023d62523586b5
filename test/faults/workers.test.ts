/**
 * The threads of the daemon die under load: what was acknowledged is there once, what was not is told as unknown or
 * refused, and the next request has a new thread.
 */
import type { Worker } from "node:worker_threads"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { startDaemon } from "../harness/daemon.ts"
import { eventually } from "../system/support.ts"
import { counted, isReady, wholeLog } from "./support.ts"

/** Node tells of every thread it starts: how a test gets at those that the daemon keeps to itself. */
const started = Effect.gen(function* () {
  // One that has ended has no name any more.
  const workers: Array<readonly [name: string | null, worker: Worker]> = []
  const onWorker = (worker: Worker) => void workers.push([worker.threadName, worker])
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("worker", onWorker)),
    () => Effect.sync(() => process.off("worker", onWorker))
  )
  const daemon = yield* startDaemon({
    sections: `[actions]\nlong = "echo began >&2; exec sleep 60"\nhello = "echo hello"\n`
  })
  const named = (name: string) => workers.filter(([own]) => own === name)
  return {
    ...daemon,
    count: (name: string) => named(name).length,
    terminate: (name: string) =>
      Effect.promise(() => named(name).at(-1)?.[1].terminate() ?? Promise.reject(new Error(name)))
  }
})

it.live("the storage thread dies again and again under writers: acknowledged is there once, unknown at most once", () =>
  Effect.gen(function* () {
    const { count, request, terminate, url } = yield* started
    const acknowledged: Array<string> = []
    const unknown: Array<string> = []
    let deaths = 0
    const client = (name: string) =>
      Effect.gen(function* () {
        for (let i = 0; deaths < 3 || i < 30; i++) {
          const message = `${name}-${i}`
          const { status, text } = yield* request(`/api/v1/new_event?message=${message}`)
          if (status === 200) acknowledged.push(message)
          else {
            assert.strictEqual(status, 503, text)
            unknown.push(message)
          }
          if (acknowledged.length % 40 === 39 && deaths < 3) {
            deaths += 1
            yield* terminate("storage")
          }
        }
      })
    yield* Effect.forEach(["a", "b", "c", "d"], client, { concurrency: "unbounded", discard: true })
    const counts = counted(yield* wholeLog(url))
    for (const message of acknowledged) assert.strictEqual(counts.get(message), 1, message)
    for (const message of unknown) assert.isAtMost(counts.get(message) ?? 0, 1, message)
    assert.strictEqual(deaths, 3)
    assert.isAtLeast(count("storage"), 2)
    yield* eventually("it is well again", isReady(url))
  })
)

it.live("the storage thread dies under a reader: it is told or gets all, and the next one gets all", () =>
  Effect.gen(function* () {
    const { request, terminate, url } = yield* started
    const batch = JSON.stringify(Array.from({ length: 2000 }, (_, i) => ({ message: `${i} ${"x".repeat(500)}` })))
    // More than the newest events, which are in memory.
    for (let n = 0; n < 4; n++) yield* request("/api/v1/events", { method: "POST", body: batch })
    const reading = yield* Effect.forkChild(Effect.exit(request("/api/v1/events?after=0&limit=8000")), {
      startImmediately: true
    })
    yield* terminate("storage")
    const exit = yield* Fiber.join(reading)
    if (exit._tag === "Success" && exit.value.status !== 200) assert.strictEqual(exit.value.status, 503)
    assert.isAtLeast((yield* wholeLog(url)).length, 8000)
  })
)

it.live("the thread that starts commands dies: who waits for one is told, the log too, and the next one runs", () =>
  Effect.gen(function* () {
    const { count, log, request, terminate } = yield* started
    const running = yield* Effect.forkChild(request("/api/v1/actions/long"))
    yield* log.awaitAfter(0)
    assert.strictEqual((yield* request("/api/v1/actions/hello")).status, 200)
    yield* terminate("spawner")
    const { status, text } = yield* Fiber.join(running)
    assert.strictEqual(status, 500)
    assert.match(text, /Failed to execute action: long - error: .*thread/u)
    assert.strictEqual((yield* request("/api/v1/actions/hello")).status, 200)
    assert.strictEqual(count("spawner"), 2)
    assert.match((yield* request("/logs")).text, /error executing action: long - error: .*thread/u)
  })
)
