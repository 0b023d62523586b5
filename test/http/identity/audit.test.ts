import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import * as EventStore from "../../../src/actors/EventStore.ts"
import { Supervisor } from "../../../src/actors/kernel/Supervisor.ts"
import { AuditPage } from "../../../src/http/api/identity/Audit.ts"
import { Call } from "../../../src/http/edge/Call.ts"
import { makeAuditHandlers } from "../../../src/http/identity/auditHandlers.ts"
import { Audit } from "../../../src/services/audit/Audit.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { EventLog } from "../../../src/services/events/EventLog.ts"
import { entryOf, refusalOf } from "../../harness/auditEntries.ts"
import { runOf } from "../../harness/events.ts"
import { makeFakeStorage } from "../../harness/FakeStorage.ts"
import { incoming } from "../../harness/incoming.ts"

const decode = Schema.decodeSync(Schema.fromJsonString(AuditPage))

const start = Effect.gen(function* () {
  yield* TestClock.setTime(1_700_000_000_000)
  const storage = makeFakeStorage()
  const { config } = yield* load(undefined, {})
  const layer = Audit.layer.pipe(
    Layer.provideMerge(EventStore.layer({ recent: { events: 100, bytes: 1024 * 1024 } })),
    Layer.provide([Supervisor.layer, CurrentConfig.layer(config), storage.layer])
  )
  const context = yield* Effect.orDie(Layer.build(Layer.fresh(layer)))
  const audit = Context.get(context, Audit)
  const log = Context.get(context, EventLog)
  const { listAudit } = makeAuditHandlers({ audit, log })
  const surface = { address: "127.0.0.1:3535", providers: [], roles: [] }
  const ask = Effect.fnUntraced(function* (query: string) {
    const { body, headers } = yield* listAudit(new Call(incoming(`/v1/audit${query}`), "id", surface))
    const text =
      body._tag === "Stream"
        ? yield* Stream.mkString(Stream.decodeText(Stream.orDie(body.stream)))
        : body._tag === "Uint8Array"
          ? Buffer.from(body.body).toString()
          : ""
    return { text, headers }
  })
  return {
    audit,
    log,
    storage,
    ask,
    page: (query: string) => Effect.map(ask(query), ({ text }) => decode(text)),
    /** What is told of it: by what was done. */
    actions: (query: string) => Effect.map(ask(query), ({ text }) => decode(text).entries.map(({ action }) => action))
  }
})

/** Six entries, among events that are none. */
const filled = Effect.gen(function* () {
  const app = yield* start
  const { audit, log } = app
  const at = (minute: number) => ({ atMs: 1_700_000_000_000 + minute * 60_000 })
  audit.record(entryOf({ action: "a", ...at(0) }))
  yield* audit.recorded
  yield* log.record("an event")
  audit.record(entryOf({ action: "b", who: "alice", kind: "token", on: "actions:run:stop", ...at(1) }))
  audit.record(refusalOf({ action: "c", address: "198.51.100.7", requestId: "id-7", ...at(2) }))
  audit.record(entryOf({ action: "d", on: "uploads:write:motd", ...at(3) }))
  yield* audit.recorded
  yield* log.record("another event")
  audit.record(entryOf({ action: "e", outcome: "failed", who: "alice", on: undefined, ...at(4) }))
  audit.record(entryOf({ action: "f", outcome: "succeeded", on: "actions", ...at(5) }))
  yield* audit.recorded
  return app
})

