import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { OperationEntry } from "../../../src/http/api/Operations.ts"
import { ServerEntry, ServerStatus } from "../../../src/http/api/provisioning/Servers.ts"
import { TaskservEntry, TaskservStatus } from "../../../src/http/api/provisioning/Taskservs.ts"
import { WorkspaceDetails, WorkspaceEntry } from "../../../src/http/api/provisioning/Workspaces.ts"
import { OperationsUnavailable } from "../../../src/services/operations/Operations.ts"
import { makeProvisioningApp, server, taskserv } from "./support.ts"

const decodeOperation = Schema.decodeUnknownSync(OperationEntry)
/** What was answered is of the contract, and has no member beside it. */
const fits = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S, json: unknown) =>
  assert.deepStrictEqual<unknown>(Schema.decodeUnknownSync(schema, { onExcessProperty: "error" })(json), json)

const seed = {
  workspace: "production",
  provider: "upcloud",
  plan: "2xCPU-4GB",
  hostname: "web-01",
  zone: "de-fra1",
  check_mode: false,
  tags: ["web", "production"]
}

const kubernetes = { workspace: "production", name: "kubernetes", servers: ["web-01", "web-02"], check_mode: false }

const queryLess = { workspace: "production", provider: "upcloud", plan: "2xCPU-4GB", hostname: "web-7" }

const decodeWorkspaces = Schema.decodeUnknownSync(Schema.Array(WorkspaceEntry))

