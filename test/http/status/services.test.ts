/** GET /services, the state of one, and what may be done with it. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { OperationEntry } from "../../../src/http/api/Operations.ts"
import { ServiceStatusEntry } from "../../../src/http/api/status/Services.ts"
import { makeServiceHandlers } from "../../../src/http/status/serviceHandlers.ts"
import { type ToolError, ToolFailed, ToolMissing, ToolTimeout } from "../../../src/services/tools/Tool.ts"
import type { UnitReading } from "../../../src/services/units/Units.ts"
import { makeFakeOperations } from "../../harness/fakeOperations.ts"
import { admitted, user } from "../edge/support.ts"
import { changeableConfig, running, servicesEdge, unitsReading } from "./support.ts"

const toml = `
[units]
batch = { unit = "batch.service", oneshot_ok = true }
[units.web]
unit = "web.service"
description = "The web"
control = ["restart", "start"]
`

const make = Effect.fnUntraced(function* (
  read: Effect.Effect<UnitReading, ToolError> = Effect.die(new Error("not to be asked")),
  peek: UnitReading | undefined = undefined,
  grants: ReadonlyArray<string> = ["*"]
) {
  const { change, config } = yield* changeableConfig(toml)
  const operations = makeFakeOperations()
  const handlers = makeServiceHandlers({
    config,
    operations: operations.service,
    units: { read, readAnew: read, peek: () => peek }
  })
  const edge = yield* servicesEdge(handlers, { outcome: admitted(user("ann", ...grants)) })
  const post = (path: string, headers: Record<string, string> = {}) => edge.ask(path, { method: "POST", headers })
  return { ...edge, change, operations, post }
})

const decodeStatus = Schema.decodeEffect(Schema.fromJsonString(ServiceStatusEntry))
const decodeOperation = Schema.decodeEffect(Schema.fromJsonString(OperationEntry))
const well = unitsReading({ web: running, batch: { ...running, sub_state: "exited" } })

describe("GET /services", () => {
  it.effect("lists the configured units in their order, and those of another configuration after a reload", () =>
    Effect.gen(function* () {
      const { ask, change } = yield* make()
      const { status, text } = yield* ask("/services")
      assert.strictEqual(status, 200)
      assert.strictEqual(
        text,
        '{"services":[{"id":"batch","unit":"batch.service","description":""},{"id":"web","unit":"web.service","description":"The web"}]}\n'
      )
      yield* change('[units]\nother = "other.service"\n')
      assert.include((yield* ask("/services")).text, '"other.service"')
    })
  )
})

describe("GET /services/{id}/status", () => {
  it.effect("has the contract's members in their order, strings or null, and what the daemon adds behind them", () =>
    Effect.gen(function* () {
      const { ask } = yield* make(Effect.succeed(well))
      const { status, text } = yield* ask("/services/web/status")
      assert.strictEqual(status, 200)
      assert.deepStrictEqual(JSON.parse(text), {
        service: { id: "web", unit: "web.service", description: "The web" },
        status: {
          load_state: "loaded",
          active_state: "active",
          sub_state: "running",
          unit_file_state: "enabled",
          main_pid: "100",
          exit_code: "0",
          exit_status: "0"
        },
        healthy: true,
        error: null,
        result: "success",
        restarts: 0,
        since: "2023-11-14T22:13:20.000Z",
        memory_bytes: 4096,
        invocation_id: "abc",
        age_ms: 5,
        stale: false
      })
      assert.match(text, /^\{"service":.*"status":\{"load_state":.*,"healthy":true,"error":null,/u)
      yield* decodeStatus(text)
    })
  )

  it.effect("is answered without a question where the answer is known", () =>
    Effect.gen(function* () {
      const { ask } = yield* make(undefined, well)
      assert.strictEqual((yield* ask("/services/batch/status")).status, 200)
    })
  )

  it.effect("is what was known where systemctl does not answer, and not well", () =>
    Effect.gen(function* () {
      const error = new ToolTimeout({ command: "systemctl" })
      const { ask } = yield* make(Effect.succeed({ ...well, ageMs: 61_000, stale: true, error }))
      const { status, text } = yield* ask("/services/web/status")
      const entry = yield* decodeStatus(text)
      assert.deepStrictEqual(
        [status, entry.status?.sub_state, entry.healthy, entry.error, entry.stale, entry.age_ms],
        [200, "running", false, { error: "timeout", command: "systemctl" }, true, 61_000]
      )
    })
  )

  it.effect("is the tool's error where nothing is known", () =>
    Effect.gen(function* () {
      for (const [error, expected, detail] of [
        [new ToolTimeout({ command: "systemctl" }), 504, { error: "timeout", command: "systemctl" }],
        [new ToolMissing({ binary: "systemctl" }), 503, { error: "missing_binary", binary: "systemctl" }],
        [
          new ToolFailed({ command: "systemctl", exit_code: 1 }),
          502,
          { error: "command_failed", command: "systemctl", exit_code: 1 }
        ]
      ] as const) {
        const { ask } = yield* make(Effect.fail(error))
        const { status, text } = yield* ask("/services/web/status")
        assert.deepStrictEqual([status, JSON.parse(text)], [expected, { detail }])
      }
    })
  )

  it.effect("is not well where systemctl said nothing of it", () =>
    Effect.gen(function* () {
      const { ask } = yield* make(Effect.succeed(unitsReading({})))
      const entry = yield* decodeStatus((yield* ask("/services/web/status")).text)
      assert.deepStrictEqual([entry.status, entry.healthy, entry.error?.["exit_code"]], [null, false, 0])
    })
  )

  it.effect("is of no unit that is not configured, whatever it is called", () =>
    Effect.gen(function* () {
      const { ask } = yield* make(Effect.succeed(well))
      for (const id of ["nope", "web.service", "constructor", "..%2fweb", "--all", "web%00"]) {
        const { status, text } = yield* ask(`/services/${id}/status`)
        assert.deepStrictEqual([status, text], [404, '{"detail":"service not allowed"}\n'], id)
      }
    })
  )
})

describe("POST /services/{id}/restart", () => {
  it.effect("asks for an operation, and says where the same API shows it", () =>
    Effect.gen(function* () {
      const { ask, operations, post } = yield* make()
      const { headers, status, text } = yield* post("/services/web/restart")
      assert.strictEqual(status, 202)
      const asked = yield* decodeOperation(text)
      assert.deepInclude(asked, { kind: "unit.control", name: "web", input: { verb: "restart" }, created_by: "ann" })
      assert.strictEqual(headers["location"], `/services/web/operations/${asked.id}`)
      const shown = yield* ask(headers["location"] ?? "")
      assert.deepStrictEqual([shown.status, (yield* decodeOperation(shown.text)).id], [200, asked.id])
      assert.strictEqual((yield* ask(`/services/batch/operations/${asked.id}`)).status, 404)
      assert.strictEqual((yield* ask("/services/web/operations/nope")).status, 404)
      assert.strictEqual((yield* ask(`/services/nope/operations/${asked.id}`)).status, 404)
      const other = yield* operations.service.submit({
        kind: "action",
        name: "web",
        input: null,
        who: "ann",
        why: null,
        parent: null,
        idempotency: null
      })
      assert.strictEqual((yield* ask(`/services/web/operations/${other.operation.id}`)).status, 404)
    })
  )

  it.effect("sent again under its key is the same operation, and under another verb refused", () =>
    Effect.gen(function* () {
      const { post } = yield* make()
      const key = { "idempotency-key": "k1" }
      const first = yield* post("/services/web/restart", key)
      const again = yield* post("/services/web/restart", key)
      assert.deepStrictEqual(
        [again.status, again.headers["location"], again.headers["idempotent-replayed"]],
        [202, first.headers["location"], "true"]
      )
      const other = yield* post("/services/web/start", key)
      assert.strictEqual(other.status, 422)
      assert.match(other.text, /^\{"detail":"/u)
    })
  )

  it.effect("is refused where the unit's entry does not have the verb", () =>
    Effect.gen(function* () {
      const { change, post } = yield* make()
      const refused = yield* post("/services/web/stop")
      assert.deepStrictEqual([refused.status, refused.text], [403, '{"detail":"stop is not allowed for web"}\n'])
      assert.strictEqual((yield* post("/services/batch/restart")).status, 403)
      assert.strictEqual((yield* post("/services/nope/restart")).status, 404)
      yield* change('[units]\nweb = "web.service"\n')
      assert.strictEqual((yield* post("/services/web/restart")).status, 403)
    })
  )

  it.effect("needs the permission for this unit, and so does looking at what became of it", () =>
    Effect.gen(function* () {
      const { ask, post } = yield* make(undefined, well, ["units:read", "units:control:batch"])
      assert.strictEqual((yield* post("/services/web/restart")).status, 403)
      assert.strictEqual((yield* ask("/services/web/operations/x")).status, 403)
      assert.strictEqual((yield* ask("/services/web/status")).status, 200)
    })
  )
})