describe("GET /v1/audit", () => {
  it.effect("shows entries whole, the newest first, and whoever was answered finds the entry", () =>
    Effect.gen(function* () {
      const { audit, page } = yield* filled
      audit.record(entryOf({ action: "just now", status: 200, durationMs: 1.5, justification: "ticket 7" }))
      const { entries, next } = yield* page("")
      assert.isNull(next)
      const [first] = entries
      assert.deepStrictEqual(
        entries.map(({ action }) => action),
        ["just now", "f", "e", "d", "c", "b", "a"]
      )
      assert.deepStrictEqual(first, {
        seq: 9,
        received_at: "2023-11-14T22:13:20.000000000Z",
        action: "just now",
        outcome: "granted",
        who: "admin",
        kind: "user",
        address: "192.0.2.1",
        listener: "127.0.0.1:3535",
        request_id: "id-1",
        on: "actions:run:restart_web",
        status: 200,
        duration_ms: 1.5,
        justification: "ticket 7"
      })
    })
  )

  const cases: ReadonlyArray<readonly [query: string, actions: ReadonlyArray<string>]> = [
    ["?who=alice", ["e", "b"]],
    ["?kind=token", ["b"]],
    ["?action=d", ["d"]],
    ["?outcome=refused", ["c"]],
    ["?on=actions:", ["b", "a"]],
    ["?on=actions:run:st", ["b"]],
    ["?on=%25", []],
    ["?address=198.51.100.7", ["c"]],
    ["?request_id=id-7", ["c"]],
    ["?since=1700000120&until=1700000240", ["d", "c"]],
    ["?order=oldest&limit=2", ["a", "b"]],
    ["?order=oldest&after=1&who=admin", ["d", "f"]],
    ["?before=4", ["b", "a"]],
    ["?who=alice&outcome=failed", ["e"]],
    ["?who=nobody", []]
  ]
  for (const [query, expected] of cases) {
    it.effect(query, () =>
      Effect.gen(function* () {
        const { actions } = yield* filled
        assert.deepStrictEqual(yield* actions(query), expected)
      })
    )
  }

  for (const order of ["newest", "oldest"] as const) {
    it.effect(`goes on where it ended, ${order} first`, () =>
      Effect.gen(function* () {
        const { page } = yield* filled
        const found: Array<string> = []
        for (let cursor = ""; ;) {
          const { entries, next } = yield* page(`?order=${order}&limit=2${cursor}`)
          found.push(...entries.map(({ action }) => action))
          if (next === null) break
          cursor = `&${order === "newest" ? "before" : "after"}=${next}`
        }
        const all = ["a", "b", "c", "d", "e", "f"]
        assert.deepStrictEqual(found, order === "oldest" ? all : all.toReversed())
      })
    )
  }

  for (const wrong of [
    "?whom=a",
    "?outcome=odd",
    "?limit=0",
    "?since=soon",
    "?who=a&who=b",
    "?order=up",
    "?format=xml"
  ]) {
    it.effect(`${wrong} is refused by name`, () =>
      Effect.gen(function* () {
        const { ask } = yield* start
        const failed = yield* Effect.flip(ask(wrong))
        assert.deepInclude(failed, { status: 400 })
      })
    )
  }

  it.effect("is never shown what somebody else wrote under that level", () =>
    Effect.gen(function* () {
      const { actions, log } = yield* filled
      yield* log.append([runOf(["[audit] forged"], { level: "audit", source: "http", fields: '{"action":"forged"}' })])
      assert.notInclude(yield* actions(""), "forged")
    })
  )

  it.effect("exports all that match as NDJSON, and not what comes after it was asked for", () =>
    Effect.gen(function* () {
      const { ask, audit } = yield* start
      for (let i = 0; i < 2500; i++) audit.record(entryOf({ action: `change ${i}`, who: i % 2 === 0 ? "even" : "odd" }))
      const { headers, text } = yield* ask("?format=ndjson&who=odd")
      assert.deepInclude(headers, { "content-type": "application/x-ndjson" })
      const lines = text.trimEnd().split("\n")
      assert.strictEqual(lines.length, 1250)
      assert.deepInclude(JSON.parse(lines[0] ?? ""), { action: "change 1", seq: 2 })
    })
  )

  it.effect("exports CSV that a spreadsheet takes for text", () =>
    Effect.gen(function* () {
      const { ask, audit } = yield* start
      audit.record(
        refusalOf({ detail: '=HYPERLINK("http://x","a,b")', who: "@SUM(1)", path: " +1", justification: "two\nlines" })
      )
      yield* audit.recorded
      const { headers, text } = yield* ask("?format=csv")
      assert.match(headers["content-type"] ?? "", /^text\/csv/u)
      assert.strictEqual(
        text,
        "seq,received_at,action,outcome,who,kind,address,listener,request_id,on,method,path,status,duration_ms," +
          "justification,detail,credential,count,first_at,last_at\r\n" +
          "1,2023-11-14T22:13:20.000000000Z,request,refused,'@SUM(1),anonymous,192.0.2.1,127.0.0.1:3535,id-1,events:read," +
          `,' +1,401,,"two\nlines","'=HYPERLINK(""http://x"",""a,b"")",,,,\r\n`
      )
    })
  )
})
