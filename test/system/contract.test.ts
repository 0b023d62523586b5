/** The wire contract as its clients see it: every endpoint and every error, to the byte where a client can tell. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { chmod, mkdir, readFile, rm, stat } from "node:fs/promises"
import { join } from "node:path"
import { type Answer, connect, curl, exchange, jsonOf, logsOf, parseAnswer, request } from "./client.ts"
import { type Daemon, start, temporaryFolder } from "./support.ts"

class Served extends Context.Service<Served, Daemon>()("test/system/Served") {
  static readonly layer = (config: (folder: string) => string) =>
    Layer.effect(
      Served,
      Effect.flatMap(temporaryFolder, (folder) => start({ folder, config: config(folder) }))
    )
}

const open = Served.layer(
  (folder) => `
[general]
listen_addr = "127.0.0.1:0"
basic_auth_secret_path = "secret.txt"
basic_auth_secret_salt = "salt"

[events]
message_max_bytes = 2_000_000

[limits]
body_max_bytes = 4096

[actions]
echo_test = "echo test"
fails = "echo one; echo two >&2; exit 3"
killed = 'kill -KILL $$'
"with space/and ä" = "true"

[actions.post_only]
command = "true"
require_post = true

[file_uploads]
testfile = "${folder}/testfile.txt"
nowhere = "${folder}/absent/file.txt"

[file_uploads.small]
path = "${folder}/small.txt"
max_bytes = 10
`
)

const json = "application/json"
const text = "text/plain; charset=utf-8"

const errorBody = (code: number, message: string) => `${JSON.stringify({ code, message })}\n`

/** What is the same in every answer: an id, a date, a length that is right. */
const assertWhole = ({ body, headers }: Answer) => {
  assert.match(headers["x-request-id"] ?? "", /^[\w.:-]{1,64}$/u)
  assert.isDefined(headers["date"])
  if (headers["content-length"] !== undefined) {
    assert.strictEqual(Number(headers["content-length"]), Buffer.byteLength(body))
  }
}

const rows: ReadonlyArray<
  readonly [name: string, args: ReadonlyArray<string>, path: string, status: number, type: string, body: string]
> = [
  ["the root is alive", [], "/", 200, json, '{"status":"ok"}\n'],
  ["livez is alive", [], "/livez", 200, json, '{"status":"ok"}\n'],
  ["readyz is well", [], "/readyz", 200, json, '{"status":"ok","problems":[]}\n'],
  ["an action runs", [], "/api/v1/actions/echo_test", 200, json, '{"message":"Action executed successfully"}\n'],
  [
    "an action's name may be percent-encoded",
    [],
    "/api/v1/actions/with%20space%2Fand%20%C3%A4",
    200,
    json,
    '{"message":"Action executed successfully"}\n'
  ],
  [
    "an action fails",
    [],
    "/api/v1/actions/fails",
    500,
    json,
    errorBody(500, "Failed to execute action: fails - error: exit status 3")
  ],
  [
    "an action is killed",
    [],
    "/api/v1/actions/killed",
    500,
    json,
    errorBody(500, "Failed to execute action: killed - error: signal: killed")
  ],
  ["an unknown action", [], "/api/v1/actions/nope", 400, json, errorBody(400, "Specified action not configured")],
  [
    "an unknown action by POST",
    ["-X", "POST"],
    "/api/v1/actions/nope",
    400,
    json,
    errorBody(400, "Specified action not configured")
  ],
  [
    "an unknown upload",
    ["-d", "x"],
    "/api/v1/file-upload/nope",
    400,
    json,
    errorBody(400, "Specified file upload not configured")
  ],
  [
    "an upload that cannot be written",
    ["-d", "x"],
    "/api/v1/file-upload/nowhere",
    500,
    json,
    errorBody(500, "Failed to write content to file")
  ],
  [
    "an upload that is too large",
    ["-d", "12345678901"],
    "/api/v1/file-upload/small",
    413,
    json,
    errorBody(413, "The upload is larger than the 10 bytes allowed")
  ],
  [
    "an upload that turns out too large",
    ["-H", "Transfer-Encoding: chunked", "-d", "12345678901"],
    "/api/v1/file-upload/small",
    413,
    json,
    errorBody(413, "The upload is larger than the 10 bytes allowed")
  ],
  ["an unknown path", [], "/api/v2/logs", 404, json, errorBody(404, "Not found")],
  ["a path with a slash more", [], "/logs/", 404, json, errorBody(404, "Not found")],
  ["a path in capitals", [], "/LOGS", 404, json, errorBody(404, "Not found")],
  [
    "an empty secret",
    ["-X", "POST"],
    "/api/v1/set-basic-auth",
    400,
    json,
    errorBody(400, "basic auth secret refused: it is empty")
  ],
  [
    "a JSON body that is too large",
    ["-d", "x".repeat(5000)],
    "/api/v1/events",
    413,
    json,
    errorBody(413, "The body is larger than the 4096 bytes allowed here")
  ],
  [
    "a parameter that makes no sense",
    [],
    "/api/v1/events?limit=many",
    400,
    json,
    errorBody(400, 'limit: found "many", allowed: an integer from 1 to 10000')
  ],
  [
    "GET of an action that wants POST",
    [],
    "/api/v1/actions/post_only",
    405,
    json,
    errorBody(405, "Actions are run by POST here")
  ]
]

