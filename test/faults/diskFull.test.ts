/**
 * A disk that is really full (a small tmpfs): what is new is refused with the reason, everything else goes on, and when
 * there is room again the daemon finds out by itself. What was acknowledged before, and what was held back meanwhile, is
 * there.
 */
import { execFile } from "node:child_process"
import { mkdir, readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { smallDisk } from "../harness/smallDisk.ts"
import { connect, curl, request } from "../system/client.ts"
import { eventually, run, shell, start, temporaryFolder, write } from "../system/support.ts"
import { counted, errorBody, isReady, metric, post, readiness, wholeLog } from "./support.ts"

const config = `[general]
listen_addr = "127.0.0.1:0"
pipe_file = "pipe.fifo"
basic_auth_secret_path = "disk/secret.txt"
[store]
directory = "disk/state"
[actions]
hello = "echo hello"
[file_uploads]
uploaded = "disk/uploaded.txt"
`

const noRoom = "the event store cannot take new events: no space left on device"

/** Room for all that is held back; while the test wants it full, all but this is taken. */
const diskKiB = 32 * 1024
const leftKiB = 512

/** More text than may wait in the daemon and in the kernel's pipe together: its writer has to wait. */
const heldLines = 3000
const heldLine = (n: number) => `held ${String(n).padStart(8, "0")} ${"x".repeat(1000)}`

const prepared = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  yield* Effect.promise(() => mkdir(join(folder, "disk")))
  const disk = yield* smallDisk(join(folder, "disk"), diskKiB)
  return { folder, disk }
})

/** Posts events until one is refused, and gives that answer. */
const postUntilRefused = Effect.fnUntraced(function* (
  url: string,
  messageOf: (n: number) => string,
  acknowledged: Array<string>
) {
  for (let n = 0; ; n++) {
    const answer = yield* post(url, messageOf(n))
    if (answer.status !== 200) return answer
    acknowledged.push(messageOf(n))
  }
})

it.live("a disk that events have filled refuses what is new, holds the FIFO back, and costs nothing else", () =>
  Effect.gen(function* () {
    const { disk, folder } = yield* prepared
    yield* disk.fill(leftKiB)
    const daemon = yield* start({ folder, config })
    const { url } = daemon
    assert.strictEqual((yield* curl("--data-binary", "old", `${url}/api/v1/file-upload/uploaded`)).status, 200)
    const follower = yield* connect({ host: "127.0.0.1", port: daemon.port })
    follower.send("GET /api/v1/events/stream?after=0 HTTP/1.1\r\nHost: x\r\n\r\n")

    const acknowledged: Array<string> = []
    const refused = yield* postUntilRefused(url, (i) => `event ${i} ${"y".repeat(20_000)}`, acknowledged)
    assert.deepStrictEqual([refused.status, refused.body], [507, errorBody(507, noRoom)])
    assert.isAbove(acknowledged.length, 5)
    // Not even a page more: what the refused transaction had claimed is used up by small ones.
    yield* disk.fill()
    const small = yield* postUntilRefused(url, (i) => `small ${i}`, acknowledged)
    assert.deepStrictEqual([small.status, small.body], [507, errorBody(507, noRoom)])

    // Reads, the follower and the commands go on.
    assert.strictEqual((yield* request(`${url}/livez`)).status, 200)
    assert.include((yield* request(`${url}/logs`)).body, "\t event 0 ")
    yield* follower.until((text) => text.includes(`id: ${acknowledged.length + 2}\n`))
    assert.deepStrictEqual(yield* readiness(url), { status: 503, problems: noRoom })
    assert.strictEqual(yield* metric(url, "systemapi_store_degraded"), 1)
    assert.strictEqual((yield* request(`${url}/api/v1/actions/hello`)).status, 200)
    assert.include(daemon.said(), `event not recorded: ${noRoom} detail="executing action: hello = echo hello"`)

    // What goes to the same disk is refused too, and what is there stays as it was.
    const upload = yield* curl("--data-binary", "new".repeat(10_000), `${url}/api/v1/file-upload/uploaded`)
    assert.deepStrictEqual([upload.status, upload.body], [507, errorBody(507, "Failed to write content to file")])
    assert.strictEqual(yield* Effect.promise(() => readFile(join(folder, "disk/uploaded.txt"), "utf8")), "old")
    const secret = yield* curl("-d", "a secret", `${url}/api/v1/set-basic-auth`)
    const why = "basic auth secret not set: write disk/secret.txt: no space left on device"
    assert.deepStrictEqual([secret.status, secret.body], [507, errorBody(507, why)])
    const names = yield* Effect.promise(() => readdir(join(folder, "disk")))
    assert.deepStrictEqual(
      names.filter((name) => name.endsWith(".tmp")),
      []
    )

    // The FIFO: told once, bounded, its writer waits, nothing is lost.
    const lines = Array.from({ length: heldLines }, (_, n) => heldLine(n))
    const file = yield* write(folder, "lines", `${lines.join("\n")}\n`)
    let written = false
    const writer = yield* Effect.forkChild(
      Effect.andThen(
        Effect.promise(() =>
          promisify(execFile)("sh", ["-c", `cat "$1" > "$2"`, "sh", file, join(folder, "pipe.fifo")])
        ),
        Effect.sync(() => {
          written = true
        })
      )
    )
    yield* daemon.says(/pipe:pipe\.fifo waits: /u)
    const waiting = metric(url, "systemapi_pipe_lines_waiting")
    yield* eventually(
      "as much is waiting as may",
      Effect.map(waiting, (count) => count > 200)
    )
    assert.isAtMost(yield* waiting, heldLines - 500)
    assert.isFalse(written)
    assert.include((yield* readiness(url)).problems, `pipe:pipe.fifo waits for the log: ${noRoom}`)

    yield* disk.free
    yield* Fiber.join(writer)
    yield* daemon.says(/pipe:pipe\.fifo goes on/u)
    yield* eventually("it is well again", isReady(url))
    assert.strictEqual((yield* post(url, "after")).status, 200)
    acknowledged.push("after")
    yield* follower.until((text) => text.includes(heldLine(heldLines - 1)))
    assert.strictEqual(daemon.said().split("pipe:pipe.fifo waits: ").length, 2)
    assert.strictEqual((yield* curl("--data-binary", "new", `${url}/api/v1/file-upload/uploaded`)).status, 200)

    // All of it, once and in order, also for the next daemon after a kill.
    yield* daemon.kill
    const next = yield* start({ folder, config })
    const log = yield* wholeLog(next.url)
    const counts = counted(log)
    for (const message of acknowledged) assert.strictEqual(counts.get(message), 1, message.slice(0, 20))
    for (const [message, count] of counts) {
      if (/^(event|small) /u.test(message)) assert.deepStrictEqual([count, acknowledged.includes(message)], [1, true])
    }
    assert.deepStrictEqual(
      log.filter((message) => message.startsWith("held ")),
      lines
    )
  })
)

