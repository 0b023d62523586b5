import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { idOf } from "../../../src/services/provisioning/lifecycle.ts"
import { ended, failureOf, makeWorld, statusesOf, step, workflowInput } from "./support.ts"

const fault = { code: "command_failed", message: "exit code 1" }

describe("a workflow", () => {
  it.effect("does what needs nothing of each other side by side, and the rest in its turn", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(
        workflowInput([
          step("last", { needs: ["left", "right"] }),
          step("left", { needs: ["first"] }),
          step("right", { needs: ["first"] }),
          step("first")
        ]),
        ({ name }) => ({ takesMs: name === "do left" ? 2000 : 1000 })
      )
      const exit = yield* world.toEnd
      assert.isTrue(Exit.isSuccess(exit), JSON.stringify(exit))
      assert.deepStrictEqual(world.told, [
        "do first begins",
        "do first completed",
        "do left begins",
        "do right begins",
        "do right completed",
        "do left completed",
        "do last begins",
        "do last completed"
      ])
      assert.deepStrictEqual(world.lines, [
        "first: running",
        "first: completed",
        "left: running",
        "right: running",
        "right: completed",
        "left: completed",
        "last: running",
        "last: completed"
      ])
      assert.deepStrictEqual(world.progress(), [1, "last: completed"])
    })
  )

  it.effect("undoes what was done, the latest first, when a step fails", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(
        workflowInput([step("a"), step("b"), step("c", { needs: ["a", "b"] }), step("d", { needs: ["c"] })]),
        ({ name }) => (name === "do a" ? { takesMs: 2000 } : name === "do c" ? { fault } : { takesMs: 100 })
      )
      const error = failureOf(yield* world.toEnd)
      assert.strictEqual(error.code, "step_failed")
      assert.strictEqual(error.message, "step c: exit code 1")
      assert.deepStrictEqual(error.details, { step: "c", error: "command_failed" })
      assert.deepStrictEqual(world.told.slice(4), [
        "do c begins",
        "do c failed",
        "undo a begins",
        "undo a completed",
        "undo b begins",
        "undo b completed"
      ])
    })
  )

  it.effect("tries again after a time that doubles, and tells why", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(workflowInput([step("a", { retries: 3, retry_delay_ms: 5000 })]), (_, times) =>
        times < 4 ? { fault } : { takesMs: 100 }
      )
      const exit = yield* world.toEnd
      assert.isTrue(Exit.isSuccess(exit), JSON.stringify(exit))
      assert.deepStrictEqual(
        world.children().map(({ createdAt }) => createdAt),
        [0, 5000, 15_000, 35_000]
      )
      assert.deepStrictEqual(world.lines, [
        "a: running",
        "a: try failed: exit code 1",
        "a: try 2",
        "a: try failed: exit code 1",
        "a: try 3",
        "a: try failed: exit code 1",
        "a: try 4",
        "a: completed"
      ])
    })
  )

  it.effect("tries again after what is left of the time when it was cut off in it", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(workflowInput([step("a", { retries: 1, retry_delay_ms: 60_000 })]), (_, times) =>
        times < 2 ? { fault } : undefined
      )
      const first = yield* world.start
      yield* TestClock.adjust(40_000)
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust(10_000)
      yield* ended(yield* world.start)
      assert.deepStrictEqual(
        world.children().map(({ createdAt }) => createdAt),
        [0, 60_000]
      )
      assert.include(world.lines, "goes on after a restart: 0 of 1 steps are done")
    })
  )

  it.effect("ends a try that takes too long, and tries again", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(
        workflowInput([step("a", { retries: 1, timeout_ms: 2000, retry_delay_ms: 0 })]),
        (_, times) => ({ takesMs: times === 1 ? 10_000 : 1000, lingersMs: 300 })
      )
      const exit = yield* world.toEnd
      assert.isTrue(Exit.isSuccess(exit), JSON.stringify(exit))
      assert.deepStrictEqual(world.told, ["do a begins", "do a cancelled", "do a begins", "do a completed"])
      assert.deepStrictEqual(
        world.children().map(({ createdAt }) => createdAt),
        [0, 2300]
      )
    })
  )

  it.effect("fails where a try takes too long for the last time, and does not try again what somebody cancelled", () =>
    Effect.gen(function* () {
      const late = yield* makeWorld(workflowInput([step("a", { timeout_ms: 2000 })]), () => ({ takesMs: 10_000 }))
      const error = failureOf(yield* late.toEnd)
      assert.strictEqual(error.message, "step a: it took longer than 2000 ms")
      assert.deepStrictEqual(error.details, { step: "a", error: "timed_out" })

      const ended = yield* makeWorld(workflowInput([step("a", { retries: 5 })]), () => ({ takesMs: 10_000 }))
      const running = yield* ended.start
      yield* TestClock.adjust(100)
      yield* ended.cancelChild("do a")
      yield* TestClock.adjust(100)
      const exit = running.pollUnsafe()
      assert.isDefined(exit)
      if (exit !== undefined) {
        const { details } = failureOf(exit)
        assert.deepStrictEqual(details, { step: "a", error: "cancelled" })
      }
    })
  )

  it.effect("is over when its time is, however its steps do, and undoes what was done", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(
        workflowInput([step("a"), step("b", { needs: ["a"] }), step("c", { needs: ["b"] })], { timeout_ms: 5000 }),
        ({ name }) => ({ takesMs: name.startsWith("do") ? 3000 : 10 })
      )
      const error = failureOf(yield* world.toEnd)
      assert.strictEqual(error.code, "timed_out")
      assert.strictEqual(error.message, "it took longer than 5000 ms")
      assert.deepStrictEqual(world.told.slice(2), [
        "do b begins",
        "do b cancelled",
        "undo a begins",
        "undo a completed"
      ])
      assert.deepStrictEqual(statusesOf(error), { a: "compensated", b: "failed", c: "skipped" })
    })
  )

  it.effect("cancels what runs when a step fails, and skips what needs it", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(
        workflowInput([step("a"), step("b"), step("c", { needs: ["a"] }), step("d", { needs: ["b"] })]),
        ({ name }) => (name === "do a" ? { takesMs: 500, fault } : { takesMs: 5000 })
      )
      const error = failureOf(yield* world.toEnd)
      assert.deepStrictEqual(world.told, ["do a begins", "do b begins", "do a failed", "do b cancelled"])
      assert.deepStrictEqual(statusesOf(error), { a: "failed", b: "failed", c: "skipped", d: "skipped" })
      assert.deepStrictEqual(error.details, { step: "a", error: "command_failed" })
    })
  )

  it.effect("undoes what was done although it was cancelled", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(workflowInput([step("a"), step("b"), step("c", { needs: ["a"] })]), ({ name }) =>
        name === "do b" ? { takesMs: 500, lingersMs: 5000 } : { takesMs: 100 }
      )
      const running = yield* world.start
      yield* TestClock.adjust(150)
      yield* world.cancel
      const error = failureOf(yield* ended(running))
      assert.strictEqual(error.code, "cancelled")
      // It was done before it could be ended.
      assert.deepStrictEqual(world.told.slice(-4), [
        "undo b begins",
        "undo b completed",
        "undo a begins",
        "undo a completed"
      ])
      assert.deepStrictEqual(statusesOf(error), { a: "compensated", b: "compensated", c: "failed" })
    })
  )

  it.effect("tells what could not be undone, and undoes the rest", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(
        workflowInput([
          step("a"),
          step("b", { needs: ["a"] }),
          step("c", { needs: ["b"] }),
          step("d", { needs: ["c"], compensate: null })
        ]),
        ({ name }) => (name === "do d" || name === "undo b" ? { fault } : { takesMs: 100 })
      )
      const error = failureOf(yield* world.toEnd)
      assert.strictEqual(error.message, "step d: exit code 1; 1 of 3 could not be undone")
      assert.deepStrictEqual(error.details?.["compensation_failed"], [
        {
          step: "b",
          operation_id: world.children().find(({ name }) => name === "undo b")?.id ?? null,
          error: "command_failed",
          message: "exit code 1"
        }
      ])
      assert.deepStrictEqual(statusesOf(error), {
        a: "compensated",
        b: "compensation_failed",
        c: "compensated",
        d: "failed"
      })
      assert.include(world.lines, "b: compensation failed: exit code 1")
    })
  )

  it.effect("makes several, named one by one, and gives what came of them to later steps", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(
        workflowInput([
          step("servers", {
            operation: "server.create",
            compensate: null,
            count: 3,
            input: { hostname: "k8s", provider: "p", plan: "s" }
          }),
          step("lb", {
            operation: "taskserv.create",
            compensate: null,
            needs: ["servers"],
            input: { name: "haproxy", servers: [{ step: "servers", member: "hostname" }, "other"] }
          }),
          step("note", { needs: ["lb"], input: { text: { step: "lb", member: "taskserv_id" } } }),
          step("echo", { needs: ["note"], input: { text: { step: "note", member: "stdout" } } }),
          step("bad", { needs: ["echo"] })
        ]),
        ({ name }) => (name === "do bad" ? { fault } : { takesMs: name === "production/k8s-2" ? 50 : 100 })
      )
      yield* world.toEnd
      const inputs = new Map(
        world.children().map(({ input, kind, name }) => [`${kind} ${name.replace("production/", "")}`, input])
      )
      assert.deepStrictEqual(inputs.get("server.create k8s-2"), {
        workspace: "production",
        hostname: "k8s-2",
        provider: "p",
        plan: "s"
      })
      assert.deepStrictEqual(inputs.get("taskserv.create haproxy"), {
        workspace: "production",
        name: "haproxy",
        servers: ["k8s-1", "k8s-2", "k8s-3", "other"]
      })
      assert.deepStrictEqual(inputs.get("action do echo"), { args: { text: "do note" } })
      const undone = world
        .children()
        .filter(({ kind }) => kind.endsWith(".delete") || kind === "action")
        .slice(3)
      const name = (of: string) => {
        const { id = "", kind = "" } = world.children().find((one) => one.name === `production/${of}`) ?? {}
        return idOf(kind === "taskserv.create" ? "tsk" : "srv", id)
      }
      assert.deepStrictEqual(
        undone.map(({ input, name: what }) => [what, input]),
        [
          ["undo echo", { args: {} }],
          ["undo note", { args: {} }],
          ["production/haproxy", { taskserv_id: name("haproxy") }],
          ["production/k8s-3", { server_id: name("k8s-3") }],
          ["production/k8s-1", { server_id: name("k8s-1") }],
          ["production/k8s-2", { server_id: name("k8s-2") }]
        ]
      )
      assert.strictEqual(world.rows.size, 0)
    })
  )

  it.effect("removes what a try has left before the next one, and what the last has left when it is undone", () =>
    Effect.gen(function* () {
      const create = step("s", {
        operation: "server.create",
        compensate: null,
        retries: 1,
        input: { hostname: "web", provider: "p", plan: "s" }
      })
      const world = yield* makeWorld(workflowInput([create]), ({ kind }) =>
        kind === "server.create" ? { takesMs: 100, fault, leaves: true } : { takesMs: 100 }
      )
      const error = failureOf(yield* world.toEnd)
      assert.deepStrictEqual(
        world.children().map(({ kind, status }) => [kind, status]),
        [
          ["server.create", "failed"],
          ["server.delete", "completed"],
          ["server.create", "failed"],
          ["server.delete", "completed"]
        ]
      )
      assert.strictEqual(world.rows.size, 0)
      assert.strictEqual(error.message, "step s: exit code 1")
      assert.deepStrictEqual(statusesOf(error), { s: "failed" })
    })
  )

  it.effect("fails where a result lacks what a later step refers to", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(
        workflowInput([
          step("a"),
          step("b", { needs: ["a"], retries: 3, input: { x: { step: "a", member: "exit_code" } } })
        ]),
        () => ({ takesMs: 10, result: {} })
      )
      const error = failureOf(yield* world.toEnd)
      assert.strictEqual(error.message, "step b: x: nothing came of step a that is called exit_code")
      assert.deepStrictEqual(world.told, ["do a begins", "do a completed", "undo a begins", "undo a completed"])
    })
  )

  it.effect("fails where a step cannot even be asked for, and tries that again too", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(workflowInput([step("a", { retries: 1 })]), () => ({ refused: "20000 wait" }))
      const error = failureOf(yield* world.toEnd)
      assert.strictEqual(error.message, "step a: 20000 wait")
      assert.strictEqual(world.asked.get("action do a"), 2)
      assert.strictEqual(world.children().length, 0)
    })
  )

  it.effect("asks for nothing in a dry run", () =>
    Effect.gen(function* () {
      const servers = step("b", { operation: "server.create", count: 2, needs: ["a"], input: { hostname: "x" } })
      const world = yield* makeWorld(workflowInput([servers, step("a")], { check_mode: true }))
      const exit = yield* world.toEnd
      assert.isTrue(Exit.isSuccess(exit))
      assert.deepStrictEqual(world.children(), [])
      assert.deepStrictEqual(world.lines, [
        "a: would ask for action do a",
        "b: would ask for server.create 2 times after a"
      ])
    })
  )

  it.effect("refuses what is no workflow's input", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(workflowInput([]))
      world.replaceInput({ steps: 1 })
      assert.strictEqual(failureOf(yield* world.toEnd).code, "invalid_input")
    })
  )
})
