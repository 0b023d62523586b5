import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { ActionNotConfigured, type PreparedAction } from "../../../src/services/actions/Actions.ts"
import type { ActionCommandError } from "../../../src/services/actions/actionCommand.ts"
import { ArgumentError } from "../../../src/services/commands/Arguments.ts"
import { OperationsUnavailable, TooManyOperations } from "../../../src/services/operations/Operations.ts"
import { type AppOptions, makeApp } from "../../harness/app.ts"
import { makeFakeOperations } from "../../harness/fakeOperations.ts"
import { somebody } from "../../harness/identityApp.ts"

const config = `
[actions]
backup = "echo saved"
[actions.posted]
command = "true"
require_post = true
`

const stream = { head: "", tail: "", bytes: 0, sha256: "", truncated: false }
const result = { action: "backup", success: true, exit_code: 0, stdout: stream, stderr: stream }
const answered = `${JSON.stringify(result)}\n`
const executed = '{"message":"Action executed successfully"}\n'

/** Actions that are never run here but as operations, which the test ends. */
const withActions = Effect.fnUntraced(function* (
  refusal?: ActionNotConfigured | ActionCommandError,
  options: AppOptions = {}
) {
  const fake = makeFakeOperations()
  const checked: Array<unknown> = []
  const app = yield* makeApp({
    config,
    as: somebody("alice", ["*"]),
    ...options,
    operations: fake.service,
    actions: {
      prepare: (name, args) => {
        checked.push([name, args])
        return refusal === undefined ? Effect.succeed(prepared) : Effect.fail(refusal)
      }
    }
  })
  const only = () => fake.asked()[0] ?? assert.fail("nothing was asked for")
  return { ...app, fake, checked, only }
})

const prepared: PreparedAction = {
  get action(): never {
    throw new Error("only whether it may be is asked here")
  },
  get command(): never {
    throw new Error("only whether it may be is asked here")
  }
}

const target = "/api/v1/actions/backup"
const body = '{"args":{"level":3}}'
const preferring = (prefer: string, rest: RequestInit = {}): RequestInit => ({
  method: "POST",
  body,
  ...rest,
  headers: { prefer }
})
const keyed = (key: string, rest: RequestInit = {}): RequestInit => ({
  method: "POST",
  body,
  ...rest,
  headers: { "idempotency-key": key }
})

