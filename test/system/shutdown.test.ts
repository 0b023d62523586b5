/** SIGTERM and SIGINT: exit code 0 within the bound, whatever is in hand, with nothing lost and nobody left behind. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import { assertGapless, connect, keepAlive, logsOf, request } from "./client.ts"
import { processesWith } from "./proc.ts"
import { type Daemon, eventually, execute, shell, start, temporaryFolder } from "./support.ts"

/** Longer than the grace of two seconds in the configuration and all that follows it, on a busy machine. */
const boundMs = 15_000

const elapsed = <A>(effect: Effect.Effect<A>): Effect.Effect<readonly [A, number]> =>
  Effect.gen(function* () {
    const before = yield* Clock.monotonicTimeNanos
    const value = yield* effect
    return [value, Number((yield* Clock.monotonicTimeNanos) - before) / 1e6] as const
  })

let lastMarker = 0
const marker = () => `${7000 + (lastMarker += 1)}.${process.pid}${Math.trunc(performance.timeOrigin) % 100_000}`

const config = (folder: string, mark: string) => `[general]
listen_addr = "127.0.0.1:0"
pipe_file = "pipe.fifo"
log_max_entries = 10_000
[limits]
stop_timeout_ms = 2000
[actions]
long = "sleep ${mark} & sleep ${mark}; wait"
stubborn = "trap '' TERM; sleep ${mark} & sleep ${mark}"
short = "sleep 0.5; echo done"
[file_uploads]
plain = "${folder}/files/plain"
`

const begin = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const mark = marker()
  yield* shell(folder, "mkdir files")
  const daemon = yield* start({ folder, config: config(folder, mark) })
  const running = (count: number) =>
    eventually(
      `${count} processes of the action are there`,
      Effect.map(processesWith(mark), (pids) => pids.length >= count)
    )
  return { daemon, folder, mark, running }
})

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`

const again = ({ folder }: Daemon, mark: string) => start({ folder, config: config(folder, mark) })

describe.each(["SIGTERM", "SIGINT"] as const)("%s", (signal) => {
  it.live("with followers, an action, an upload and lines in the FIFO in hand", () =>
    Effect.gen(function* () {
      const { daemon, folder, mark, running } = yield* begin
      const { port, url } = daemon
      yield* request(`${url}/api/v1/new_event?message=first`)
      const follower = yield* connect({ host: "127.0.0.1", port })
      follower.send(get("/api/v1/events/stream?after=0"))
      yield* follower.until((text) => text.includes('"message":"first"'))
      const waiter = yield* connect({ host: "127.0.0.1", port })
      waiter.send(get("/api/v1/events?after=100000&wait=60"))
      const idle = yield* keepAlive
      yield* request(`${url}/livez`, { agent: idle })
      const caller = yield* connect({ host: "127.0.0.1", port })
      caller.send(get("/api/v1/actions/long"))
      yield* running(2)
      const uploader = yield* connect({ host: "127.0.0.1", port })
      uploader.send(`POST /api/v1/file-upload/plain HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf`)
      yield* eventually(
        "the upload has begun",
        Effect.map(
          Effect.promise(() => readdir(join(folder, "files"))),
          (names) => names.length === 1
        )
      )
      yield* shell(folder, "seq -f 'line %g' 2000 > pipe.fifo; printf 'no end' > pipe.fifo")
      const [ended, ms] = yield* elapsed(Effect.andThen(daemon.signal(signal), daemon.ended))
      assert.deepStrictEqual(ended, { code: 0, signal: null })
      assert.isBelow(ms, boundMs)
      assert.deepStrictEqual(yield* processesWith(mark), [], "no child is left")
      assert.deepStrictEqual(yield* Effect.promise(() => readdir(join(folder, "files"))), [], "no half of an upload")
      assert.isTrue((yield* Effect.promise(() => stat(join(folder, "pipe.fifo")))).isFIFO())
      for (const line of [follower, waiter]) assert.isTrue((yield* line.closed).length > 0)
      assert.notMatch(daemon.said(), / ERROR |lost/u)

      const next = yield* again(daemon, mark)
      const lines = yield* logsOf(next.url)
      assert.deepStrictEqual(
        lines.filter((line) => /^line \d+$/u.test(line)),
        Array.from({ length: 2000 }, (_, i) => `line ${i + 1}`)
      )
      assert.include(lines, "no end")
      const told = lines.filter((line) => line.includes("executing action")).map((line) => line.split(" - ")[0])
      assert.deepStrictEqual(told, [
        `[system-api] executing action: long = sleep ${mark} & sleep ${mark}; wait`,
        "[system-api] error executing action: long"
      ])
      assert.isTrue(lines.some((line) => line.startsWith("[system-api] file upload error (failed to read): plain = ")))
      yield* assertGapless(next.folder)
    })
  )
})

describe("a stop", () => {
  it.live("lets what is nearly done be done", () =>
    Effect.gen(function* () {
      const { daemon } = yield* begin
      const caller = yield* connect({ host: "127.0.0.1", port: daemon.port })
      caller.send(get("/api/v1/actions/short"))
      yield* eventually(
        "it runs",
        Effect.map(logsOf(daemon.url), (lines) => lines.length === 1)
      )
      assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
      const text = yield* caller.closed
      assert.match(text, /^HTTP\/1\.1 200 OK\r\n/u)
      assert.isTrue(text.endsWith('{"message":"Action executed successfully"}\n'))
    })
  )

  it.live("ends a command that ignores TERM", () =>
    Effect.gen(function* () {
      const { daemon, mark, running } = yield* begin
      const caller = yield* connect({ host: "127.0.0.1", port: daemon.port })
      caller.send(get("/api/v1/actions/stubborn"))
      yield* running(2)
      const [ended, ms] = yield* elapsed(daemon.stop)
      assert.deepStrictEqual(ended, { code: 0, signal: null })
      assert.isBelow(ms, boundMs)
      assert.deepStrictEqual(yield* processesWith(mark), [])
    })
  )

  it.live("takes no new connection, and is at once when there is nothing to do", () =>
    Effect.gen(function* () {
      const { daemon } = yield* begin
      const [ended, ms] = yield* elapsed(daemon.stop)
      assert.deepStrictEqual(ended, { code: 0, signal: null })
      assert.isBelow(ms, 3000)
      const { code } = yield* execute("curl", ["-sS", `${daemon.url}/livez`])
      assert.strictEqual(code, 7, "connection refused")
    })
  )

  it.live("asked for twice is one", () =>
    Effect.gen(function* () {
      const { daemon, running } = yield* begin
      const caller = yield* connect({ host: "127.0.0.1", port: daemon.port })
      caller.send(get("/api/v1/actions/long"))
      yield* running(2)
      yield* daemon.signal("SIGTERM")
      yield* daemon.signal("SIGTERM")
      yield* daemon.signal("SIGINT")
      assert.deepStrictEqual(yield* daemon.ended, { code: 0, signal: null })
    })
  )

  it.live("removes the UNIX socket it made", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const daemon = yield* start({ folder, args: ["--listen-addr", `unix:${folder}/api.sock`] })
      const { mode } = yield* Effect.promise(() => stat(join(folder, "api.sock")))
      assert.strictEqual(mode & 0o777, 0o660)
      assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
      assert.notInclude(yield* Effect.promise(() => readdir(folder)), "api.sock")
    })
  )
})
