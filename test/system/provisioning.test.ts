/** Servers and task services of the built daemon: by the daemon itself, by a program, and over a kill. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { copyFile, readFile } from "node:fs/promises"
import { join } from "node:path"
import { curl, jsonOf, request } from "./client.ts"
import { processesWith } from "./proc.ts"
import { type Daemon, eventually, execute, start, temporaryFolder } from "./support.ts"

const config = (rest: string) => `[general]
listen_addr = "127.0.0.1:0"
[auth]
development_users = true
${rest}`

const Operation = Schema.Struct({
  id: Schema.String,
  status: Schema.String,
  result: Schema.Unknown,
  error: Schema.NullOr(Schema.Struct({ error: Schema.String, message: Schema.String }))
})
const operationOf = Schema.decodeUnknownSync(Operation)
const Servers = Schema.Array(Schema.Struct({ id: Schema.String, hostname: Schema.String, status: Schema.String }))
const serversOf = Schema.decodeUnknownSync(Servers)
const tokenOf = Schema.decodeUnknownSync(Schema.Struct({ token: Schema.String }))

const seed = (hostname: string, rest: object = {}) => ({
  workspace: "production",
  provider: "upcloud",
  plan: "2xCPU-4GB",
  hostname,
  ...rest
})

/** Somebody who is logged in. */
const clientOf = Effect.fnUntraced(function* ({ url }: Daemon, username = "operator", password = "operator123") {
  const login = yield* request(`${url}/v1/auth/login`, { body: JSON.stringify({ username, password }) })
  const authorization = `Bearer ${tokenOf(jsonOf(login)).token}`
  const ask = (path: string, method = "GET", body?: object, headers: Readonly<Record<string, string>> = {}) =>
    request(`${url}${path}`, {
      method,
      headers: { authorization, ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
  const submit = (path: string, body: object) =>
    Effect.map(ask(path, "POST", body), (answer) => operationOf(jsonOf(answer)))
  const ended = (id: string) => Effect.map(ask(`/v1/operations/${id}?wait=30`), (answer) => operationOf(jsonOf(answer)))
  const servers = Effect.map(ask("/v1/servers"), (answer) => serversOf(jsonOf(answer)))
  return { authorization, ask, submit, ended, servers }
})

/** A folder with the program of the fixture and the pipe at which it waits. */
const programs = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const program = join(folder, "provisioning")
  yield* Effect.promise(() => copyFile(join(import.meta.dirname, "../fixtures/provisioning"), program))
  yield* execute("mkfifo", [join(folder, "gate")])
  const calls = Effect.promise(() => readFile(join(folder, "calls"), "utf8").catch(() => ""))
  const isGone = Effect.map(processesWith(program), (found) => found.length === 0)
  return { program, gate: join(folder, "gate"), calls, isGone }
})

describe("without a program", () => {
  it.live("servers and task services come and go as the document prints them, and survive the daemon", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config("") })
      const { ask, authorization, ended, servers, submit } = yield* clientOf(daemon)
      const created = yield* curl(
        "-X",
        "POST",
        `${daemon.url}/v1/servers/create`,
        "-H",
        `Authorization: ${authorization}`,
        "-H",
        "Content-Type: application/json",
        "-d",
        JSON.stringify(seed("web-01", { zone: "de-fra1", check_mode: false, tags: ["web", "production"] }))
      )
      assert.strictEqual(created.status, 202, created.body)
      const { id } = operationOf(jsonOf(created))
      assert.strictEqual(created.headers["location"], `/v1/operations/${id}`)
      const done = yield* ended(id)
      const [server] = yield* servers
      assert.deepStrictEqual(
        [done.status, done.result],
        ["completed", { server_id: server?.id, ip_address: "10.0.0.1", hostname: "web-01", workspace: "production" }]
      )
      yield* ended((yield* submit("/v1/servers/create", seed("web-02"))).id)
      const kubernetes = { workspace: "production", name: "kubernetes", servers: ["web-01", "web-02"] }
      const installed = yield* ended((yield* submit("/v1/taskservs/create", kubernetes)).id)
      assert.strictEqual(installed.status, "completed")
      const needed = yield* ask(`/v1/servers/${server?.id}`, "DELETE")
      assert.deepInclude(yield* ended(operationOf(jsonOf(needed)).id), { status: "failed" })

      yield* daemon.kill
      const again = yield* start({ config: config(""), folder: daemon.folder })
      const after = yield* clientOf(again)
      assert.deepStrictEqual(
        (yield* after.servers).map(({ hostname, status }) => [hostname, status]),
        [
          ["web-01", "running"],
          ["web-02", "running"]
        ]
      )
      const workspace = yield* after.ask("/v1/workspaces/production")
      assert.deepInclude(jsonOf(workspace), { created_by: "operator", server_count: 2, taskservs: ["kubernetes"] })
      assert.deepStrictEqual((yield* after.ended(id)).result, done.result)
    })
  )

  it.live("a template makes the server, its output is the action's, and what a caller sends is never a script", () =>
    Effect.gen(function* () {
      const templates = `
[provisioning.templates]
server_create = "make"
[actions.make]
command = 'echo "making $ARG_HOSTNAME for $1"; echo "{\\"ip_address\\":\\"192.0.2.$(expr 40 + 2)\\"}"'
args = [{ name = "workspace" }, { name = "hostname" }]
`
      const { ended, submit } = yield* clientOf(yield* start({ config: config(templates) }))
      const { id } = yield* submit("/v1/servers/create", seed("web-01"))
      const done = yield* ended(id)
      assert.deepInclude(done, { status: "completed" })
      assert.deepInclude(done.result, { ip_address: "192.0.2.42" })
    })
  )
})