describe("Prefer: respond-async", () => {
  it.effect("is answered 202 with the operation, and where it is found", () =>
    Effect.gen(function* () {
      const { call, checked, only } = yield* withActions()
      const { headers, status, text } = yield* call(target, {
        ...preferring("respond-async"),
        headers: { prefer: "respond-async", "x-justification": "before the upgrade" }
      })
      const operation = only()
      assert.strictEqual(status, 202)
      assert.deepInclude(headers, {
        location: `/api/v1/operations/${operation.id}`,
        "preference-applied": "respond-async",
        "content-type": "application/json"
      })
      assert.notProperty(headers, "idempotent-replayed")
      assert.deepInclude(JSON.parse(text), {
        id: operation.id,
        status: "pending",
        kind: "action",
        name: "backup",
        created_by: "alice",
        why: "before the upgrade",
        queue_position: 1,
        input: { args: { level: 3 } }
      })
      assert.deepStrictEqual(checked, [["backup", { level: 3 }]])
    })
  )

  it.effect("of a GET, and ?async=1 of either, are the same", () =>
    Effect.gen(function* () {
      const { call, fake } = yield* withActions()
      const asked = yield* call(target, { headers: { prefer: "Respond-Async; x=1" } })
      assert.deepStrictEqual([asked.status, asked.headers["preference-applied"]], [202, "respond-async"])
      for (const method of ["GET", "POST"]) {
        const answer = yield* call(`${target}?async=1`, { method })
        assert.strictEqual(answer.status, 202)
        assert.notProperty(answer.headers, "preference-applied")
      }
      assert.deepStrictEqual(
        fake.asked().map(({ input }) => input),
        [{ args: {} }, { args: {} }, { args: {} }]
      )
    })
  )

  it.effect("with a wait is answered as ever if it ends within that", () =>
    Effect.gen(function* () {
      const { call, fake, only } = yield* withActions()
      const posting = yield* Effect.forkChild(call(target, preferring("respond-async, wait=5")), {
        startImmediately: true
      })
      while (fake.asked().length === 0) yield* Effect.promise(() => Promise.resolve())
      yield* fake.end(only().id, { status: "completed", result })
      const { headers, status, text } = yield* Fiber.join(posting)
      assert.deepStrictEqual([status, text], [200, answered])
      assert.strictEqual(headers["preference-applied"], "respond-async, wait=5")
      assert.notProperty(headers, "location")
    })
  )

  it.effect("with a wait is answered 202 when that is over", () =>
    Effect.gen(function* () {
      const { call, fake, only } = yield* withActions()
      const posting = yield* Effect.forkChild(call(target, preferring("respond-async, wait=5")), {
        startImmediately: true
      })
      while (fake.asked().length === 0) yield* Effect.promise(() => Promise.resolve())
      yield* fake.begin(only().id)
      yield* TestClock.adjust("5 seconds")
      const { status, text } = yield* Fiber.join(posting)
      assert.deepStrictEqual([status, JSON.parse(text).status], [202, "running"])
    })
  )

  it.effect("is refused as ever where the request is wrong, and nothing is kept of it", () =>
    Effect.gen(function* () {
      const cases = [
        [new ActionNotConfigured({ name: "backup" }), 400, "Specified action not configured"],
        [new ArgumentError({ argument: "level", found: "3", allowed: "1" }), 400, 'action backup: argument "level"']
      ] as const
      for (const [refusal, expected, message] of cases) {
        const { call, fake } = yield* withActions(refusal)
        const { status, text } = yield* call(target, preferring("respond-async"))
        assert.strictEqual(status, expected)
        assert.include(JSON.parse(text).message, message)
        assert.lengthOf(fake.asked(), 0)
      }
      const { call, fake } = yield* withActions()
      assert.strictEqual((yield* call(target, preferring("respond-async", { body: "{" }))).status, 400)
      assert.strictEqual((yield* call("/api/v1/actions/posted?async=1")).status, 405)
      assert.strictEqual((yield* call(`${target}?async=maybe`)).status, 400)
      assert.lengthOf(fake.asked(), 0)
    })
  )

  it.effect("is 429, 503 or 507 where no operation can be had", () =>
    Effect.gen(function* () {
      const { call, fake } = yield* withActions()
      fake.faults.submit = new TooManyOperations({ pending: 20_000, retry_after_seconds: 7 })
      const busy = yield* call(target, preferring("respond-async"))
      assert.deepStrictEqual([busy.status, busy.headers["retry-after"]], [429, "7"])
      fake.faults.submit = new OperationsUnavailable({ reason: "the store is being opened", full: false })
      assert.strictEqual((yield* call(target, preferring("respond-async"))).status, 503)
      fake.faults.submit = new OperationsUnavailable({ reason: "no space", full: true })
      assert.strictEqual((yield* call(target, preferring("respond-async"))).status, 507)
    })
  )
})

