import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { OperationEntry } from "../../../src/http/api/Operations.ts"
import type { NewOperation } from "../../../src/services/operations/Operation.ts"
import { OperationsUnavailable } from "../../../src/services/operations/Operations.ts"
import { type AppOptions, makeApp } from "../../harness/app.ts"
import { makeFakeOperations } from "../../harness/fakeOperations.ts"
import { somebody } from "../../harness/identityApp.ts"

const asked = (rest: Partial<NewOperation> = {}) => ({
  kind: "action",
  name: "backup",
  input: { args: {} },
  who: "alice",
  why: null,
  parent: null,
  idempotency: null,
  ...rest
})

const withOperations = Effect.fnUntraced(function* (options: AppOptions = {}) {
  const fake = makeFakeOperations()
  const app = yield* makeApp({ as: somebody("alice", ["*"]), ...options, operations: fake.service })
  const submit = (rest?: Partial<NewOperation>) =>
    Effect.map(fake.service.submit(asked(rest)), ({ operation }) => operation.id)
  return { ...app, fake, submit }
})

const post = { method: "POST" }
const decodeEntry = Schema.decodeUnknownSync(Schema.fromJsonString(OperationEntry), { onExcessProperty: "error" })
const decodeList = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(OperationEntry)))
const unknown = "00000000-0000-4000-8000-000000000000"
const bases = ["/api/v1/operations", "/v1/operations"]

describe("GET …/operations/{id}", () => {
  it.effect("is the operation, in the members and the order of the contract, in both APIs", () =>
    Effect.gen(function* () {
      const { call, fake, submit } = yield* withOperations()
      const id = yield* submit({ why: "the weekly one" })
      yield* TestClock.adjust("1 second")
      yield* fake.begin(id)
      yield* fake.progress(id, 0.5, "half of it")
      yield* TestClock.adjust("1 second")
      const error = { code: "command_failed", message: "exit status 3", details: { exit_code: 3 } }
      yield* fake.end(id, { status: "failed", result: { exit_code: 3 }, error })
      const expected = {
        id,
        status: "failed",
        created_at: "1970-01-01T00:00:00.000Z",
        updated_at: "1970-01-01T00:00:02.000Z",
        result: { exit_code: 3 },
        error: { error: "command_failed", message: "exit status 3", details: { exit_code: 3 } },
        kind: "action",
        name: "backup",
        created_by: "alice",
        why: "the weekly one",
        parent: null,
        progress: { fraction: 0.5, text: "half of it" },
        started_at: "1970-01-01T00:00:01.000Z",
        ended_at: "1970-01-01T00:00:02.000Z",
        cancel_requested_at: null,
        queue_position: null,
        input: { args: {} }
      }
      for (const base of bases) {
        const { headers, status, text } = yield* call(`${base}/${id.toUpperCase()}`)
        assert.deepStrictEqual([status, headers["content-type"]], [200, "application/json"])
        assert.strictEqual(text, `${JSON.stringify(expected)}\n`)
        decodeEntry(text)
      }
    })
  )

  it.effect("says how many are before it while it waits", () =>
    Effect.gen(function* () {
      const { call, submit } = yield* withOperations()
      yield* submit()
      yield* submit({ name: "another" })
      const id = yield* submit()
      const { progress, queue_position, status } = decodeEntry((yield* call(`/v1/operations/${id}`)).text)
      assert.deepStrictEqual([status, queue_position, progress], ["pending", 2, null])
    })
  )

  for (const id of [unknown, "x", "a/../b", `${unknown}0`, "null"]) {
    it.effect(`is 404 for ${id}, in the words of its API`, () =>
      Effect.gen(function* () {
        const { call } = yield* withOperations()
        for (const [method, rest] of [
          ["GET", ""],
          ["GET", "/output"],
          ["POST", "/cancel"]
        ]) {
          const message = `there is no operation ${JSON.stringify(id)}`
          const old = yield* call(`/api/v1/operations/${encodeURIComponent(id)}${rest}`, { method: method ?? "" })
          assert.deepStrictEqual([old.status, JSON.parse(old.text)], [404, { code: 404, message }])
          const versioned = yield* call(`/v1/operations/${encodeURIComponent(id)}${rest}`, { method: method ?? "" })
          assert.strictEqual(versioned.status, 404)
          assert.deepInclude(JSON.parse(versioned.text), { error: "NOT_FOUND", message, code: "404" })
        }
      })
    )
  }
})