describe("with a program", () => {
  it.live("it is called with what was asked for, and its result is the operation's", () =>
    Effect.gen(function* () {
      const { calls, program } = yield* programs
      const daemon = yield* start({ config: config(`[provisioning]\ncli_path = "${program}"\n`) })
      const { ask, ended, servers, submit } = yield* clientOf(daemon)
      const made = yield* ended((yield* submit("/v1/servers/create", seed("own-01"))).id)
      assert.deepInclude(made.result, { server_id: "upc-own-01", ip_address: "192.0.2.8", cores: 2 })
      const failed = yield* ended((yield* submit("/v1/servers/create", seed("fail-01"))).id)
      assert.deepStrictEqual(failed.error, {
        error: "command_failed",
        message: "provisioning server create: exit status 3: quota exceeded"
      })
      assert.deepStrictEqual(
        (yield* servers).map(({ hostname, status }) => [hostname, status]),
        [
          ["fail-01", "failed"],
          ["own-01", "running"]
        ]
      )
      const gone = yield* ask("/v1/servers/upc-own-01", "DELETE")
      assert.strictEqual((yield* ended(operationOf(jsonOf(gone)).id)).status, "completed")
      assert.strictEqual((yield* ask("/v1/servers/upc-own-01")).status, 404)
      assert.include(yield* calls, "--hostname=own-01\n--id=upc-own-01\n--yes\n--out=json\n")
    })
  )

  it.live("a kill in its midst does not run it again: the operation says so, and what is left can be deleted", () =>
    Effect.gen(function* () {
      const { calls, gate, isGone, program } = yield* programs
      const toml = config(`[provisioning]\ncli_path = "${program}"\n`)
      const daemon = yield* start({ config: toml })
      const before = yield* clientOf(daemon)
      const { id } = yield* before.submit("/v1/servers/create", seed("wait-01"))
      yield* eventually(
        "the program runs",
        Effect.map(calls, (text) => text.includes("wait-01"))
      )
      yield* daemon.kill
      const again = yield* start({ config: toml, folder: daemon.folder })
      const { ask, ended, servers } = yield* clientOf(again)
      const failed = yield* ended(id)
      assert.deepStrictEqual([failed.status, failed.error?.error], ["failed", "interrupted_by_restart"])
      const [server] = yield* servers
      assert.deepInclude(server, { hostname: "wait-01", status: "failed" })
      assert.lengthOf([...(yield* calls).matchAll(/--hostname=wait-01/gu)], 1)
      yield* eventually("the program that was left is gone", isGone)
      const gone = operationOf(jsonOf(yield* ask(`/v1/servers/${server?.id}`, "DELETE")))
      yield* execute("sh", ["-c", `echo > "${gate}"`])
      assert.strictEqual((yield* ended(gone.id)).status, "completed")
      assert.deepStrictEqual(yield* servers, [])
    })
  )

  it.live("a cancel ends it, with what it has started", () =>
    Effect.gen(function* () {
      const { calls, isGone, program } = yield* programs
      const daemon = yield* start({ config: config(`[provisioning]\ncli_path = "${program}"\n`) })
      const { ask, ended, servers, submit } = yield* clientOf(daemon)
      const { id } = yield* submit("/v1/servers/create", seed("wait-01"))
      yield* eventually(
        "the program runs",
        Effect.map(calls, (text) => text.includes("wait-01"))
      )
      yield* ask(`/v1/operations/${id}/cancel`, "POST")
      assert.strictEqual((yield* ended(id)).status, "cancelled")
      assert.deepInclude((yield* servers)[0], { hostname: "wait-01", status: "failed" })
      yield* eventually("the program is gone", isGone)
    })
  )
})
