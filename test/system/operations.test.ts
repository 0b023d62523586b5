/** Operations of the built daemon, as their clients use them: asked for, polled, waited for, watched, cancelled, found again. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { createHash } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { OperationEntry, OutputLine } from "../../src/http/api/Operations.ts"
import { type Answer, curl, curlRaw, jsonOf, messages, request, type RequestOptions } from "./client.ts"
import { processesWith } from "./proc.ts"
import { type Daemon, eventually, start, temporaryFolder } from "./support.ts"

const config = (folder: string) => `
[[listeners]]
address = "127.0.0.1:0"
apis = ["system", "identity", "provisioning"]
auth = ["basic", "bearer"]

[auth]
development_users = true
password_min_length = 8

[limits]
stop_timeout_ms = 2000

[actions]
hello = "echo out; echo err >&2"
broken = "echo why >&2; exit 3"
[actions.gated]
command = 'echo begun; until [ -e "${folder}/$ARG_GATE" ]; do [ -d "${folder}" ] || exit; sleep 0.01; done; echo over'
concurrency = 1
[[actions.gated.args]]
name = "gate"
pattern = "[a-z]+"
[actions.counted]
command = "echo run >> ${folder}/counted"
[actions.stepping]
command = '''echo '{"progress":0.25,"message":"a quarter"}'; until [ -e ${folder}/step ]; do [ -d ${folder} ] || exit; sleep 0.01; done'''
[actions.stubborn]
command = "trap '' TERM; echo here; while true; do sleep 4173.25; done"
kill_grace_ms = 200
`

const decodeEntry = Schema.decodeUnknownSync(Schema.fromJsonString(OperationEntry))
const decodeEntries = Schema.decodeSync(Schema.fromJsonString(Schema.Array(OperationEntry)))
const decodeLine = Schema.decodeUnknownSync(Schema.fromJsonString(OutputLine))
const Tokens = Schema.Struct({ token: Schema.String })
const decodeTokens = Schema.decodeSync(Schema.fromJsonString(Tokens))

const entryOf = ({ body }: Answer) => decodeEntry(body)
const linesOf = (text: string) =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => decodeLine(line))
const textOf = (lines: ReturnType<typeof linesOf>) => lines.map((line) => ("text" in line ? line.text : "")).join("")

const clientOf = Effect.fnUntraced(function* ({ url }: Daemon, username = "admin", password = "admin123") {
  const login = yield* request(`${url}/v1/auth/login`, {
    method: "POST",
    body: JSON.stringify({ username, password })
  })
  const { token } = decodeTokens(login.body)
  const authorization = `Bearer ${token}`
  const ask = (target: string, options: RequestOptions = {}) =>
    request(`${url}${target}`, { ...options, headers: { ...options.headers, authorization } })
  const submit = (name: string, args: Readonly<Record<string, string>> = {}, headers: Record<string, string> = {}) =>
    ask(`/api/v1/actions/${name}`, {
      method: "POST",
      body: JSON.stringify({ args }),
      headers: { prefer: "respond-async", ...headers }
    })
  return {
    ask,
    submit,
    authorization,
    ended: (id: string) => Effect.map(ask(`/v1/operations/${id}?wait=30`), entryOf),
    get: (id: string) => Effect.map(ask(`/v1/operations/${id}`), entryOf)
  }
})

const begin = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const daemon = yield* start({ folder, config: config(folder) })
  return { folder, daemon, ...(yield* clientOf(daemon)) }
})

const open = (folder: string, gate: string) => Effect.promise(() => writeFile(join(folder, gate), ""))

const runs = (get: Effect.Effect<typeof OperationEntry.Type>) =>
  eventually(
    "it runs",
    Effect.map(get, ({ status }) => status === "running")
  )

/** Its command has been started, and has written just that. */
const says = (ask: (target: string) => Effect.Effect<Answer>, id: string, text: string) =>
  eventually(
    `it says ${text}`,
    Effect.map(ask(`/v1/operations/${id}/output?follow=0`), ({ body }) => body === text)
  )

