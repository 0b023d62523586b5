/** How daemons like this one were broken, tried on this one: one test for each class of attack. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { connect, curl, exchange, logsOf, parseAnswer, request, resultOf } from "./client.ts"
import { environ, processesWith } from "./proc.ts"
import { type Daemon, eventually, start, temporaryFolder, write } from "./support.ts"

const config = (folder: string) => `[general]
listen_addr = "127.0.0.1:0"

[actions]
touch = "touch touched-by-get"
echo_test = "echo test"

[actions.say]
command = 'printf "%s|" "$@" "$ARG_TEXT"'
[[actions.say.args]]
name = "text"
default = ""

[actions.strict]
command = 'echo "$ARG_WORD"'
[[actions.strict.args]]
name = "word"
pattern = "[a-z]+|b"

[actions.vector]
argv = ["printf", "%s|"]
[[actions.vector.args]]
name = "text"

[actions.env]
command = "env"
[[actions.env.args]]
name = "path"
default = "harmless"

[file_uploads]
testfile = "${folder}/files/testfile.txt"
`

class Served extends Context.Service<Served, Daemon>()("test/system/security/Served") {
  static readonly layer = Layer.effect(
    Served,
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* write(folder, "README.md", "untouched")
      return yield* start({ folder, config: config(folder) })
    })
  )
}

const run = (url: string, name: string, args: unknown) =>
  request(`${url}/api/v1/actions/${name}`, { body: JSON.stringify({ args }) })

/** Nothing in the daemon's folder that an attack was to make. */
const assertUntouched = Effect.fnUntraced(function* ({ folder }: Daemon) {
  assert.deepStrictEqual((yield* Effect.promise(() => readdir(folder))).sort(), [
    "README.md",
    "config.toml",
    "pipe.fifo",
    "systemapi-state"
  ])
})

const alive = ({ url }: Daemon) => Effect.map(curl(`${url}/readyz`), ({ status }) => assert.strictEqual(status, 200))

const shellTricks = [
  "$(touch pwned)",
  "`touch pwned`",
  "; touch pwned",
  "| touch pwned",
  "\ntouch pwned\n",
  "' ; touch pwned '",
  '"; touch pwned; "',
  "&& touch pwned",
  "${IFS}touch",
  "-n",
  "--help",
  "%s%n",
  "\\"
]

