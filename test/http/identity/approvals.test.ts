import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { watchExpiry } from "../../../src/http/identity/approvalExpiry.ts"
import { ApprovalAnswer } from "../../../src/http/api/identity/Approvals.ts"
import { makeRuledApp } from "../../harness/ruledApp.ts"

const rule = { approval_required: ["actions:run:reboot"], approval_ttl_s: 600 }
const reboot = "/api/v1/actions/reboot?when=now"
const post = (body: string, headers: Record<string, string> = {}) => ({ method: "POST", body, headers })

const decode = Schema.decodeSync(Schema.fromJsonString(ApprovalAnswer))
const decodeList = Schema.decodeSync(Schema.fromJsonString(Schema.Array(Schema.Struct({ id: Schema.String }))))
const approvalOf = ({ text }: { readonly text: string }) => decode(text).approval

const start = Effect.fnUntraced(function* () {
  yield* TestClock.setTime(1_700_000_000_000)
  const app = yield* makeRuledApp(rule)
  const request = (who = "alice", target = reboot, init: Parameters<typeof app.ask>[2] = post("{}")) =>
    app.ask(who, target, init)
  const approve = (id: string, who = "bob") => app.ask(who, `/v1/approvals/${id}/approve`, { method: "POST" })
  const deny = (id: string, who = "bob") => app.ask(who, `/v1/approvals/${id}/deny`, { method: "POST" })
  /** The id of an approval that waits for its use. */
  const approved = Effect.fnUntraced(function* (...given: Parameters<typeof request>) {
    const { id } = approvalOf(yield* request(...given))
    assert.strictEqual((yield* approve(id)).status, 200)
    return id
  })
  return { ...app, request, approve, deny, approved }
})

describe("a call that needs approval", () => {
  it.effect("waits, is approved by somebody else, and is done once", () =>
    Effect.gen(function* () {
      const { approve, ask, ran, request, told } = yield* start()
      const waiting = yield* request("alice", reboot, post('{"force":true}', { "x-justification": "ticket 7" }))
      const approval = approvalOf(waiting)
      assert.deepInclude(approval, {
        status: "pending",
        permission: "actions:run:reboot",
        method: "POST",
        target: reboot,
        requester: "alice",
        justification: "ticket 7",
        decided_by: null,
        expires_at: "2023-11-14T22:23:20.000Z"
      })
      assert.strictEqual(waiting.status, 202)
      assert.strictEqual(waiting.headers["location"], `/v1/approvals/${approval.id}`)
      assert.deepStrictEqual(ran, [])

      const decided = approvalOf(yield* approve(approval.id))
      assert.deepInclude(decided, { status: "approved", decided_by: "bob" })
      const again = post('{"force":true}', { "x-approval": approval.id })
      assert.strictEqual((yield* ask("alice", reboot, again)).status, 200)
      assert.deepStrictEqual(ran, [`POST ${reboot} {"force":true}`])

      assert.strictEqual((yield* ask("alice", reboot, again)).status, 403)
      assert.strictEqual(ran.length, 1)
      const about = "actions:run:reboot"
      assert.includeMembers(told(), [
        `alice approval.requested succeeded ${about}`,
        `bob approval.approved succeeded ${about}`,
        `alice approval.used succeeded ${about}`,
        `alice request granted ${about}`,
        `alice request refused ${about}`
      ])
    })
  )

  it.effect("by the GET of the original waits like any other", () =>
    Effect.gen(function* () {
      const { approved, ask, ran, request } = yield* start()
      const id = yield* approved("alice", reboot, {})
      assert.deepStrictEqual(ran, [])
      assert.strictEqual((yield* ask("alice", reboot, { headers: { "x-approval": id } })).status, 200)
      assert.deepStrictEqual(ran, [`GET ${reboot} `])
      assert.strictEqual((yield* request("alice", "/api/v1/actions/other", {})).status, 200)
    })
  )

  it.effect("asked again is the same request", () =>
    Effect.gen(function* () {
      const { request } = yield* start()
      const first = approvalOf(yield* request())
      assert.strictEqual(approvalOf(yield* request()).id, first.id)
      assert.notStrictEqual(approvalOf(yield* request("alice", reboot, post("other"))).id, first.id)
      assert.notStrictEqual(approvalOf(yield* request("bob")).id, first.id)
    })
  )

  it.effect("by nobody in particular is refused", () =>
    Effect.gen(function* () {
      const { request } = yield* start()
      assert.strictEqual((yield* request("anonymous")).status, 403)
    })
  )

  it.effect("has a body of a mebibyte at most", () =>
    Effect.gen(function* () {
      const { request } = yield* start()
      const { status, text } = yield* request("alice", reboot, post("x".repeat(1024 * 1024 + 1)))
      assert.strictEqual(status, 413)
      assert.include(text, "needs approval, for which a body has 1048576 bytes at most")
    })
  )

  it.effect("takes no more than their share of the places for one person, whatever tokens they have", () =>
    Effect.gen(function* () {
      const { request } = yield* start()
      for (let i = 0; i < 50; i++) {
        const who = i % 2 === 0 ? "alice" : "token:alice"
        assert.strictEqual((yield* request(who, reboot, post(`${i}`))).status, 202)
      }
      assert.strictEqual((yield* request("token:alice", reboot, post("one more"))).status, 409)
      assert.strictEqual((yield* request("bob")).status, 202)
    })
  )

  it.effect("is done without, once a reload says so", () =>
    Effect.gen(function* () {
      const { reload, request } = yield* start()
      assert.strictEqual((yield* request()).status, 202)
      reload({ approval_required: [] })
      assert.strictEqual((yield* request()).status, 200)
    })
  )
})