describe("?wait=", () => {
  it.effect("answers as soon as it has ended", () =>
    Effect.gen(function* () {
      const { call, fake, submit } = yield* withOperations()
      const id = yield* submit()
      const waiting = yield* Effect.forkChild(call(`/v1/operations/${id}?wait=30`), { startImmediately: true })
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* fake.end(id, { status: "completed" })
      assert.strictEqual(decodeEntry((yield* Fiber.join(waiting)).text).status, "completed")
      // Has ended: no time passes.
      assert.strictEqual(decodeEntry((yield* call(`/v1/operations/${id}?wait=30`)).text).status, "completed")
    })
  )

  it.effect("answers as it is when the time is over", () =>
    Effect.gen(function* () {
      const { call, submit } = yield* withOperations()
      const id = yield* submit()
      const waiting = yield* Effect.forkChild(call(`/v1/operations/${id}?wait=30`), { startImmediately: true })
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(decodeEntry((yield* Fiber.join(waiting)).text).status, "pending")
    })
  )

  it.effect("answers as it is when the daemon stops", () =>
    Effect.gen(function* () {
      const stopping = yield* Deferred.make<void>()
      const { call, submit } = yield* withOperations({ stopping })
      const id = yield* submit()
      const waiting = yield* Effect.forkChild(call(`/v1/operations/${id}?wait=30`), { startImmediately: true })
      yield* Deferred.succeed(stopping, undefined)
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
    })
  )

  it.effect("is bounded, and read strictly", () =>
    Effect.gen(function* () {
      const { call, submit } = yield* withOperations()
      const id = yield* submit()
      for (const wait of ["301", "-1", "1.5", "soon", ""]) {
        const { status, text } = yield* call(`/v1/operations/${id}?wait=${wait}`)
        assert.strictEqual(status, 400, wait)
        assert.deepInclude(JSON.parse(text), {
          error: "VALIDATION_ERROR",
          message: `wait: found ${JSON.stringify(wait)}, allowed: an integer from 0 to 300`
        })
      }
    })
  )
})

describe("GET …/operations", () => {
  const idsIn = (text: string) => decodeList(text).map(({ id }) => id)

  it.effect("is a bare array, newest first, page by page", () =>
    Effect.gen(function* () {
      const { call, submit } = yield* withOperations()
      assert.strictEqual((yield* call("/v1/operations")).text, "[]\n")
      const ids: Array<string> = []
      for (let i = 0; i < 150; i++) ids.unshift(yield* submit())
      const first = yield* call("/v1/operations")
      assert.deepStrictEqual(idsIn(first.text), ids.slice(0, 100))
      const cursor = first.headers["x-next-cursor"]
      const second = yield* call(`/v1/operations?cursor=${cursor}`)
      assert.deepStrictEqual(idsIn(second.text), ids.slice(100))
      assert.isUndefined(second.headers["x-next-cursor"])
      // As many as there are, and no page behind them.
      const whole = yield* call("/v1/operations?limit=150")
      assert.deepStrictEqual(idsIn(whole.text), ids)
      assert.isUndefined(whole.headers["x-next-cursor"])
    })
  )

  it.effect("is filtered by status, kind and who", () =>
    Effect.gen(function* () {
      const { call, fake, submit } = yield* withOperations()
      const pending = yield* submit()
      const running = yield* submit({ who: "bob" })
      yield* fake.begin(running)
      const ended = yield* submit({ kind: "server.create" })
      yield* fake.end(ended, { status: "completed" })
      const found = (query: string) => Effect.map(call(`/v1/operations?${query}`), ({ text }) => idsIn(text))
      assert.deepStrictEqual(yield* found("status=pending"), [pending])
      assert.deepStrictEqual(yield* found("status=running,completed"), [ended, running])
      assert.deepStrictEqual(yield* found("kind=server.create"), [ended])
      assert.deepStrictEqual(yield* found("who=bob"), [running])
      assert.deepStrictEqual(yield* found("who=nobody"), [])
      assert.deepStrictEqual(yield* found("who=bob&kind=server.create"), [])
    })
  )

  it.effect("cuts a page whose results are large, and says where to go on", () =>
    Effect.gen(function* () {
      const { call, fake, submit } = yield* withOperations()
      const ids: Array<string> = []
      for (let i = 0; i < 8; i++) {
        const id = yield* submit()
        yield* fake.end(id, { status: "completed", result: "x".repeat(400_000) })
        ids.unshift(id)
      }
      const seen: Array<string> = []
      let pages = 0
      for (let cursor = ""; ; pages++) {
        const { headers, text } = yield* call(`/v1/operations${cursor}`)
        assert.isBelow(text.length, 1_500_000)
        seen.push(...idsIn(text))
        const next = headers["x-next-cursor"]
        if (next === undefined) break
        cursor = `?cursor=${next}`
      }
      assert.deepStrictEqual(seen, ids)
      assert.strictEqual(pages, 2)
    })
  )

  for (const query of ["status=done", "status=", "limit=0", "limit=1001", "cursor=x", "cursor=0", "kind=", "who="]) {
    it.effect(`refuses ${query} by name`, () =>
      Effect.gen(function* () {
        const { call } = yield* withOperations()
        const { status, text } = yield* call(`/api/v1/operations?${query}`)
        assert.strictEqual(status, 400)
        assert.include(JSON.parse(text).message, `${query.slice(0, query.indexOf("="))}: found `)
      })
    )
  }

  it.effect("is 503 or 507 when they cannot be read", () =>
    Effect.gen(function* () {
      const { call, fake } = yield* withOperations()
      fake.faults.list = new OperationsUnavailable({ reason: "the store is being opened", full: false })
      const closed = yield* call("/v1/operations")
      assert.deepStrictEqual([closed.status, closed.headers["retry-after"]], [503, "1"])
      fake.faults.list = new OperationsUnavailable({ reason: "no space", full: true })
      assert.strictEqual((yield* call("/v1/operations")).status, 507)
    })
  )
})

