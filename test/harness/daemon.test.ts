import { appendFile, readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { StorageFull, StorageLost } from "../../src/services/storage/EventStorage.ts"
import { startDaemon } from "./daemon.ts"
import { makeFakeStorage } from "./FakeStorage.ts"
import { temporaryFolder } from "./temporaryFolder.ts"

const full = new StorageFull({ reason: "no space left on device" })
const post = (body: string, headers: Record<string, string> = {}): RequestInit => ({ method: "POST", body, headers })

describe("the whole daemon", () => {
  it.live("serves what the contract promises, and says what it did", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const target = join(folder, "uploaded.txt")
      const { log, pipe, request } = yield* startDaemon({
        folder,
        sections: `[actions]\necho_test = "echo test"\nbroken = "echo reason >&2; exit 3"\n[file_uploads]\ntestfile = "${target}"\n`
      })
      assert.strictEqual((yield* request("/livez")).text, '{"status":"ok"}\n')
      assert.strictEqual((yield* request("/api/v1/new_event?message=hello")).status, 200)
      yield* Effect.promise(() => appendFile(pipe, "from the pipe\n"))
      yield* log.awaitAfter(1)
      assert.strictEqual(
        (yield* request("/api/v1/actions/echo_test")).text,
        '{"message":"Action executed successfully"}\n'
      )
      const broken = yield* request("/api/v1/actions/broken")
      assert.strictEqual(
        broken.text,
        '{"code":500,"message":"Failed to execute action: broken - error: exit status 3"}\n'
      )
      const uploaded = yield* request("/api/v1/file-upload/testfile", post("content"))
      assert.strictEqual(
        uploaded.text,
        `{"file":"${target}","message":"File uploaded successfully","size_bytes":"7"}\n`
      )
      assert.strictEqual(yield* Effect.promise(() => readFile(target, "utf8")), "content")
      const lines = (yield* request("/logs")).text.split("\n")
      assert.deepStrictEqual(
        lines.map((line) => line.slice(23)),
        [
          "hello",
          "from the pipe",
          "[system-api] executing action: echo_test = echo test",
          "[system-api] executing action success: echo_test = echo test",
          "[system-api] executing action: broken = echo reason >&2; exit 3",
          "[system-api] error executing action: broken - error: exit status 3 (stderr: reason\\n)",
          `[system-api] file upload: testfile = ${target}`,
          `[system-api] file upload success: testfile = ${target} - content: 7 bytes`,
          ""
        ]
      )
      assert.strictEqual((yield* request("/readyz")).status, 200)
    })
  )

  it.live("answers HEAD with the headers of GET and no body", () =>
    Effect.gen(function* () {
      const { request } = yield* startDaemon()
      yield* request("/api/v1/new_event?message=hello")
      for (const target of ["/livez", "/logs", "/api/v1/events", "/api/v1/info", "/api/v1/events/stream"]) {
        const head = yield* request(target, { method: "HEAD" })
        assert.deepStrictEqual([head.status, head.text], [200, ""], target)
      }
      const [get, head] = [yield* request("/logs"), yield* request("/logs", { method: "HEAD" })]
      assert.strictEqual(head.headers.get("content-length"), get.headers.get("content-length"))
      assert.strictEqual((yield* request("/api/v1/new_event", { method: "HEAD" })).status, 405)
    })
  )

  it.live("keeps every event over a restart", () =>
    Effect.gen(function* () {
      const first = yield* startDaemon()
      for (let i = 0; i < 5; i++) yield* first.request(`/api/v1/new_event?message=${i}`)
      const before = (yield* first.request("/api/v1/events")).text
      yield* first.stop
      const second = yield* startDaemon({ folder: first.folder })
      assert.strictEqual((yield* second.request("/api/v1/events")).text, before)
    })
  )

  it.live("ends a stream in order when it stops", () =>
    Effect.gen(function* () {
      const { log, stop, url } = yield* startDaemon()
      yield* log.record("one")
      const response = yield* Effect.promise(() => fetch(`${url}/api/v1/events/stream?after=0`))
      const chunks = response.body?.pipeThrough(new TextDecoderStream()).getReader() ?? assert.fail("no body")
      const read = Effect.promise(() => chunks.read())
      let text = ""
      while (!text.includes("id: 1\n")) text += (yield* read).value ?? assert.fail("the stream ended")
      yield* stop
      assert.isTrue((yield* read).done)
    })
  )

  it.live("answers who waits for a command that its stop has ended, and refuses who waits for a turn", () =>
    Effect.gen(function* () {
      const { log, request, stop } = yield* startDaemon({
        sections:
          "[limits]\nstop_timeout_ms = 2000\n[actions.long]\ncommand = 'exec sleep 60'\nconcurrency = 1\nqueue_length = 1\n"
      })
      const running = yield* Effect.forkChild(request("/api/v1/actions/long"))
      yield* log.awaitAfter(0)
      const waiting = yield* Effect.forkChild(request("/api/v1/actions/long"))
      yield* log.awaitAfter(1)
      yield* stop
      const message = "Failed to execute action: long - error: signal: terminated"
      assert.deepInclude(yield* Fiber.join(running), { status: 500, text: `{"code":500,"message":"${message}"}\n` })
      assert.strictEqual((yield* Fiber.join(waiting)).status, 503)
    })
  )
})