it.live("a machine whose disk is full comes up: the log is read, actions run, and room lets it write again", () =>
  Effect.gen(function* () {
    const { disk, folder } = yield* prepared
    const first = yield* start({ folder, config })
    for (let i = 0; i < 10; i++) yield* post(first.url, `before ${i}`)
    // A kill leaves the log file of the store, a stop does not: both are how a machine may go down.
    for (const end of [first.kill, Effect.flatMap(start({ folder, config }), ({ stop }) => stop)]) {
      yield* end
      yield* disk.fill()
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { stop, url } = yield* start({ folder, config })
          const before = yield* wholeLog(url)
          assert.include(before, "before 9")
          assert.strictEqual((yield* request(`${url}/api/v1/actions/hello`)).status, 200)
          // What the start has put in order may have given back a page.
          yield* disk.fill()
          const refused = yield* postUntilRefused(url, (i) => `small ${i}`, [])
          assert.deepStrictEqual([refused.status, refused.body], [507, errorBody(507, noRoom)])
          yield* disk.free
          assert.strictEqual((yield* post(url, "taken")).status, 200)
          // What waited to be told is told at the next try.
          yield* eventually("all of it is well", isReady(url))
          assert.deepStrictEqual((yield* wholeLog(url)).slice(0, before.length), before)
          yield* stop
        })
      )
    }
    const exported = yield* shell(
      folder,
      `${process.execPath} ${join(import.meta.dirname, "../../dist/systemapi.js")} events export --store disk/state`
    )
    assert.strictEqual(exported.split('"message":"taken"').length, 3)
  })
)

it.live("a new store on a full disk is refused with the reason", () =>
  Effect.gen(function* () {
    const { disk, folder } = yield* prepared
    yield* disk.fill()
    const { code, err } = yield* run({ folder, config: config.replace(/basic_auth.*\n/u, "") })
    assert.strictEqual(code, 1)
    assert.include(err, "event store disk/state: no space left on device")
  })
)