describe("an action that is asked for as an operation", () => {
  it.live("is answered 202 by curl, waited for, and has run as ever", () =>
    Effect.gen(function* () {
      const { authorization, daemon } = yield* begin
      const own = ["-H", `Authorization: ${authorization}`]
      const asked = yield* curl(
        "-X",
        "POST",
        "-H",
        "Prefer: respond-async",
        ...own,
        `${daemon.url}/api/v1/actions/hello`
      )
      assert.strictEqual(asked.status, 202)
      const { created_by, id, input, kind, name } = entryOf(asked)
      assert.deepStrictEqual([created_by, kind, name, input], ["admin", "action", "hello", { args: {} }])
      assert.strictEqual(asked.headers["location"], `/api/v1/operations/${id}`)
      assert.strictEqual(asked.headers["preference-applied"], "respond-async")
      const waited = yield* curl(...own, `${daemon.url}${asked.headers["location"]}?wait=30`)
      const operation = entryOf(waited)
      assert.strictEqual(operation.status, "completed")
      assert.strictEqual(operation.progress, null)
      assert.include(JSON.stringify(operation.result), '"exit_code":0')
      // The same of the other API.
      assert.deepStrictEqual(jsonOf(yield* curl(...own, `${daemon.url}/v1/operations/${id}`)), jsonOf(waited))
      const { out } = yield* curlRaw(...own, `${daemon.url}/v1/operations/${id}/output`)
      assert.deepStrictEqual(out.split("\n").toSorted(), ["", "err", "out"])
      const logs = yield* curlRaw(...own, `${daemon.url}/logs`)
      assert.deepStrictEqual(
        messages(logs.out).filter((message) => message.includes("executing action")),
        [
          "[system-api] executing action: hello = echo out; echo err >&2",
          "[system-api] executing action success: hello = echo out; echo err >&2"
        ]
      )
    })
  )

  it.live("has failed where its command has, and keeps its result", () =>
    Effect.gen(function* () {
      const { ended, submit } = yield* begin
      const { error, result, status } = yield* ended(entryOf(yield* submit("broken")).id)
      assert.strictEqual(status, "failed")
      assert.deepStrictEqual(error, {
        error: "command_failed",
        message: "exit status 3",
        details: { exit_code: 3, signal: null }
      })
      assert.include(JSON.stringify(result), '"head":"why\\n"')
    })
  )

  it.live("waits its turn behind those of its name, and says where it is in line", () =>
    Effect.gen(function* () {
      const { ended, folder, get, submit } = yield* begin
      const first = entryOf(yield* submit("gated", { gate: "a" })).id
      yield* runs(get(first))
      const second = entryOf(yield* submit("gated", { gate: "a" }))
      const third = entryOf(yield* submit("gated", { gate: "a" }))
      assert.deepStrictEqual([second.queue_position, third.queue_position], [1, 2])
      yield* open(folder, "a")
      const last = yield* ended(third.id)
      const before = yield* get(second.id)
      assert.deepStrictEqual([before.status, last.status], ["completed", "completed"])
      assert.isTrue((before.ended_at ?? "z") <= (last.started_at ?? ""))
    })
  )

  it.live("tells its progress as its command says it", () =>
    Effect.gen(function* () {
      const { ended, folder, get, submit } = yield* begin
      const { id } = entryOf(yield* submit("stepping"))
      yield* eventually(
        "its progress is told",
        Effect.map(get(id), ({ progress }) => progress?.fraction === 0.25 && progress.text === "a quarter")
      )
      yield* open(folder, "step")
      assert.strictEqual((yield* ended(id)).status, "completed")
    })
  )

  it.live("is wrong at once where its arguments are, and nothing is kept of it", () =>
    Effect.gen(function* () {
      const { ask, submit } = yield* begin
      const refused = yield* submit("gated", { gate: "../x" })
      assert.deepStrictEqual([refused.status, refused.body.includes('argument \\"gate\\"')], [400, true])
      assert.strictEqual((yield* submit("nothing")).status, 400)
      assert.strictEqual((yield* ask("/v1/operations")).body, "[]\n")
    })
  )
})