describe("POST …/operations/{id}/cancel", () => {
  it.effect("is 200 for one that waited, 202 for one that runs, 409 for one that has ended, which stays as it is", () =>
    Effect.gen(function* () {
      const { call, fake, submit } = yield* withOperations()
      const waits = yield* submit()
      const runs = yield* submit()
      yield* fake.begin(runs)
      const cancelled = yield* call(`/v1/operations/${waits}/cancel`, post)
      assert.deepStrictEqual([cancelled.status, decodeEntry(cancelled.text).status], [200, "cancelled"])
      const told = yield* call(`/v1/operations/${runs}/cancel`, post)
      assert.deepStrictEqual([told.status, decodeEntry(told.text).status], [202, "running"])
      assert.isNotNull(decodeEntry(told.text).cancel_requested_at)
      assert.strictEqual(fake.asked()[1]?.cancelRequestedBy, "alice")
      yield* fake.end(runs, { status: "completed", result: 1 })
      for (const [id, ended] of [
        [waits, "cancelled"],
        [runs, "completed"]
      ] as const) {
        const late = yield* call(`/v1/operations/${id}/cancel`, post)
        assert.strictEqual(late.status, 409)
        assert.deepInclude(JSON.parse(late.text), { error: "CONFLICT", message: `it has ended: ${ended}` })
        assert.strictEqual(decodeEntry((yield* call(`/v1/operations/${id}`)).text).status, ended)
      }
    })
  )

  it.effect("is 403 for who may only look, before anything is looked up", () =>
    Effect.gen(function* () {
      const { call, submit } = yield* withOperations({ as: somebody("eve", ["operations:read"]) })
      const id = yield* submit()
      for (const each of [id, unknown, "x"]) {
        const { status, text } = yield* call(`/v1/operations/${each}/cancel`, post)
        assert.deepStrictEqual([status, JSON.parse(text).error], [403, "FORBIDDEN"])
      }
      assert.strictEqual(decodeEntry((yield* call(`/v1/operations/${id}`)).text).status, "pending")
    })
  )

  it.effect("is audited", () =>
    Effect.gen(function* () {
      const { audited, call, submit } = yield* withOperations()
      yield* call(`/api/v1/operations/${yield* submit()}/cancel`, post)
      assert.deepInclude(audited.at(-1), { outcome: "granted", on: "operations:cancel" })
    })
  )
})

describe("whoever comes while the System API has no password", () => {
  it.effect("has the runs of actions that such callers can ask for, and nothing of the Provisioning API", () =>
    Effect.gen(function* () {
      const fake = makeFakeOperations()
      const { call } = yield* makeApp({ operations: fake.service })
      const submit = (rest?: Partial<NewOperation>) =>
        Effect.map(fake.service.submit(asked(rest)), ({ operation }) => operation.id)
      const run = yield* submit({ who: "anonymous" })
      const others = [yield* submit({ kind: "server.create" }), yield* submit({ parent: unknown })]
      assert.deepStrictEqual(
        decodeList((yield* call("/api/v1/operations")).text).map(({ id }) => id),
        [run]
      )
      assert.strictEqual((yield* call(`/api/v1/operations/${run}`)).status, 200)
      assert.strictEqual((yield* call("/v1/operations")).status, 401)
      assert.strictEqual((yield* call(`/v1/operations/${run}`)).status, 401)
      for (const other of others) {
        for (const [rest, init] of [
          ["", {}],
          ["?wait=1", {}],
          ["/output", {}],
          ["/cancel", post]
        ] as const) {
          assert.strictEqual((yield* call(`/api/v1/operations/${other}${rest}`, init)).status, 404, rest)
        }
      }
      assert.strictEqual((yield* call(`/api/v1/operations/${run}/cancel`, post)).status, 200)
      assert.deepStrictEqual(
        fake.asked().map(({ status }) => status),
        ["cancelled", "pending", "pending"]
      )
    })
  )
})