describe("a full disk", () => {
  it.live("is 507 for what is new, and costs nothing else; the daemon heals by itself", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { request } = yield* startDaemon({ storage: storage.layer })
      yield* request("/api/v1/new_event?message=before")
      storage.beforeStore = Effect.fail(full)
      const refused = [
        yield* request("/api/v1/new_event?message=lost"),
        yield* request("/api/v1/events", post('{"message":"lost"}'))
      ]
      for (const { status, text } of refused) {
        assert.strictEqual(status, 507)
        assert.deepStrictEqual(JSON.parse(text), {
          code: 507,
          message: "the event store cannot take new events: no space left on device"
        })
      }
      assert.strictEqual((yield* request("/livez")).status, 200)
      assert.match((yield* request("/logs")).text, /\t before\n$/u)
      const ill = yield* request("/readyz")
      assert.strictEqual(ill.status, 503)
      assert.deepInclude(JSON.parse(ill.text), { status: "degraded" })
      storage.beforeStore = Effect.void
      assert.strictEqual((yield* request("/api/v1/new_event?message=after")).status, 200)
      assert.strictEqual((yield* request("/readyz")).status, 200)
      assert.deepStrictEqual(
        storage.events.map(({ message }) => message),
        ["before", "after"]
      )
    })
  )

  it.live("stops no action", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { request } = yield* startDaemon({
        storage: storage.layer,
        sections: `[actions]\necho_test = "echo test"\n`
      })
      storage.beforeStore = Effect.fail(full)
      assert.strictEqual((yield* request("/api/v1/actions/echo_test")).status, 200)
    })
  )
})

describe("a store that is slow or lost", () => {
  it.live("stops nobody but who waits for it, and the log tells of the restart", () =>
    Effect.gen(function* () {
      const storage = makeFakeStorage()
      const { log, request } = yield* startDaemon({ storage: storage.layer })
      const reached = yield* Deferred.make<void>()
      const release = yield* Deferred.make<void>()
      storage.afterStore = Effect.andThen(
        Effect.andThen(Deferred.succeed(reached, undefined), Deferred.await(release)),
        Effect.fail(new StorageLost({ reason: "the storage worker ended" }))
      )
      const unknown = yield* Effect.forkChild(request("/api/v1/new_event?message=unknown"))
      yield* Deferred.await(reached)
      assert.strictEqual((yield* request("/livez")).status, 200)
      assert.strictEqual((yield* request("/logs")).status, 200)
      storage.afterStore = Effect.void
      yield* Deferred.succeed(release, undefined)
      const { headers, status, text } = yield* Fiber.join(unknown)
      assert.strictEqual(status, 503)
      assert.include(text, "whether the event was stored is unknown")
      assert.strictEqual(headers.get("retry-after"), "1")
      yield* log.awaitAfter(2)
      const { text: lines } = yield* request("/logs")
      assert.include(lines, "\t unknown\n")
      assert.include(lines, "[system-api] actor EventStore failed and is restarted: ")
      assert.include(lines, "[system-api] actor EventStore runs again (restart 1)")
    })
  )
})