describe("a daemon that has no password yet", () => {
  it.live("lets whoever may run its actions find their runs again", () =>
    Effect.gen(function* () {
      const { url } = yield* start({
        config: '[general]\nlisten_addr = "127.0.0.1:0"\n[actions]\nhello = "echo out"\n'
      })
      const asked = yield* curl("-H", "Prefer: respond-async", `${url}/api/v1/actions/hello`)
      assert.strictEqual(asked.status, 202)
      const location = `${url}${asked.headers["location"]}`
      const ended = entryOf(yield* curl(`${location}?wait=30`))
      assert.deepStrictEqual([ended.status, ended.created_by], ["completed", "anonymous"])
      assert.strictEqual((yield* curl(`${location}/output`)).body, "out\n")
    })
  )
})

describe("the output of an operation", () => {
  it.live("is sent live, resumed where it broke off, and told to be whole", () =>
    Effect.gen(function* () {
      const { ask, authorization, daemon, ended, folder, get, submit } = yield* begin
      const { id } = entryOf(yield* submit("gated", { gate: "b" }))
      yield* runs(get(id))
      const target = `${daemon.url}/v1/operations/${id}/output`
      const headers = ["-N", "-H", `Authorization: ${authorization}`, "-H", "Accept: text/event-stream"]
      // curl leaves after a second; what it has by then came while the command ran.
      const first = yield* curlRaw(...headers, "--max-time", "1", target)
      assert.include(first.out, '"text":"begun\\n"')
      assert.notInclude(first.out, "event: end")
      const seen = /^id: (\S+)$/mu.exec(first.out)?.[1] ?? assert.fail(first.out)
      const resuming = yield* Effect.forkChild(curlRaw(...headers, "-H", `Last-Event-ID: ${seen}`, target))
      yield* open(folder, "b")
      const rest = (yield* Fiber.join(resuming)).out
      assert.notInclude(rest, "begun")
      assert.include(rest, '"text":"over\\n"')
      const whole = "begun\nover\n"
      const sha256 = createHash("sha256").update(whole).digest("hex")
      assert.include(rest, `event: end\ndata: {"status":"completed","bytes":11,"sha256":"${sha256}","next":"11"}`)
      // Kept, in every form.
      yield* ended(id)
      assert.strictEqual((yield* ask(`/v1/operations/${id}/output`)).body, whole)
      assert.strictEqual((yield* ask(`/api/v1/operations/${id}/output?offset=6`)).body, "over\n")
      const lines = linesOf((yield* ask(`/v1/operations/${id}/output?format=ndjson`)).body)
      assert.strictEqual(textOf(lines), whole)
      assert.deepStrictEqual(lines.at(-1), { end: { status: "completed", bytes: 11, sha256, next: "11" } })
    })
  )

  it.live("ends in order when the daemon stops, and is found again with the next one", () =>
    Effect.gen(function* () {
      const { authorization, daemon, folder, submit } = yield* begin
      const { id } = entryOf(yield* submit("gated", { gate: "never" }))
      const { body } = yield* Effect.promise(() =>
        fetch(`${daemon.url}/v1/operations/${id}/output?format=ndjson`, { headers: { authorization } })
      )
      const reader = (body ?? assert.fail("no body")).pipeThrough(new TextDecoderStream()).getReader()
      const read = Effect.promise(() => reader.read())
      let text = ""
      while (!text.includes("begun")) text += (yield* read).value ?? assert.fail("it has ended")
      const stopping = yield* Effect.forkChild(daemon.stop)
      for (let piece = yield* read; !piece.done; piece = yield* read) text += piece.value
      const lines = linesOf(text)
      assert.deepStrictEqual(lines.length, 1, text)
      assert.strictEqual(textOf(lines), "begun\n")
      assert.deepStrictEqual(yield* Fiber.join(stopping), { code: 0, signal: null })
      const next = yield* start({ folder, config: config(folder) })
      const client = yield* clientOf(next)
      const { error, status } = yield* client.ended(id)
      assert.strictEqual(status, "failed", JSON.stringify(error))
      assert.include((yield* client.ask(`/v1/operations/${id}/output`)).body, "begun\n")
    })
  )
})