describe("creating", () => {
  it.effect("a server is an operation, found by its Location, with what was asked for as the contract has it", () =>
    Effect.gen(function* () {
      const { call, store } = yield* makeProvisioningApp()
      yield* TestClock.setTime(Date.UTC(2025, 9, 6, 12))
      const { headers, json, status, text } = yield* call("/v1/servers/create", { body: seed })
      assert.strictEqual(status, 202, text)
      fits(OperationEntry, json)
      const { id, ...operation } = decodeOperation(json)
      assert.strictEqual(headers["location"], `/v1/operations/${id}`)
      assert.match(
        text,
        /^\{"id":"[0-9a-f-]{36}","status":"pending","created_at":"2025-10-06T12:00:00.000Z","updated_at":"2025-10-06T12:00:00.000Z","result":null,"error":null,/u
      )
      assert.deepInclude(operation, {
        kind: "server.create",
        name: "production/web-01",
        created_by: "ann",
        input: seed
      })
      assert.deepInclude(yield* store.get(id), { kind: "server.create", who: "ann", input: seed })
    })
  )

  it.effect("takes a server without what may be left out, with nulls for it, and with members of later clients", () =>
    Effect.gen(function* () {
      const { call } = yield* makeProvisioningApp()
      const nulls = { zone: null, tags: null, check_mode: null }
      for (const body of [queryLess, { ...queryLess, ...nulls }, { ...queryLess, hostname: "WEB-7", colour: "blue" }]) {
        const { json, status } = yield* call("/v1/servers/create", { body })
        assert.strictEqual(status, 202)
        assert.deepStrictEqual(decodeOperation(json).input, { ...queryLess, zone: null, check_mode: false, tags: [] })
      }
    })
  )

  it.effect("a task service is one too, though its servers are not there yet", () =>
    Effect.gen(function* () {
      const { call } = yield* makeProvisioningApp()
      const { json, status } = yield* call("/v1/taskservs/create", { body: kubernetes })
      assert.strictEqual(status, 202)
      assert.deepInclude(decodeOperation(json), {
        kind: "taskserv.create",
        name: "production/kubernetes",
        input: kubernetes
      })
    })
  )

  it.effect("is refused with the name of the member that is wrong, and never with what was sent", () =>
    Effect.gen(function* () {
      const { call, store } = yield* makeProvisioningApp()
      const cases: ReadonlyArray<readonly [path: string, body: unknown, named: string]> = [
        ["/v1/servers/create", { ...seed, hostname: "$(reboot)" }, "hostname"],
        ["/v1/servers/create", { ...seed, hostname: "-x" }, "hostname"],
        ["/v1/servers/create", { ...seed, hostname: 7 }, "hostname"],
        ["/v1/servers/create", { ...seed, workspace: "../etc" }, "workspace"],
        ["/v1/servers/create", { ...seed, workspace: undefined }, "workspace"],
        ["/v1/servers/create", { ...seed, provider: "" }, "provider"],
        ["/v1/servers/create", { ...seed, plan: "a b" }, "plan"],
        ["/v1/servers/create", { ...seed, zone: ["de"] }, "zone"],
        ["/v1/servers/create", { ...seed, tags: ["ok", "a,b"] }, "tags.1"],
        ["/v1/servers/create", { ...seed, tags: "web" }, "tags"],
        ["/v1/servers/create", { ...seed, check_mode: "yes" }, "check_mode"],
        ["/v1/servers/create", "[]", "body"],
        ["/v1/servers/create", "{", "body"],
        ["/v1/taskservs/create", { ...kubernetes, servers: [] }, "servers"],
        ["/v1/taskservs/create", { ...kubernetes, servers: ["a", "a"] }, "servers"],
        ["/v1/taskservs/create", { ...kubernetes, servers: ["ok", "not;ok"] }, "servers.1"],
        ["/v1/taskservs/create", { ...kubernetes, name: "a/b" }, "name"],
        ["/v1/workspaces/create", { name: "--help" }, "name"],
        ["/v1/workspaces/create", { name: "a", description: "x".repeat(1025) }, "description"]
      ]
      for (const [path, body, named] of cases) {
        const { json, status, text } = yield* call(path, { body })
        assert.strictEqual(status, 400, text)
        assert.deepInclude(json, { error: "VALIDATION_ERROR", code: "400", status: 400 })
        assert.include(text, `"message":"${named}: `)
        assert.notInclude(text, "$(reboot)")
      }
      assert.strictEqual((yield* store.counts).total, 0)
    })
  )

  it.effect("is the same operation under the same key, and refused under the key of another", () =>
    Effect.gen(function* () {
      const { call, store } = yield* makeProvisioningApp()
      const headers = { "idempotency-key": "one" }
      const first = yield* call("/v1/servers/create", { body: seed, headers })
      const again = yield* call("/v1/servers/create", { body: seed, headers })
      assert.deepStrictEqual([again.status, again.json], [202, first.json])
      assert.deepStrictEqual(
        [first.headers["idempotent-replayed"], again.headers["idempotent-replayed"]],
        [undefined, "true"]
      )
      const other = yield* call("/v1/servers/create", { body: { ...seed, hostname: "web-02" }, headers })
      assert.deepStrictEqual(other.status, 422)
      assert.deepInclude(other.json, { error: "IDEMPOTENCY_KEY_REUSED", code: "422" })
      const elsewhere = yield* call("/v1/taskservs/create", { body: kubernetes, headers })
      assert.strictEqual(elsewhere.status, 422)
      assert.strictEqual((yield* store.counts).total, 1)
    })
  )

  it.effect("is refused when too many wait, and while the store cannot be used or is full", () =>
    Effect.gen(function* () {
      const { call } = yield* makeProvisioningApp({ maxPending: 1 })
      yield* call("/v1/servers/create", { body: seed })
      const busy = yield* call("/v1/servers/create", { body: queryLess })
      assert.deepStrictEqual([busy.status, typeof busy.headers["retry-after"]], [429, "string"])
      for (const [full, status] of [
        [false, 503],
        [true, 507]
      ] as const) {
        const unavailable = Effect.fail(new OperationsUnavailable({ reason: "no disk", full }))
        const app = yield* makeProvisioningApp({ inventory: { servers: unavailable, server: () => unavailable } })
        assert.strictEqual((yield* app.call("/v1/servers")).status, status)
        assert.strictEqual((yield* app.call("/v1/servers/x/status")).status, status)
        assert.strictEqual((yield* app.call("/v1/servers/x", { method: "DELETE" })).status, status)
      }
    })
  )

  it.effect("is refused to whoever may only read, before anything is looked up", () =>
    Effect.gen(function* () {
      const { call, store } = yield* makeProvisioningApp({
        grants: ["servers:read", "taskservs:read", "workspaces:read"]
      })
      for (const [path, method, body] of [
        ["/v1/servers/create", "POST", "{"],
        ["/v1/servers/nobody", "DELETE", undefined],
        ["/v1/taskservs/create", "POST", "{"],
        ["/v1/taskservs/nobody", "DELETE", undefined],
        ["/v1/workspaces/create", "POST", "{"]
      ] as const) {
        const { json, status } = yield* call(path, { method, body })
        assert.strictEqual(status, 403, path)
        assert.deepInclude(json, { error: "FORBIDDEN", code: "403" })
      }
      assert.strictEqual((yield* store.counts).total, 0)
      assert.strictEqual((yield* call("/v1/servers")).status, 200)
    })
  )
})

describe("what is there", () => {
  it.effect("is shown in the contract's members, by workspace and name, a page at a time", () =>
    Effect.gen(function* () {
      const { call, inventory } = yield* makeProvisioningApp()
      yield* inventory.addServer(server("srv-2", { hostname: "web-02", zone: "de-fra1", tags: ["web"] }))
      yield* inventory.addServer(server("srv-1", { hostname: "web-01", ipAddress: null, status: "creating" }))
      yield* inventory.addServer(server("srv-3", { workspace: "lab" }))
      yield* inventory.addTaskserv(taskserv("tsk-1"))
      const all = yield* call("/v1/servers")
      fits(Schema.Array(ServerEntry), all.json)
      assert.strictEqual(
        all.text.split("},{")[2],
        '"id":"srv-2","hostname":"web-02","provider":"upcloud","plan":"2xCPU-4GB","zone":"de-fra1","ip_address":"10.0.0.1",' +
          '"status":"running","created_at":"1970-01-01T00:00:00.000Z","workspace":"production","tags":["web"]}]\n'
      )
      const ids = (json: unknown) => Schema.decodeUnknownSync(Schema.Array(ServerEntry))(json).map(({ id }) => id)
      assert.deepStrictEqual(ids(all.json), ["srv-3", "srv-1", "srv-2"])
      assert.deepStrictEqual(ids((yield* call("/v1/servers?workspace=lab")).json), ["srv-3"])
      const first = yield* call("/v1/servers?limit=2")
      const cursor = first.headers["x-next-cursor"] ?? ""
      assert.deepStrictEqual(ids(first.json), ["srv-3", "srv-1"])
      const rest = yield* call(`/v1/servers?limit=2&cursor=${encodeURIComponent(cursor)}`)
      assert.deepStrictEqual([ids(rest.json), rest.headers["x-next-cursor"]], [["srv-2"], undefined])
      assert.strictEqual((yield* call("/v1/servers?limit=0")).status, 400)

      const one = yield* call("/v1/servers/srv-1")
      fits(ServerEntry, one.json)
      const how = yield* call("/v1/servers/srv-1/status")
      fits(ServerStatus, how.json)
      assert.deepStrictEqual(how.json, {
        id: "srv-1",
        hostname: "web-01",
        status: "creating",
        ip_address: null,
        updated_at: "1970-01-01T00:00:01.000Z",
        operation: "op"
      })
      const services = yield* call("/v1/taskservs")
      fits(Schema.Array(TaskservEntry), services.json)
      fits(TaskservEntry, (yield* call("/v1/taskservs/tsk-1")).json)
      fits(TaskservStatus, (yield* call("/v1/taskservs/tsk-1/status")).json)
    })
  )

  it.effect("is deleted by an operation that names it; what is not there is 404", () =>
    Effect.gen(function* () {
      const { call, inventory } = yield* makeProvisioningApp()
      yield* inventory.addServer(server("srv-1", { hostname: "web-01" }))
      yield* inventory.addTaskserv(taskserv("tsk-1", { name: "kubernetes" }))
      const gone = yield* call("/v1/servers/srv-1", { method: "DELETE" })
      assert.strictEqual(gone.status, 202)
      assert.deepInclude(decodeOperation(gone.json), {
        kind: "server.delete",
        name: "production/web-01",
        input: { server_id: "srv-1", workspace: "production", hostname: "web-01", check_mode: false }
      })
      const dry = yield* call("/v1/taskservs/tsk-1?check_mode=true", { method: "DELETE" })
      assert.deepInclude(decodeOperation(dry.json), {
        kind: "taskserv.delete",
        input: { taskserv_id: "tsk-1", workspace: "production", name: "kubernetes", check_mode: true }
      })
      assert.strictEqual((yield* call("/v1/servers/srv-1?check_mode=maybe", { method: "DELETE" })).status, 400)
      for (const [path, method] of [
        ["/v1/servers/srv-9", "GET"],
        ["/v1/servers/srv-9/status", "GET"],
        ["/v1/servers/srv-9", "DELETE"],
        ["/v1/taskservs/tsk-9", "GET"],
        ["/v1/taskservs/tsk-9/status", "GET"],
        ["/v1/taskservs/tsk-9", "DELETE"],
        ["/v1/workspaces/nobody", "GET"]
      ] as const) {
        const { json, status } = yield* call(path, { method })
        assert.strictEqual(status, 404, `${method} ${path}`)
        assert.deepInclude(json, { error: "NOT_FOUND", code: "404" })
      }
    })
  )
})

describe("workspaces", () => {
  it.effect("are made once, listed with how much is in them, and shown with what that is", () =>
    Effect.gen(function* () {
      const { call, inventory } = yield* makeProvisioningApp()
      const headers = { "idempotency-key": "w" }
      const body = { name: "staging", description: "before the rest" }
      const made = yield* call("/v1/workspaces/create", { body, headers })
      assert.deepStrictEqual([made.status, made.headers["location"]], [201, "/v1/workspaces/staging"])
      fits(WorkspaceDetails, made.json)
      const again = yield* call("/v1/workspaces/create", { body, headers })
      assert.deepStrictEqual([again.status, again.json], [201, made.json])
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
      assert.strictEqual((yield* call("/v1/workspaces/create", { body })).status, 409)
      assert.strictEqual((yield* call("/v1/workspaces/create", { body: { name: "other" }, headers })).status, 422)
      yield* inventory.addServer(server("srv-2", { workspace: "staging", hostname: "b" }))
      yield* inventory.addServer(server("srv-1", { workspace: "staging", hostname: "a" }))
      yield* inventory.addTaskserv(taskserv("tsk-1", { name: "kubernetes" }))
      const listed = yield* call("/v1/workspaces")
      fits(Schema.Array(WorkspaceEntry), listed.json)
      assert.deepStrictEqual(
        decodeWorkspaces(listed.json).map((each) => [each.name, each.server_count, each.taskserv_count]),
        [
          ["production", 0, 1],
          ["staging", 2, 0]
        ]
      )
      const one = yield* call("/v1/workspaces/staging")
      assert.deepStrictEqual(one.json, {
        name: "staging",
        description: "before the rest",
        created_at: "1970-01-01T00:00:00.000Z",
        created_by: "ann",
        server_count: 2,
        taskserv_count: 0,
        servers: ["a", "b"],
        taskservs: []
      })
    })
  )
})