describe("Idempotency-Key", () => {
  it.effect("makes the same request the same operation, which is not asked for again", () =>
    Effect.gen(function* () {
      const { call, fake, only } = yield* withActions()
      const init = { ...keyed("k"), headers: { "idempotency-key": '"k"', prefer: "respond-async" } }
      const first = yield* call(target, init)
      const second = yield* call(`${target}?async=1`, keyed("k"))
      assert.deepStrictEqual([first.status, second.status], [202, 202])
      assert.strictEqual(second.text, first.text)
      assert.strictEqual(second.headers["location"], first.headers["location"])
      assert.deepStrictEqual(
        [first.headers["idempotent-replayed"], second.headers["idempotent-replayed"]],
        [undefined, "true"]
      )
      assert.lengthOf(fake.asked(), 1)
      assert.deepInclude(only().idempotency, { owner: "alice", key: "k" })
    })
  )

  it.effect("alone is answered at the end, and again what it was answered then", () =>
    Effect.gen(function* () {
      const { call, fake, only } = yield* withActions()
      const posting = yield* Effect.forkChild(call(target, keyed("k")), { startImmediately: true })
      while (fake.asked().length === 0) yield* Effect.promise(() => Promise.resolve())
      yield* TestClock.adjust("3 hours")
      assert.isUndefined(posting.pollUnsafe())
      yield* fake.end(only().id, { status: "completed", result })
      const first = yield* Fiber.join(posting)
      assert.deepStrictEqual([first.status, first.text], [200, answered])
      const second = yield* call(target, keyed("k"))
      assert.deepStrictEqual(
        [second.status, second.text, second.headers["idempotent-replayed"]],
        [200, answered, "true"]
      )
      assert.notProperty(second.headers, "preference-applied")
    })
  )

  it.effect("of a GET is answered as GET is", () =>
    Effect.gen(function* () {
      const { call, fake } = yield* withActions()
      const ended = Effect.fnUntraced(function* (key: string, end: Parameters<typeof fake.end>[1]) {
        const before = fake.asked().length
        const getting = yield* Effect.forkChild(call(target, { headers: { "idempotency-key": key } }), {
          startImmediately: true
        })
        while (fake.asked().length === before) yield* Effect.promise(() => Promise.resolve())
        yield* fake.end(fake.asked().at(-1)?.id ?? "", end)
        return yield* Fiber.join(getting)
      })
      assert.strictEqual((yield* ended("1", { status: "completed", result })).text, executed)
      const error = { code: "command_failed", message: "exit status 3" }
      const failed = yield* ended("2", { status: "failed", result, error })
      assert.deepStrictEqual(
        [failed.status, JSON.parse(failed.text).message],
        [500, "Failed to execute action: backup - error: exit status 3"]
      )
    })
  )

  it.effect("with another request is refused", () =>
    Effect.gen(function* () {
      const { call, fake } = yield* withActions()
      assert.strictEqual((yield* call(`${target}?async=1`, keyed("k"))).status, 202)
      const others: ReadonlyArray<readonly [string, RequestInit]> = [
        [`${target}?async=1`, keyed("k", { body: '{"args":{"level":4}}' })],
        ["/api/v1/actions/posted?async=1", keyed("k")],
        [`${target}?async=1`, { headers: { "idempotency-key": "k" } }]
      ]
      for (const [other, init] of others) {
        const { status, text } = yield* call(other, init)
        assert.strictEqual(status, 422)
        assert.strictEqual(JSON.parse(text).message, 'the Idempotency-Key "k" was used with another request')
      }
      assert.lengthOf(fake.asked(), 1)
    })
  )

  for (const key of ["", "two words", "é", "x".repeat(256), '""']) {
    it.effect(`is not ${JSON.stringify(key.slice(0, 10))}`, () =>
      Effect.gen(function* () {
        const { call, fake } = yield* withActions()
        // As Node shows what was sent as UTF-8.
        const { status, text } = yield* call(target, keyed(Buffer.from(key).toString("latin1")))
        assert.strictEqual(status, 400)
        assert.include(JSON.parse(text).message, "Idempotency-Key: allowed: ")
        assert.lengthOf(fake.asked(), 0)
      })
    )
  }

  const ends = [
    ["cancelled", undefined, 409, "backup was cancelled"],
    ["failed", "not_found", 400, "why"],
    ["failed", "invalid_input", 400, "action backup: why"],
    ["failed", "interrupted_by_restart", 500, "Failed to execute action: backup - error: why"]
  ] as const
  for (const [ended, code, expected, message] of ends) {
    it.effect(`is answered ${expected} where the command was not run to its end: ${code ?? ended}`, () =>
      Effect.gen(function* () {
        const { call, fake, only } = yield* withActions()
        yield* call(`${target}?async=1`, keyed("k"))
        yield* fake.end(only().id, {
          status: ended,
          ...(code === undefined ? {} : { error: { code, message: "why" } })
        })
        const { headers, status, text } = yield* call(target, keyed("k"))
        assert.deepStrictEqual([status, JSON.parse(text)], [expected, { code: expected, message }])
        assert.strictEqual(headers["idempotent-replayed"], "true")
      })
    )
  }

  it.effect("is answered 503 when the daemon stops first, and finds its operation the next time", () =>
    Effect.gen(function* () {
      const stopping = yield* Deferred.make<void>()
      const { call, fake, only } = yield* withActions(undefined, {
        stopping,
        config: `${config}\n[limits]\nstop_timeout_ms = 4000\n`
      })
      const posting = yield* Effect.forkChild(call(target, keyed("k")), { startImmediately: true })
      while (fake.asked().length === 0) yield* Effect.promise(() => Promise.resolve())
      yield* Deferred.succeed(stopping, undefined)
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(posting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      const { headers, status } = yield* Fiber.join(posting)
      assert.strictEqual(status, 503)
      assert.deepInclude(headers, { "retry-after": "1", location: `/api/v1/operations/${only().id}` })
    })
  )

  it.effect("leaves the run alone when its client leaves", () =>
    Effect.gen(function* () {
      const { call, fake, only } = yield* withActions()
      const posting = yield* Effect.forkChild(call(target, keyed("k")), { startImmediately: true })
      while (fake.asked().length === 0) yield* Effect.promise(() => Promise.resolve())
      yield* Fiber.interrupt(posting)
      assert.deepInclude(only(), { status: "pending", cancelRequestedAt: null })
    })
  )
})