describe("an approval is of no use", () => {
  const other: ReadonlyArray<
    readonly [what: string, who: string, target: string, init: ReturnType<typeof post>, status: number, why: string]
  > = [
    ["for another body", "alice", reboot, post("{ }"), 403, "another body"],
    ["for another query", "alice", "/api/v1/actions/reboot?when=later", post("{}"), 403, "another path or query"],
    ["for another name of the path", "alice", "/api/v1/actions/%72eboot?when=now", post("{}"), 403, "path or query"],
    ["for another method", "alice", reboot, { ...post(""), method: "GET" }, 403, "another method"],
    ["to somebody else", "bob", reboot, post("{}"), 403, "no such approval of yours"],
    ["to the requester's own token", "token:alice", reboot, post("{}"), 403, "no such approval of yours"]
  ]
  for (const [what, who, target, { body, headers, method }, status, why] of other) {
    it.effect(what, () =>
      Effect.gen(function* () {
        const { approved, ask, ran } = yield* start()
        const id = yield* approved()
        const init = { method, headers: { ...headers, "x-approval": id }, ...(method === "GET" ? {} : { body }) }
        const answer = yield* ask(who, target, init)
        assert.strictEqual(answer.status, status)
        assert.include(answer.text, why)
        assert.deepStrictEqual(ran, [])
        assert.strictEqual((yield* ask("alice", reboot, post("{}", { "x-approval": id }))).status, 200)
      })
    )
  }

  it.effect("that is made up, waits, was denied or has expired", () =>
    Effect.gen(function* () {
      const { approved, ask, deny, ran, request } = yield* start()
      const use = (id: string, body = "{}") => ask("alice", reboot, post(body, { "x-approval": id }))
      assert.strictEqual((yield* use("ap_0")).status, 403)
      const { id } = approvalOf(yield* request())
      assert.strictEqual((yield* use(id)).status, 409)
      assert.strictEqual((yield* deny(id)).status, 200)
      assert.strictEqual((yield* use(id)).status, 403)
      const late = yield* approved("alice", reboot, post("late"))
      yield* TestClock.adjust("10 minutes")
      const answer = yield* use(late, "late")
      assert.strictEqual(answer.status, 403)
      assert.include(answer.text, "it is expired")
      assert.deepStrictEqual(ran, [])
    })
  )

  it.effect("to the slower of two who come at once", () =>
    Effect.gen(function* () {
      const { approved, ask, ran } = yield* start()
      const id = yield* approved()
      const answers = yield* Effect.all(
        Array.from({ length: 5 }, () => ask("alice", reboot, post("{}", { "x-approval": id }))),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(answers.filter(({ status }) => status === 200).length, 1)
      assert.strictEqual(ran.length, 1)
    })
  )
})

describe("deciding", () => {
  it.effect("is for somebody else, who may do the thing too", () =>
    Effect.gen(function* () {
      const { approve, request } = yield* start()
      const { id } = approvalOf(yield* request("dave"))
      assert.strictEqual((yield* approve(id, "dave")).status, 403)
      assert.strictEqual((yield* approve(id, "carol")).status, 403)
      assert.strictEqual((yield* approve(id, "alice")).status, 200)
    })
  )

  it.effect("is not for the requester by another way in", () =>
    Effect.gen(function* () {
      const { approve, request } = yield* start()
      const { id } = approvalOf(yield* request("token:alice"))
      for (const who of ["alice", "token:alice"]) {
        const { status, text } = yield* approve(id, who)
        assert.strictEqual(status, 403)
        assert.include(text, "nobody approves their own request")
      }
      assert.strictEqual((yield* approve(id, "bob")).status, 200)
    })
  )

  it.effect("happens once, and not after the time is up", () =>
    Effect.gen(function* () {
      const { approve, deny, request } = yield* start()
      const { id } = approvalOf(yield* request())
      assert.strictEqual((yield* approve(id)).status, 200)
      assert.strictEqual((yield* deny(id)).status, 409)
      const late = approvalOf(yield* request("alice", reboot, post("late")))
      yield* TestClock.adjust("10 minutes")
      const answer = yield* approve(late.id)
      assert.strictEqual(answer.status, 409)
      assert.include(answer.text, "the request is expired")
      assert.strictEqual((yield* approve("ap_0")).status, 404)
    })
  )

  it.effect("against it is also for the requester; others do not even learn that there is one", () =>
    Effect.gen(function* () {
      const { ask, deny, request, told } = yield* start()
      const { id } = approvalOf(yield* request("dave"))
      assert.strictEqual((yield* ask("dave", `/v1/approvals/${id}`)).status, 200)
      const foreign = approvalOf(yield* request("alice"))
      for (const answer of [yield* deny(foreign.id, "dave"), yield* ask("dave", `/v1/approvals/${foreign.id}`)]) {
        assert.strictEqual(answer.status, 404)
      }
      assert.strictEqual((yield* deny(id, "dave")).status, 200)
      assert.strictEqual((yield* deny(foreign.id, "carol")).status, 200)
      assert.include(told(), "dave approval.denied succeeded actions:run:reboot")
    })
  )

  it.effect("itself never waits for approval", () =>
    Effect.gen(function* () {
      const { ask, reload, request } = yield* start()
      reload({ approval_required: ["*"] })
      const { id } = approvalOf(yield* request())
      assert.strictEqual((yield* ask("bob", `/v1/approvals/${id}/approve`, { method: "POST" })).status, 200)
    })
  )
})

describe("the list", () => {
  it.effect("is for who may see all, by state, in the order of asking", () =>
    Effect.gen(function* () {
      const { ask, deny, request } = yield* start()
      const ids: Array<string> = []
      for (const body of ["1", "2", "3"]) {
        ids.push(approvalOf(yield* request("alice", reboot, post(body))).id)
        yield* TestClock.adjust("1 second")
      }
      yield* deny(ids[1] ?? "")
      const list = Effect.fnUntraced(function* (query: string) {
        const { text } = yield* ask("carol", `/v1/approvals${query}`)
        return decodeList(text).map(({ id }) => id)
      })
      assert.deepStrictEqual(yield* list(""), ids)
      assert.deepStrictEqual(yield* list("?status=pending"), [ids[0], ids[2]])
      assert.strictEqual((yield* ask("carol", "/v1/approvals?status=odd")).status, 400)
      assert.strictEqual((yield* ask("dave", "/v1/approvals")).status, 403)
    })
  )
})

describe("expiry", () => {
  it.effect("is told once, of what nobody decided and of what nobody used", () =>
    Effect.gen(function* () {
      const { approved, audit, entries, request, store } = yield* start()
      yield* watchExpiry(store, audit)
      yield* request()
      const { length } = entries
      yield* approved("alice", reboot, post("other"))
      yield* TestClock.adjust("10 minutes")
      yield* TestClock.adjust("10 minutes")
      const expired = entries.slice(length).filter(({ action }) => action === "approval.expired")
      assert.deepStrictEqual(expired.map(({ detail }) => detail?.replace(/^\S+ /u, "")).sort(), [
        "of alice, approved by bob, never used",
        "of alice, never decided"
      ])
    })
  )
})