layer(open, { excludeTestServices: true })("the contract", (it) => {
  it.effect.each(rows)("%s", ([, args, path, status, type, body]) =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const answer = yield* curl(...args, `${url}${path}`)
      assert.deepStrictEqual([answer.status, answer.headers["content-type"], answer.body], [status, type, body])
      assertWhole(answer)
    })
  )

  it.effect.each([
    ["/", "GET, HEAD, OPTIONS"],
    ["/livez", "GET, HEAD, OPTIONS"],
    ["/logs", "GET, HEAD, OPTIONS"],
    ["/api/v1/new_event", "GET, OPTIONS"],
    ["/api/v1/events", "GET, HEAD, OPTIONS, POST"],
    ["/api/v1/actions", "GET, HEAD, OPTIONS"],
    ["/api/v1/actions/echo_test", "GET, OPTIONS, POST"],
    ["/api/v1/file-upload/testfile", "OPTIONS, POST"],
    ["/api/v1/set-basic-auth", "OPTIONS, POST"]
  ] as const)("%s allows %s and nothing else", ([path, allow]) =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const options = yield* curl("-X", "OPTIONS", `${url}${path}`)
      assert.deepStrictEqual([options.status, options.headers["allow"], options.body], [204, allow, ""])
      for (const method of ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]) {
        if (allow.split(", ").includes(method)) continue
        const refused =
          method === "HEAD" ? yield* curl("-I", `${url}${path}`) : yield* curl("-X", method, `${url}${path}`)
        assert.deepStrictEqual([refused.status, refused.headers["allow"]], [405, allow], method)
        if (method !== "HEAD") assert.strictEqual(refused.body, errorBody(405, `Method ${method} is not allowed here`))
        assertWhole({ ...refused, headers: { ...refused.headers, "content-length": String(refused.body.length) } })
      }
    })
  )

  it.effect("HEAD has GET's headers and no body", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      for (const path of ["/livez", "/logs", "/openapi.json", "/nowhere"]) {
        const get = yield* curl(`${url}${path}`)
        const head = yield* curl("-I", `${url}${path}`)
        assert.strictEqual(head.body, "")
        for (const name of ["content-type", "content-length"]) assert.strictEqual(head.headers[name], get.headers[name])
        assert.strictEqual(head.status, get.status)
      }
    })
  )

  it.effect("new_event takes the first message, or none, and answers nothing", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const before = (yield* logsOf(url)).length
      for (const query of ["?message=first&message=second", "?message=", "", "?other=x", "?message=a+b%20c%26d"]) {
        const answer = yield* curl(`${url}/api/v1/new_event${query}`)
        assert.deepStrictEqual([answer.status, answer.body, answer.headers["content-length"]], [200, "", "0"])
      }
      assert.deepStrictEqual((yield* logsOf(url)).slice(before), ["first", "", "", "", "a b c&d"])
    })
  )

  it.effect("events come as JSON, and as text for exactly ?format=text", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      yield* request(`${url}/api/v1/new_event?message=${encodeURIComponent('quote " and ä')}`)
      const logs = yield* curl(`${url}/logs`)
      assert.strictEqual(logs.headers["content-type"], text)
      const list = yield* curl(`${url}/api/v1/events`)
      assert.strictEqual(list.headers["content-type"], json)
      assert.match(
        list.body,
        /^\[(?:\{"received_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z","message":"(?:[^"\\]|\\.)*"\},?)*\]\n$/u
      )
      assert.isTrue(list.body.endsWith(String.raw`,"message":"quote \" and ä"}]` + "\n"))
      const asText = yield* curl(`${url}/api/v1/events?format=text`)
      assert.deepStrictEqual([asText.headers["content-type"], asText.body], [text, logs.body])
      for (const format of ["TEXT", "", "xml"]) {
        assert.strictEqual((yield* curl(`${url}/api/v1/events?format=${format}`)).body, list.body)
      }
    })
  )

  it.effect("a request of nearly a mebibyte works, more is answered 431", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const long = "m".repeat(1024 * 1024 - 300)
      assert.strictEqual((yield* request(`${url}/api/v1/new_event?message=${long}`)).status, 200)
      assert.strictEqual((yield* logsOf(url)).at(-1), long)
      const header = yield* request(`${url}/livez`, { headers: { "x-large": "h".repeat(1024 * 1024 - 1000) } })
      assert.strictEqual(header.status, 200)
      const more = yield* request(`${url}/api/v1/new_event?message=${long}${"m".repeat(8192)}`)
      assert.strictEqual(more.status, 431)
      assert.match(more.body, /^\{"code":431,"message":"Request line and headers are larger than \d+ bytes"\}\n?$/u)
    })
  )

  it.effect("what actions and uploads record is the original's wording", () =>
    Effect.gen(function* () {
      const { folder, url } = yield* Served
      const recorded = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
        const before = (yield* logsOf(url)).length
        yield* curl(...args)
        return (yield* logsOf(url)).slice(before)
      })
      assert.deepStrictEqual(yield* recorded(`${url}/api/v1/actions/fails`), [
        "[system-api] executing action: fails = echo one; echo two >&2; exit 3",
        String.raw`[system-api] error executing action: fails - error: exit status 3 (stderr: two\n)`
      ])
      assert.deepStrictEqual(yield* recorded("-d", "hello", `${url}/api/v1/file-upload/testfile`), [
        `[system-api] file upload: testfile = ${folder}/testfile.txt`,
        `[system-api] file upload success: testfile = ${folder}/testfile.txt - content: 5 bytes`
      ])
      const failed = yield* recorded("-d", "hello", `${url}/api/v1/file-upload/nowhere`)
      assert.strictEqual(failed[0], `[system-api] file upload: nowhere = ${folder}/absent/file.txt`)
      const start = `[system-api] file upload error (failed to write): nowhere = ${folder}/absent/file.txt - error: `
      assert.isTrue(failed[1]?.startsWith(start), failed[1])
      assert.deepStrictEqual(yield* recorded(`${url}/api/v1/actions/nope`), [])
      assert.deepStrictEqual(yield* recorded("-d", "x", `${url}/api/v1/file-upload/nope`), [])
    })
  )

  it.effect(
    "uploads: any content type, chunked or not, empty too; the mode of a new file is 0644, of an old one kept",
    () =>
      Effect.gen(function* () {
        const { folder, url } = yield* Served
        const file = join(folder, "testfile.txt")
        const target = `${url}/api/v1/file-upload/testfile`
        const modeAndText = Effect.promise(async () => [(await stat(file)).mode & 0o7777, await readFile(file, "utf8")])
        yield* Effect.promise(() => rm(file, { force: true }))
        const first = yield* curl("--data-binary", "one\ntwo\n", "-H", "Content-Type: text/x-made-up", target)
        assert.strictEqual(first.body, `{"file":"${file}","message":"File uploaded successfully","size_bytes":"8"}\n`)
        assert.deepStrictEqual(yield* modeAndText, [0o644, "one\ntwo\n"])
        yield* Effect.promise(() => chmod(file, 0o600))
        yield* curl("--data-binary", "three", "-H", "Transfer-Encoding: chunked", "-H", "Content-Type:", target)
        assert.deepStrictEqual(yield* modeAndText, [0o600, "three"])
        const empty = yield* curl("-X", "POST", target)
        assert.include(empty.body, '"size_bytes":"0"')
        assert.deepStrictEqual(yield* modeAndText, [0o600, ""])
      })
  )

  it.effect("POST of events answers one result for each", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      const post = (body: string, type = json) =>
        request(`${url}/api/v1/events`, { body, headers: { "content-type": type } })
      const one = yield* post('{"message":"object","level":"error","fields":{"a":1}}')
      assert.match(one.body, /^\{"seq":\d+\}\n$/u)
      const many = yield* post('[{"message":"a"},{"message":1},{"message":"b"}]')
      assert.match(many.body, /^\[\{"seq":\d+\},\{"line":2,"code":400,"error":"[^"]+.*"\},\{"seq":\d+\}\]\n$/u)
      const lines = yield* post('{"message":"c"}\nnot json\n\n{"message":"d"}', "application/x-ndjson")
      assert.match(lines.body, /^\{"seq":\d+\}\n\{"line":2,"code":400,"error":.*\}\n\{"seq":\d+\}\n$/u)
      assert.deepStrictEqual((yield* logsOf(url)).slice(-5), ["object", "a", "b", "c", "d"])
      for (const wrong of ["{", '{"mesage":"x"}', '"text"', ""]) {
        const refused = yield* post(wrong)
        assert.strictEqual(refused.status, 400, wrong)
        assert.include(jsonOf(refused), { code: 400 })
      }
    })
  )

  it.effect("an answer the client gives up on harms nobody", () =>
    Effect.gen(function* () {
      const { port, url } = yield* Served
      const line = yield* Effect.scoped(
        Effect.tap(connect({ host: "127.0.0.1", port }), ({ send }) =>
          Effect.sync(() =>
            send("POST /api/v1/file-upload/testfile HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
          )
        )
      )
      yield* line.closed
      assert.strictEqual((yield* curl(`${url}/livez`)).status, 200)
    })
  )

  it.effect("a body that pauses, a method nobody knows and a request that is none are answered", () =>
    Effect.gen(function* () {
      const { port } = yield* Served
      const garbage = parseAnswer(yield* exchange(port, "this is no HTTP\r\n\r\n"))
      assert.strictEqual(garbage.status, 400)
      assert.include(jsonOf(garbage), { code: 400 })
      const noHost = parseAnswer(yield* exchange(port, "GET / HTTP/1.1\r\n\r\n"))
      assert.deepStrictEqual([noHost.status, noHost.headers["content-type"]], [400, json])
      const unknown = parseAnswer(yield* exchange(port, "BREW / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
      assert.strictEqual(unknown.status, 400)
      const tunnel = parseAnswer(yield* exchange(port, "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"))
      assert.strictEqual(tunnel.status, 405)
    })
  )
})

describe("the password's endpoint", () => {
  it.live("answers 501 where no file is configured", () =>
    Effect.gen(function* () {
      const { url } = yield* start({ args: ["--listen-addr", "127.0.0.1:0"] })
      const { body, status } = yield* curl("-d", "secret", `${url}/api/v1/set-basic-auth`)
      const why = "Basic auth is not configured: general.basic_auth_secret_path is empty"
      assert.deepStrictEqual([status, body], [501, errorBody(501, why)])
    })
  )

  it.live("answers 500 where the file cannot be written, and stays open", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const keys = join(folder, "keys")
      yield* Effect.promise(() => mkdir(keys))
      const config = '[general]\nlisten_addr = "127.0.0.1:0"\nbasic_auth_secret_path = "keys/secret.txt"\n'
      const { url } = yield* start({ folder, config })
      yield* Effect.promise(() => rm(keys, { recursive: true }))
      const { body, status } = yield* curl("-d", "secret", `${url}/api/v1/set-basic-auth`)
      assert.strictEqual(status, 500)
      assert.match(body, /^\{"code":500,"message":"basic auth secret not set: write keys\/secret\.txt: .+"\}\n$/u)
      assert.strictEqual((yield* curl(`${url}/livez`)).status, 200)
      assert.deepStrictEqual(yield* logsOf(url), [])
    })
  )
})
