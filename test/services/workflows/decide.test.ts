import { assert, describe, it } from "@effect/vitest"
import { decide, type Situation } from "../../../src/services/workflows/decide.ts"
import type { Child, History } from "../../../src/services/workflows/history.ts"
import { step, workflowInput } from "./support.ts"

const child = (status: Child["status"], endedAt: number | null, rest: Partial<Child> = {}): Child => ({
  id: "id",
  status,
  error: status === "failed" ? { code: "command_failed", message: "exit code 1" } : null,
  members: {},
  createdAt: 0,
  endedAt,
  left: false,
  late: false,
  ...rest
})

const situation = (rest: Partial<Situation> = {}): Situation => ({
  startedAt: 0,
  cancelledAt: null,
  over: false,
  now: 1000,
  ...rest
})

const history = (entries: Readonly<Record<string, Child>>): History => new Map(Object.entries(entries))

const input = workflowInput([step("a"), step("b"), step("c", { needs: ["a", "b"] })], { timeout_ms: 10_000 })

const asksOf = (known: History, rest: Partial<Situation> = {}) =>
  decide(input, known, situation(rest)).asks.map(({ name }) => name)

describe("what is done next", () => {
  it("is what needs nothing that is not done", () => {
    assert.deepStrictEqual(asksOf(new Map()), ["a/1/1", "b/1/1"])
    assert.deepStrictEqual(asksOf(history({ "a/1/1": child("completed", 5) })), ["b/1/1"])
    assert.deepStrictEqual(asksOf(history({ "a/1/1": child("completed", 5), "b/1/1": child("completed", 6) })), [
      "c/1/1"
    ])
  })

  it("is looked at again when the time is over, and when a try is due", () => {
    assert.strictEqual(decide(input, new Map(), situation()).wakeAt, 10_000)
    const tried = workflowInput([step("a", { retries: 9, retry_delay_ms: 1_800_000 })], { timeout_ms: 1e9 })
    const failed = (tries: number) =>
      history(Object.fromEntries(Array.from({ length: tries }, (_, n) => [`a/1/${n + 1}`, child("failed", 500)])))
    assert.strictEqual(decide(tried, failed(1), situation()).wakeAt, 1_800_500)
    // Doubled, up to an hour.
    assert.strictEqual(decide(tried, failed(2), situation()).wakeAt, 3_600_500)
    assert.strictEqual(decide(tried, failed(9), situation()).wakeAt, 3_600_500)
    assert.strictEqual(decide(tried, failed(10), situation()).stop?.why, "failed")
  })

  it("is the end, whatever is asked for, when everything is done", () => {
    const all = history({
      "a/1/1": child("completed", 5),
      "b/1/1": child("completed", 6),
      "c/1/1": child("completed", 900)
    })
    for (const rest of [{}, { cancelledAt: 800 }, { now: 20_000 }]) {
      const { asks, ended, stop } = decide(input, all, situation(rest))
      assert.deepStrictEqual([ended, stop, asks], [true, undefined, []])
    }
  })
})

describe("why it ends early", () => {
  const stopOf = (known: History, rest: Partial<Situation> = {}) => decide(input, known, situation(rest)).stop

  it("is what came first", () => {
    const failed = history({ "a/1/1": child("failed", 500), "b/1/1": child("cancelled", 501) })
    assert.deepInclude(stopOf(failed), { why: "failed", step: "a" })
    assert.deepInclude(stopOf(failed, { cancelledAt: 700 }), { why: "failed", step: "a" })
    assert.deepInclude(stopOf(failed, { cancelledAt: 300 }), { why: "cancelled" })
    assert.deepInclude(stopOf(failed, { now: 20_000 }), { why: "failed", step: "a" })
    assert.deepInclude(stopOf(new Map(), { now: 20_000, cancelledAt: 15_000 }), { why: "timed_out" })
  })

  it("is the fault itself where all of it came in one millisecond", () => {
    const cancelled = history({ "a/1/1": child("cancelled", 500), "b/1/1": child("failed", 500) })
    assert.deepInclude(stopOf(cancelled), { why: "failed", step: "b" })
    assert.deepInclude(stopOf(history({ "a/1/1": child("cancelled", 500) }), { cancelledAt: 500 }), {
      why: "cancelled"
    })
  })

  it("stays, when the clock is set back while it is undone", () => {
    const undoing = history({
      "a/1/1": child("completed", 5),
      "b/1/1": child("completed", 6),
      "b/1/1/compensate": child("running", null, { createdAt: 10_000 })
    })
    const { asks, stop } = decide(input, undoing, situation({ now: 100 }))
    assert.deepStrictEqual([stop?.why, asks.map(({ name }) => name)], ["timed_out", ["b/1/1/compensate"]])
  })
})

describe("what is undone", () => {
  it("is asked for when nothing runs any more, the latest first, one at a time", () => {
    const failed = {
      "a/1/1": child("completed", 50),
      "b/1/1": child("completed", 40),
      "c/1/1": child("failed", 60)
    }
    assert.deepStrictEqual(asksOf(history(failed)), ["a/1/1/compensate"])
    assert.deepStrictEqual(asksOf(history({ ...failed, "a/1/1/compensate": child("failed", 70) })), [
      "b/1/1/compensate"
    ])
    const undone = { "a/1/1/compensate": child("failed", 70), "b/1/1/compensate": child("completed", 80) }
    const { ended, undos } = decide(input, history({ ...failed, ...undone }), situation())
    assert.deepStrictEqual([ended, undos.map(({ state }) => state)], [true, ["failed", "done"]])
    assert.deepStrictEqual(asksOf(history({ ...failed, "c/1/1": child("running", null) }), { cancelledAt: 70 }), [
      "c/1/1"
    ])
  })

  it("is both what a configured action undoes and what was made, and not what somebody else has removed", () => {
    const make = workflowInput([
      step("s", { operation: "server.create", input: { hostname: "web", provider: "p", plan: "s" } }),
      step("x", { needs: ["s"], compensate: null })
    ])
    const made = {
      "s/1/1": child("completed", 5, { members: { server_id: "srv-1", hostname: "web", workspace: "w" } }),
      "x/1/1": child("failed", 6)
    }
    const names = decide(make, history(made), situation()).undos.map(({ name, state }) => [name, state])
    assert.deepStrictEqual(names, [
      ["s/1/1/compensate", "due"],
      ["s/1/1/remove", "due"]
    ])
    const gone = child("failed", 9, { error: { code: "not_found", message: "there is no srv-1" } })
    const { undos } = decide(make, history({ ...made, "s/1/1/remove": gone }), situation())
    assert.strictEqual(undos[1]?.state, "done")
  })
})
