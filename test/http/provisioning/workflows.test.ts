/** Workflows over HTTP: real handlers, actor and engine over a store in memory; what the steps ask for does what the test says. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { provisioningEndpoints } from "../../../src/http/api/endpoints.ts"
import { WorkflowDetails, WorkflowEntry, WorkflowStatus } from "../../../src/http/api/provisioning/Workflows.ts"
import { bind } from "../../../src/http/edge/routes.ts"
import { makeWorkflowHandlers } from "../../../src/http/provisioning/workflowHandlers.ts"
import { OperationFailed } from "../../../src/services/operations/Operation.ts"
import { makeWorkflowKind } from "../../../src/services/workflows/workflowKind.ts"
import { makeMemoryOperations } from "../../harness/memoryOperations.ts"
import { asking, kindOf, startOperations } from "../../harness/operationsUnderTest.ts"
import { configOf } from "../../services/config/support.ts"
import { admitted, makeTestEdge, user } from "../edge/support.ts"

const config = `
[actions.copy]
argv = ["/bin/cp"]
args = [{ name = "path", pattern = "/[a-z]+" }]

[workflows.release]
parameters = [{ name = "path" }, { name = "many", type = "int", min = 1, max = 5, default = 2 }]
steps = [
  { name = "copy", action = "copy", input = { path = { parameter = "path" } } },
  { name = "servers", operation = "server.create", needs = ["copy"], count = { parameter = "many" }, input = { hostname = "web", provider = "p", plan = "s" } }
]
`

const makeApp = Effect.fnUntraced(function* (grants: ReadonlyArray<string> = ["*"]) {
  const loaded = yield* configOf(config)
  const memory = makeMemoryOperations()
  const { store } = memory
  const held = yield* Deferred.make<void>()
  const current = { get: () => loaded, set: () => Effect.void }
  const nothing = { server: () => Effect.succeed(null), taskserv: () => Effect.succeed(null) }
  const done = (result: Readonly<Record<string, string>>) =>
    kindOf("", (operation, context) =>
      context.once(
        "do",
        operation.name === "held"
          ? Effect.as(Deferred.await(held), null)
          : operation.name === "production/bad"
            ? Effect.fail(new OperationFailed({ code: "template_failed", message: "no such plan" }))
            : Effect.succeed({ ...result, hostname: operation.name.replace(/^.*\//u, ""), workspace: "production" }),
        { again: true }
      )
    )
  const { operations } = yield* startOperations({
    memory,
    kinds: [
      { ...done({}), kind: "action" },
      { ...done({ server_id: "srv-1" }), kind: "server.create" },
      { ...done({}), kind: "server.delete" },
      { ...done({ taskserv_id: "tsk-1" }), kind: "taskserv.create" },
      makeWorkflowKind({ config: current, store, inventory: nothing })
    ]
  })
  const edge = yield* makeTestEdge({
    outcome: admitted(user("ann", ...grants)),
    routes: bind(provisioningEndpoints.workflows, makeWorkflowHandlers({ config: current, operations, store }))
  })
  const call = Effect.fnUntraced(function* (
    target: string,
    body?: unknown,
    { headers = {}, method }: { readonly headers?: Readonly<Record<string, string>>; readonly method?: string } = {}
  ) {
    const answer = yield* edge.ask(target, {
      method: method ?? (body === undefined ? "GET" : "POST"),
      headers,
      ...(body === undefined ? {} : { body: Stream.succeed(Buffer.from(JSON.stringify(body))) })
    })
    const json: unknown = answer.text === "" ? undefined : JSON.parse(answer.text)
    return { ...answer, json }
  })
  const submit = (body: unknown, headers: Readonly<Record<string, string>> = {}) =>
    call("/v1/workflows/submit", body, { headers })
  return { call, submit, operations, memory, held }
})

const Id = Schema.Struct({ id: Schema.String })
const Failed = Schema.Struct({ error: Schema.String, message: Schema.String, code: Schema.String })

const detailsOf = Schema.decodeUnknownSync(WorkflowDetails)
const entryOf = Schema.decodeUnknownSync(WorkflowEntry)
const statusOf = Schema.decodeUnknownSync(WorkflowStatus)

const idOf = (json: unknown) => Schema.decodeUnknownSync(Id)(json).id
const failed = ({ json, status }: { readonly json: unknown; readonly status: number }) => {
  const { code, error, message } = Schema.decodeUnknownSync(Failed)(json)
  assert.strictEqual(code, String(status))
  return [status, error, message]
}

const release = { workspace: "production", workflow_type: "release", parameters: { path: "/a" } }

describe("a workflow over HTTP", () => {
  it.effect("is an operation, seen with its steps", () =>
    Effect.gen(function* () {
      const { call, operations, submit } = yield* makeApp()
      const answer = yield* submit(release)
      assert.strictEqual(answer.status, 202)
      const id = idOf(answer.json)
      assert.strictEqual(answer.headers["location"], `/v1/operations/${id}`)
      yield* operations.wait(id, Duration.hours(1))

      const details = detailsOf((yield* call(`/v1/workflows/${id.toUpperCase()}`)).json)
      assert.deepStrictEqual([details.id, details.status, details.kind], [id, "completed", "workflow"])
      assert.deepStrictEqual(
        [details.workspace, details.workflow_type, details.parameters],
        ["production", "release", { path: "/a", many: 2 }]
      )
      assert.deepStrictEqual(
        details.steps.map(({ attempt, name, operation_ids, status }) => [name, status, attempt, operation_ids.length]),
        [
          ["copy", "completed", 1, 1],
          ["servers", "completed", 1, 2]
        ]
      )
      const status = statusOf((yield* call(`/v1/workflows/${id}/status`)).json)
      assert.deepStrictEqual(status, {
        id,
        status: "completed",
        progress: { fraction: 1, text: "servers: completed" },
        current_steps: []
      })
    })
  )

  it.effect("of the contract's example is there without a configuration", () =>
    Effect.gen(function* () {
      const { operations, memory, submit } = yield* makeApp()
      const answer = yield* submit({
        workspace: "production",
        workflow_type: "cluster_create",
        parameters: { cluster_name: "k8s-prod", node_count: 3 }
      })
      const ended = yield* operations.wait(idOf(answer.json), Duration.hours(1))
      assert.strictEqual(ended.status, "completed")
      const asked = (yield* memory.store.children(ended.id)).map(({ input, kind, name }) => [kind, name, input])
      const server = (hostname: string) => [
        "server.create",
        `production/${hostname}`,
        { workspace: "production", hostname, provider: "local", plan: "2xCPU-4GB" }
      ]
      assert.deepStrictEqual(asked, [
        server("k8s-prod-1"),
        server("k8s-prod-2"),
        server("k8s-prod-3"),
        [
          "taskserv.create",
          "production/kubernetes",
          {
            workspace: "production",
            name: "kubernetes",
            servers: ["k8s-prod-1", "k8s-prod-2", "k8s-prod-3"]
          }
        ]
      ])
    })
  )

  it.effect("is refused with every parameter that is wrong, and stores nothing then", () =>
    Effect.gen(function* () {
      const { memory, submit } = yield* makeApp()
      const refused = (body: unknown) => Effect.map(submit(body), failed)
      assert.deepStrictEqual(yield* refused({ ...release, workflow_type: "relase" }), [
        400,
        "VALIDATION_ERROR",
        'workflow_type: found "relase", allowed: cluster_create, release'
      ])
      assert.deepStrictEqual(yield* refused({ ...release, parameters: { many: 9, path: ["x"], paht: "/a" } }), [
        400,
        "VALIDATION_ERROR",
        'parameters: "paht" is no parameter of release, allowed: path, many; ' +
          "parameters.path: found an array, allowed: text of at most 1024 bytes; " +
          "parameters.many: found 9, allowed: a whole number from 1 to 5"
      ])
      // The parameter may be anything; what it is given to may not.
      assert.deepStrictEqual(yield* refused({ ...release, parameters: { path: "$(id)" } }), [
        400,
        "VALIDATION_ERROR",
        'step copy: argument "path": found "$(id)", allowed: text of at most 1024 bytes that matches /[a-z]+'
      ])
      assert.deepStrictEqual((yield* refused({ ...release, workspace: "a b" }))[1], "VALIDATION_ERROR")
      assert.deepStrictEqual((yield* refused({ workspace: "a" }))[1], "VALIDATION_ERROR")
      assert.strictEqual(memory.operations.size, 0)
    })
  )

  it.effect("is the same for the same key, and refused for another request", () =>
    Effect.gen(function* () {
      const { submit } = yield* makeApp()
      const key = { "idempotency-key": "k1" }
      const first = yield* submit(release, key)
      const again = yield* submit(release, key)
      assert.deepStrictEqual([again.status, idOf(again.json)], [202, idOf(first.json)])
      assert.strictEqual(again.headers["idempotent-replayed"], "true")
      const other = yield* submit({ ...release, parameters: { path: "/b" } }, key)
      assert.deepStrictEqual(failed(other).slice(0, 2), [422, "IDEMPOTENCY_KEY_REUSED"])
    })
  )

  it.effect("is listed among its own, newest first, a page at a time", () =>
    Effect.gen(function* () {
      const { call, operations, submit } = yield* makeApp()
      yield* operations.submit(asking("action", "copy"))
      const ids: Array<string> = []
      for (const path of ["/a", "/b", "/c"]) ids.push(idOf((yield* submit({ ...release, parameters: { path } })).json))
      const first = yield* call("/v1/workflows?limit=2")
      const read = (json: unknown) => Schema.decodeUnknownSync(Schema.Array(WorkflowEntry))(json)
      assert.deepStrictEqual(
        read(first.json).map(({ id, parameters }) => [id, parameters["path"]]),
        [
          [ids[2], "/c"],
          [ids[1], "/b"]
        ]
      )
      const rest = yield* call(`/v1/workflows?cursor=${first.headers["x-next-cursor"]}&kind=action`)
      assert.deepStrictEqual(
        read(rest.json).map(({ id }) => id),
        [ids[0]]
      )
      assert.deepStrictEqual(failed(yield* call("/v1/workflows?limit=0")).slice(0, 2), [400, "VALIDATION_ERROR"])
    })
  )

  it.effect("is cancelled once, and undone", () =>
    Effect.gen(function* () {
      const { call, memory, operations } = yield* makeApp()
      const begun = yield* Deferred.make<void>()
      memory.onChange((change, id) =>
        change === "begin" && memory.operations.get(id)?.name === "held"
          ? Effect.asVoid(Deferred.succeed(begun, undefined))
          : Effect.void
      )
      const steps = [{ name: "held", action: "held", operation: null, input: {}, count: null, needs: [], retries: 0 }]
      const input = {
        workspace: "production",
        workflow_type: "release",
        parameters: {},
        check_mode: false,
        timeout_ms: 60_000,
        steps: steps.map((one) => ({ ...one, retry_delay_ms: 0, timeout_ms: 60_000, compensate: null }))
      }
      const { operation } = yield* operations.submit(asking("workflow", "release", { input }))
      yield* Deferred.await(begun)
      const status = statusOf((yield* call(`/v1/workflows/${operation.id}/status`)).json)
      assert.deepStrictEqual([status.status, status.current_steps], ["running", ["held"]])
      const cancelled = yield* call(`/v1/workflows/${operation.id}/cancel`, undefined, { method: "POST" })
      assert.strictEqual(cancelled.status, 202)
      assert.isNotNull(entryOf(cancelled.json).cancel_requested_at)
      const ended = yield* operations.wait(operation.id, Duration.hours(1))
      assert.strictEqual(ended.status, "cancelled")
      const again = yield* call(`/v1/workflows/${operation.id}/cancel`, undefined, { method: "POST" })
      assert.deepStrictEqual(failed(again), [409, "CONFLICT", "it has ended: cancelled"])
    })
  )

  it.effect("has no id of an operation of another kind", () =>
    Effect.gen(function* () {
      const { call, operations } = yield* makeApp()
      const { operation } = yield* operations.submit(asking("action", "copy"))
      for (const [path, method] of [
        ["", "GET"],
        ["/status", "GET"],
        ["/cancel", "POST"]
      ] as const) {
        for (const id of [operation.id, "00000000-0000-4000-8000-000000000000", "x"]) {
          const answer = yield* call(`/v1/workflows/${id}${path}`, undefined, { method })
          assert.deepStrictEqual(failed(answer), [404, "NOT_FOUND", `there is no workflow "${id}"`])
        }
      }
      assert.strictEqual((yield* operations.wait(operation.id, Duration.hours(1))).status, "completed")
    })
  )

  it.effect("is nothing for who may only read, decided before anything is read", () =>
    Effect.gen(function* () {
      const { call, submit } = yield* makeApp(["workflows:read"])
      assert.strictEqual((yield* submit("not even an object")).status, 403)
      assert.strictEqual((yield* call("/v1/workflows/x/cancel", undefined, { method: "POST" })).status, 403)
      assert.strictEqual((yield* call("/v1/workflows")).status, 200)
    })
  )

  it.effect("asks for nothing in a dry run", () =>
    Effect.gen(function* () {
      const { call, memory, operations, submit } = yield* makeApp()
      const id = idOf((yield* submit({ ...release, check_mode: true })).json)
      yield* operations.wait(id, Duration.hours(1))
      assert.strictEqual(memory.operations.size, 1)
      const { status, steps } = detailsOf((yield* call(`/v1/workflows/${id}`)).json)
      assert.deepStrictEqual([status, steps.map((one) => one.status)], ["completed", ["skipped", "skipped"]])
    })
  )
})