describe("cancelling an operation", () => {
  it.live("ends what runs, its whole group, and takes what waits out of the line", () =>
    Effect.gen(function* () {
      const { ask, ended, get, submit } = yield* begin
      const runner = entryOf(yield* submit("stubborn")).id
      yield* says(ask, runner, "here\n")
      const told = yield* ask(`/v1/operations/${runner}/cancel`, { method: "POST" })
      assert.deepStrictEqual([told.status, entryOf(told).status], [202, "running"])
      assert.strictEqual((yield* ended(runner)).status, "cancelled")
      assert.deepStrictEqual(yield* processesWith("4173.25"), [])

      const first = entryOf(yield* submit("gated", { gate: "never" })).id
      yield* runs(get(first))
      const waiting = entryOf(yield* submit("gated", { gate: "never" })).id
      const cancelled = yield* ask(`/v1/operations/${waiting}/cancel`, { method: "POST" })
      assert.deepStrictEqual([cancelled.status, entryOf(cancelled).status], [200, "cancelled"])
      const late = yield* ask(`/v1/operations/${waiting}/cancel`, { method: "POST" })
      assert.deepStrictEqual(
        [late.status, jsonOf(late)],
        [
          409,
          {
            error: "CONFLICT",
            message: "it has ended: cancelled",
            code: "409",
            type: "about:blank",
            title: "Conflict",
            status: 409,
            detail: "it has ended: cancelled"
          }
        ]
      )
      const lateToo = yield* ask(`/api/v1/operations/${waiting}/cancel`, { method: "POST" })
      assert.deepStrictEqual(jsonOf(lateToo), { code: 409, message: "it has ended: cancelled" })
    })
  )

  it.live("is not for those who may only look", () =>
    Effect.gen(function* () {
      const { daemon, get, submit } = yield* begin
      const { id } = entryOf(yield* submit("gated", { gate: "never" }))
      const developer = yield* clientOf(daemon, "developer", "dev123")
      assert.strictEqual((yield* developer.get(id)).id, id)
      for (const each of [id, "x"]) {
        const refused = yield* developer.ask(`/v1/operations/${each}/cancel`, { method: "POST" })
        assert.strictEqual(refused.status, 403)
      }
      assert.isNull((yield* get(id)).cancel_requested_at)
    })
  )
})

describe("a key", () => {
  it.live("makes what is sent again the same run, over a kill of the daemon too", () =>
    Effect.gen(function* () {
      const { ask, daemon, folder } = yield* begin
      const send = (client: typeof ask, body = "{}") =>
        client("/api/v1/actions/counted", { method: "POST", body, headers: { "idempotency-key": "once" } })
      const first = yield* send(ask)
      assert.strictEqual(first.status, 200)
      const again = yield* send(ask)
      assert.deepStrictEqual([again.status, again.body], [200, first.body])
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
      assert.strictEqual((yield* send(ask, '{"args":{}}')).status, 422)
      yield* daemon.kill
      const next = yield* start({ folder, config: config(folder) })
      const client = yield* clientOf(next)
      const later = yield* send(client.ask)
      assert.deepStrictEqual([later.status, later.body], [200, first.body])
      const listed = yield* client.ask("/api/v1/operations?kind=action&status=completed,failed")
      assert.strictEqual(decodeEntries(listed.body).length, 1)
      const { out } = yield* curlRaw(`file://${folder}/counted`)
      assert.strictEqual(out, "run\n")
    })
  )
})

describe("a kill of the daemon", () => {
  it.live("leaves what waited to be run, fails what ran, and tells each end once", () =>
    Effect.gen(function* () {
      const { ask, daemon, folder, submit } = yield* begin
      const ran = entryOf(yield* submit("gated", { gate: "c" })).id
      yield* says(ask, ran, "begun\n")
      const waited = entryOf(yield* submit("gated", { gate: "c" })).id
      yield* daemon.kill
      yield* open(folder, "c")
      const next = yield* start({ folder, config: config(folder) })
      const client = yield* clientOf(next)
      const interrupted = yield* client.ended(ran)
      assert.deepStrictEqual([interrupted.status, interrupted.error?.error], ["failed", "interrupted_by_restart"])
      assert.strictEqual((yield* client.ended(waited)).status, "completed")
      const told = (yield* client.ask("/logs")).body.split("\n").filter((line) => line.includes("gated"))
      assert.strictEqual(told.filter((line) => line.includes("] executing action: gated")).length, 2, told.join("\n"))
      assert.strictEqual(told.filter((line) => line.includes("] error executing action: gated")).length, 1)
      assert.strictEqual(told.filter((line) => line.includes("] executing action success: gated")).length, 1)
    })
  )
})