layer(Served.layer, { excludeTestServices: true })("attacks:", (it) => {
  it.effect("shell injection through an action's name", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      for (const trick of shellTricks) {
        for (const name of [trick, `echo_test${trick}`]) {
          const url = `${daemon.url}/api/v1/actions/${encodeURIComponent(name)}`
          assert.strictEqual((yield* request(url)).status, 400, name)
          assert.strictEqual((yield* request(url, { method: "POST" })).status, 400, name)
        }
      }
      yield* assertUntouched(daemon)
    })
  )

  it.effect("shell injection through an argument", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      for (const trick of shellTricks) {
        const { stdout } = resultOf(yield* run(daemon.url, "say", { text: trick }))
        assert.strictEqual(stdout.head, `${trick}|${trick}|`)
        assert.strictEqual(resultOf(yield* run(daemon.url, "vector", { text: trick })).stdout.head, `${trick}|`)
      }
      yield* assertUntouched(daemon)
    })
  )

  it.effect("a pattern that matches a part only", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      assert.strictEqual((yield* run(url, "strict", { word: "abc" })).status, 200)
      for (const word of ["abc; touch pwned", "abc\n", "\nabc", "b\n; touch pwned", "ABC", "", "abc\0"]) {
        assert.strictEqual((yield* run(url, "strict", { word })).status, 400, JSON.stringify(word))
      }
    })
  )

  it.effect("undeclared, reserved and malformed arguments", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      for (const args of [
        { LD_PRELOAD: "/tmp/x.so" },
        { ARG_PATH: "x" },
        { PATH: "/tmp" },
        { text: "a", more: "b" },
        { constructor: "x" },
        { path: ["a"] },
        { path: { a: 1 } },
        { path: null },
        []
      ]) {
        assert.strictEqual((yield* run(url, "env", args)).status, 400, JSON.stringify(args))
      }
      assert.strictEqual(
        (yield* request(`${url}/api/v1/actions/env`, { body: '{"args":{"__proto__":{"path":"x"}}}' })).status,
        400
      )
      assert.strictEqual((yield* request(`${url}/api/v1/actions/env`, { body: '{"argv":["x"]}' })).status, 400)
      const { stdout } = resultOf(yield* run(url, "env", { path: "/attacker" }))
      assert.include(stdout.head, "ARG_PATH=/attacker\n")
      assert.notMatch(stdout.head, /^PATH=\/attacker/mu)
    })
  )

  it.effect("names that lead elsewhere: traversal, NUL, prototypes", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      const names = [
        "..%2F..%2Fetc%2Fpasswd",
        "testfile%2F..%2F..%2FREADME.md",
        "%2e%2e%2FREADME.md",
        "testfile%00",
        "testfile%00.txt",
        "__proto__",
        "constructor",
        "toString",
        "hasOwnProperty",
        "%EF%BC%8E%EF%BC%8E",
        "%C0%AE%C0%AE",
        "a".repeat(5000)
      ]
      for (const name of names) {
        const upload = yield* curl("--path-as-is", "-d", "x", `${daemon.url}/api/v1/file-upload/${name}`)
        assert.include([400, 404], upload.status, name)
        const action = yield* curl("--path-as-is", `${daemon.url}/api/v1/actions/${name}`)
        assert.include([400, 404], action.status, name)
      }
      for (const path of [
        "/api/v1/file-upload/../../README.md",
        "/../README.md",
        "/api/v1/../../etc/passwd",
        "//livez",
        "/./livez"
      ]) {
        assert.strictEqual((yield* curl("--path-as-is", "-d", "x", `${daemon.url}${path}`)).status, 404, path)
      }
      assert.strictEqual(yield* Effect.promise(() => readFile(join(daemon.folder, "README.md"), "utf8")), "untouched")
      yield* assertUntouched(daemon)
    })
  )

  it.effect("other names for a path that a proxy guards", () =>
    Effect.gen(function* () {
      const { url } = yield* Served
      for (const path of [
        "/logs;x",
        "/LOGS",
        "/logs/",
        "//logs",
        "/logs%00",
        "/logs%23",
        "/logs%3Fx",
        "/api/v1/actions/touch;x"
      ]) {
        const { status } = yield* curl("--path-as-is", `${url}${path}`)
        assert.include([400, 404], status, path)
      }
      yield* assertUntouched(yield* Served)
    })
  )

  it.effect("methods in disguise", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      const tricks = ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"]
      for (const name of tricks) {
        const post = yield* curl("-X", "POST", "-H", `${name}: GET`, `${daemon.url}/logs`)
        assert.strictEqual(post.status, 405)
        const get = yield* curl("-H", `${name}: POST`, `${daemon.url}/api/v1/file-upload/testfile`)
        assert.strictEqual(get.status, 405)
      }
      assert.strictEqual((yield* curl(`${daemon.url}/api/v1/file-upload/testfile?_method=POST`)).status, 405)
      for (const method of ["TRACE", "PROPFIND", "get"]) {
        const text = yield* exchange(daemon.port, `${method} /logs HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
        assert.include([400, 405], parseAnswer(text).status, method)
      }
    })
  )

  it.effect("HEAD does not run an action or record an event", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      const before = yield* logsOf(daemon.url)
      assert.strictEqual((yield* curl("-I", `${daemon.url}/api/v1/actions/touch`)).status, 405)
      assert.strictEqual((yield* curl("-I", `${daemon.url}/api/v1/new_event?message=x`)).status, 405)
      assert.deepStrictEqual(yield* logsOf(daemon.url), before)
      yield* assertUntouched(daemon)
    })
  )

  const smuggled = "GET /api/v1/new_event?message=smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
  const chunkedEnd = `0\r\n\r\n${smuggled}`

  it.effect.each([
    ["both lengths", `Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${chunkedEnd}`],
    ["two lengths that differ", `Content-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`],
    ["a list of lengths", `Content-Length: 0, ${smuggled.length}\r\n\r\n${smuggled}`],
    ["a negative length", `Content-Length: -1\r\n\r\n${smuggled}`],
    ["a length with a sign", `Content-Length: +0\r\n\r\n${smuggled}`],
    ["an encoding nobody knows", `Transfer-Encoding: xchunked\r\n\r\n${chunkedEnd}`],
    ["an encoding in two headers", `Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n${chunkedEnd}`],
    ["a space before the colon", `Transfer-Encoding : chunked\r\n\r\n${chunkedEnd}`],
    ["a header folded over two lines", `X: a\r\n Transfer-Encoding: chunked\r\n\r\n${smuggled}`],
    ["a bare line feed", `X: a\nTransfer-Encoding: chunked\r\n\r\n${chunkedEnd}`],
    ["a bare carriage return", `X: a\rTransfer-Encoding: chunked\r\n\r\n${chunkedEnd}`],
    ["a NUL in a header", `X: a\0b\r\nContent-Length: 0\r\n\r\n${smuggled}`],
    ["a chunk size that overflows", `Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n${smuggled}`],
    ["a chunk size with a sign", `Transfer-Encoding: chunked\r\n\r\n-1\r\n${smuggled}`],
    ["a chunk that lies about its end", `Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n${chunkedEnd}`]
  ] as const)("request smuggling with %s", ([what, rest]) =>
    Effect.gen(function* () {
      // RFC 9112, section 6.1: a coding that is not understood is 501; what contradicts itself is malformed.
      const status = what === "an encoding nobody knows" ? 501 : 400
      const daemon = yield* Served
      const before = yield* logsOf(daemon.url)
      const text = yield* exchange(daemon.port, `POST /api/v1/actions/none HTTP/1.1\r\nHost: x\r\n${rest}`)
      assert.strictEqual(text.slice(0, 13), `HTTP/1.1 ${status} `)
      assert.strictEqual(text.split("HTTP/1.1 ").length, 2, "one answer, and the connection ended")
      assert.deepStrictEqual(yield* logsOf(daemon.url), before)
    })
  )

  it.effect("header injection through what is echoed", () =>
    Effect.gen(function* () {
      const { port, url } = yield* Served
      const forged = yield* curl(`${url}/api/v1/actions/x%0d%0aSet-Cookie:%20a=b?x=%0d%0aSet-Cookie:%20a=b`)
      assert.isUndefined(forged.headers["set-cookie"])
      for (const id of ["a b", "x".repeat(65), "<script>", 'a"b', ""]) {
        const text = yield* exchange(
          port,
          `GET /livez HTTP/1.1\r\nHost: x\r\nX-Request-Id: ${id}\r\nConnection: close\r\n\r\n`
        )
        assert.notStrictEqual(parseAnswer(text).headers["x-request-id"], id)
      }
      assert.strictEqual(
        (yield* curl("-H", "X-Request-Id: harmless-1", `${url}/livez`)).headers["x-request-id"],
        "harmless-1"
      )
    })
  )

  it.effect("log injection through path, id, agent and message", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      const forged = "2024-11-05T22:03:23.000Z INFO  forged by a client"
      yield* request(`${daemon.url}/${encodeURIComponent(`x\n${forged}\r\n\u001b[31m`)}`, {
        headers: { "user-agent": forged }
      })
      yield* request(`${daemon.url}/api/v1/actions/${encodeURIComponent(`x\n${forged}`)}`)
      yield* request(`${daemon.url}/api/v1/new_event?message=${encodeURIComponent(`x\n${forged}`)}`)
      yield* exchange(daemon.port, `GET /caf\u00e9\u009b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
      yield* request(`${daemon.url}/the-last-of-these`)
      yield* daemon.says(/GET \/the-last-of-these 404/u)
      const lines = daemon.said().split("\n").slice(0, -1)
      for (const line of lines) {
        assert.match(line, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (?:INFO |WARN |ERROR|DEBUG) /u)
        // oxlint-disable-next-line no-control-regex -- what must not be there
        assert.notMatch(line, /^.*forged by a client$|[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/u)
      }
    })
  )

  it.effect("a log that a client fills with one long path", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      const before = daemon.said().length
      yield* request(`${daemon.url}/${"p".repeat(500_000)}`)
      yield* daemon.says(/GET \/p+… \(500001 characters\) 404/u)
      assert.isBelow(daemon.said().length - before, 4096)
    })
  )

  it.effect("headers that are too large or too many", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      const large = yield* exchange(
        daemon.port,
        `GET /livez HTTP/1.1\r\nHost: x\r\nX: ${"h".repeat(2 * 1024 * 1024)}\r\n\r\n`
      )
      assert.strictEqual(parseAnswer(large).status, 431)
      const many = "X: 1\r\n".repeat(2500)
      const answer = parseAnswer(yield* exchange(daemon.port, `GET /livez HTTP/1.1\r\nHost: x\r\n${many}\r\n`))
      assert.strictEqual(answer.status, 431)
      assert.match(answer.body, /^\{"code":431,/u)
      yield* alive(daemon)
    })
  )

  it.effect("a web page that makes an operator's browser act", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      const before = yield* logsOf(daemon.url)
      const foreign = ["-H", "Sec-Fetch-Site: cross-site", "-H", "Origin: https://evil.example"]
      for (const args of [
        [`${daemon.url}/api/v1/actions/touch`],
        [`${daemon.url}/api/v1/new_event?message=x`],
        ["-X", "POST", `${daemon.url}/api/v1/actions/touch`],
        ["-d", "x", `${daemon.url}/api/v1/file-upload/testfile`],
        ["-d", "secret", `${daemon.url}/api/v1/set-basic-auth`],
        ["-d", '{"message":"x"}', `${daemon.url}/api/v1/events`]
      ]) {
        const { headers, status } = yield* curl(...foreign, ...args)
        assert.strictEqual(status, 403, args.join(" "))
        assert.isUndefined(headers["access-control-allow-origin"])
      }
      const read = yield* curl(...foreign, `${daemon.url}/logs`)
      assert.isUndefined(read.headers["access-control-allow-origin"], "what it gets it may not read")
      const preflight = yield* curl(
        ...foreign,
        "-X",
        "OPTIONS",
        "-H",
        "Access-Control-Request-Method: POST",
        `${daemon.url}/logs`
      )
      assert.isUndefined(preflight.headers["access-control-allow-origin"])
      assert.deepStrictEqual(yield* logsOf(daemon.url), before)
      yield* assertUntouched(daemon)
    })
  )

  it.effect("bad ids, empty bodies and %00 crash nothing", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      for (const path of [
        "/api/v1/events?after=%00",
        "/api/v1/events?after=-1",
        "/api/v1/events?after=1e309",
        "/api/v1/events/stream?after=x",
        "/api/v1/events?q=%00",
        "/api/v1/events?since=9999999999999999",
        "/logs?tail=99999999999999999999",
        "/%",
        "/%ff",
        "/api/v1/actions/%",
        "/api/v1/actions/%ff"
      ]) {
        const { status } = yield* curl(`${daemon.url}${path}`)
        assert.include([200, 400, 404], status, path)
      }
      assert.strictEqual((yield* request(`${daemon.url}/api/v1/events`, { method: "POST" })).status, 400)
      const stream = yield* curl("-H", "Last-Event-ID: x", `${daemon.url}/api/v1/events/stream`)
      assert.strictEqual(stream.status, 400)
      const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`
      assert.include([400, 200], (yield* request(`${daemon.url}/api/v1/events`, { body: deep })).status)
      const fields = `{"message":"x","fields":${'{"a":'.repeat(20_000)}1${"}".repeat(20_000)}}`
      assert.include([400, 413, 200], (yield* request(`${daemon.url}/api/v1/events`, { body: fields })).status)
      const polluted = yield* request(`${daemon.url}/api/v1/events`, {
        body: '{"__proto__":{"polluted":1},"message":"x"}'
      })
      assert.strictEqual(polluted.status, 400)
      yield* alive(daemon)
    })
  )

  it.effect("a client that sends slowly, or goes in the middle, is its own problem", () =>
    Effect.gen(function* () {
      const daemon = yield* Served
      const halves = [
        "GET /li",
        "GET /livez HTTP/1.1\r\nHo",
        "POST /api/v1/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"
      ]
      const lines = yield* Effect.forEach(Array.from({ length: 60 }), () =>
        connect({ host: "127.0.0.1", port: daemon.port })
      )
      lines.forEach((line, i) => line.send(halves[i % halves.length] ?? ""))
      yield* alive(daemon)
      for (const line of lines) line.socket.destroy()
      yield* eventually(
        "their connections are gone",
        Effect.map(request(`${daemon.url}/metrics`), ({ body }) => /^systemapi_connections\{[^}]*\} [12]$/mu.test(body))
      )
    })
  )
})

describe("secrets", () => {
  it.live("are not handed to commands beyond the daemon's own environment", () =>
    Effect.gen(function* () {
      const mark = `8001.${process.pid}`
      const signing = "kS3nq0Yc1xv9Z2bQm7Tt5WfL8aRd4Hg6"
      const folder = yield* temporaryFolder
      yield* write(folder, "token", "the-token")
      const daemon = yield* start({
        folder,
        env: { FROM_UNIT: "inherited", JWT_SECRET: signing },
        config: `[general]
listen_addr = "127.0.0.1:0"
basic_auth_secret_path = "secret.txt"
basic_auth_secret_salt = "the-salt"
basic_auth_bootstrap_token_path = "token"
[actions.all]
command = "env; sleep ${mark} & exit 0"
env = { OWN = "of-this-action" }
[actions.other]
command = "env"
[actions.bare]
command = "env"
inherit_env = false
`
      })
      const headers = { "x-bootstrap-token": "the-token" }
      yield* request(`${daemon.url}/api/v1/set-basic-auth`, { body: "the-secret", headers })
      const authorization = `Basic ${Buffer.from("admin:the-secret").toString("base64")}`
      const out = (name: string) =>
        Effect.map(
          request(`${daemon.url}/api/v1/actions/${name}`, { method: "POST", headers: { authorization } }),
          (answer) => resultOf(answer).stdout.head
        )
      const all = yield* out("all")
      const other = yield* out("other")
      const bare = yield* out("bare")
      const child = yield* processesWith(mark)
      const environments = [all, other, bare, ...(yield* Effect.forEach(child, environ)), yield* environ(daemon.pid)]
      for (const text of environments) {
        for (const secret of ["the-token", "the-salt", "the-secret", authorization]) assert.notInclude(text, secret)
      }
      // What the daemon was started with shows in /proc, to its own user, whatever it does.
      for (const text of environments.slice(0, -1)) assert.notInclude(text, signing)
      yield* daemon.signal("SIGHUP")
      const reloaded = yield* request(`${daemon.url}/api/v1/events?after=0&wait=10&q=reloaded`, {
        headers: { authorization }
      })
      assert.include(reloaded.body, "configuration reloaded: nothing changed")
      assert.strictEqual(child.length, 1)
      assert.include(all, "FROM_UNIT=inherited\n")
      assert.include(all, "OWN=of-this-action\n")
      assert.notInclude(other, "OWN=")
      assert.notInclude(bare, "FROM_UNIT")
    })
  )
})
