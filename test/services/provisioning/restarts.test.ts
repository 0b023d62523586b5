/** Provisioning that is killed at each of its steps and begun again, as the engine does after a restart. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type { Operation, OperationFailed } from "../../../src/services/operations/Operation.ts"
import { makeWorld, operation, ran, type WorldOptions } from "./support.ts"

const asked = { workspace: "production", provider: "upcloud", plan: "2xCPU-4GB", hostname: "web-01" }

const cli: WorldOptions = {
  config: '[provisioning]\ncli_path = "/nonexistent/provisioning"\n',
  command: () => Effect.succeed(ran('{"server_id":"upc-1","ip_address":"192.0.2.1"}\n'))
}

const templates: WorldOptions = {
  config:
    '[provisioning.templates]\nserver_create = "make"\nserver_delete = "unmake"\n[actions]\nmake = "true"\nunmake = "true"\n'
}

const create = operation("op-1", "server.create", asked)
const removal = operation("op-2", "server.delete", { workspace: "production", hostname: "web-01" })

/** Runs `dies` in a world of its own for each of its steps, is killed there, and runs it again. */
const atEachStep = Effect.fnUntraced(function* (
  options: WorldOptions,
  prepare: ReadonlyArray<Operation>,
  dies: Operation,
  judge: (
    world: Effect.Success<ReturnType<typeof makeWorld>>,
    end: Exit.Exit<unknown, OperationFailed>,
    at: number
  ) => Effect.Effect<void, unknown>
) {
  const start = Effect.gen(function* () {
    const world = yield* makeWorld(options)
    for (const each of prepare) yield* world.run(each)
    return world
  })
  const whole = yield* start
  const steps = yield* whole.stepsOf(whole.run(dies))
  assert.isAbove(steps, 8)
  for (let at = 1; at <= steps; at += 1) {
    const world = yield* start
    assert.isTrue(yield* world.killed(at, world.run(dies)), `no step ${at}`)
    const end = yield* Effect.exit(world.run(dies))
    yield* judge(world, end, at)
  }
  return steps
})

const rows = (world: Effect.Success<ReturnType<typeof makeWorld>>) =>
  Effect.map(world.inventory.servers, (all) => all.map(({ id, ipAddress, status }) => [id, ipAddress, status]))

describe("a create that is killed at any step", () => {
  it.effect("and begun again calls the program once, and ends in one server, or says that it was interrupted", () =>
    Effect.gen(function* () {
      let interrupted = 0
      yield* atEachStep(cli, [], create, (world, end, at) =>
        Effect.gen(function* () {
          assert.isAtMost(world.commands(), 1, `step ${at}`)
          if (Exit.isSuccess(end)) {
            assert.deepInclude(end.value, { server_id: "upc-1", ip_address: "192.0.2.1" })
            assert.deepStrictEqual(yield* rows(world), [["upc-1", "192.0.2.1", "running"]], `step ${at}`)
          } else {
            interrupted += 1
            assert.strictEqual((yield* Effect.flip(end)).code, "interrupted_by_restart")
            const [row, ...others] = yield* rows(world)
            assert.deepStrictEqual([row?.[2], others.length], ["failed", 0], `step ${at}`)
          }
        })
      )
      // Begun, run and not yet written down.
      assert.strictEqual(interrupted, 2)
    })
  )

  it.effect("and begun again is made by its template once", () =>
    atEachStep(templates, [], create, (world, end, at) =>
      Effect.gen(function* () {
        assert.isTrue(Exit.isSuccess(end), `step ${at}`)
        const made = [...world.operations.values()].filter(({ name }) => name === "make")
        assert.deepStrictEqual([made.length, (yield* rows(world))[0]?.[2]], [1, "running"], `step ${at}`)
        assert.lengthOf(yield* rows(world), 1)
      })
    )
  )

  it.effect("says it again when it had ended, though the server is gone since", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(cli)
      yield* world.run(create)
      yield* world.run(removal)
      // As if its end had not been written down.
      assert.deepInclude(yield* world.run(create), { server_id: "upc-1" })
      assert.deepStrictEqual([world.commands(), yield* rows(world)], [2, []])
    })
  )

  it.effect("leaves nothing when it is cancelled instead", () =>
    Effect.gen(function* () {
      const options: WorldOptions = {
        ...templates,
        child: ({ name }) => ({ status: name === "make" ? "cancelled" : "completed" })
      }
      const whole = yield* makeWorld(options)
      whole.cancel("op-1")
      const steps = yield* whole.stepsOf(whole.run(create))
      for (let at = 1; at <= steps; at += 1) {
        const world = yield* makeWorld(options)
        world.cancel("op-1")
        assert.isTrue(yield* world.killed(at, world.run(create)))
        assert.strictEqual((yield* world.fails(create)).code, "cancelled", `step ${at}`)
        assert.deepStrictEqual(yield* rows(world), [], `step ${at}`)
        assert.lengthOf(
          [...world.operations.values()].filter(({ name }) => name === "unmake"),
          1
        )
      }
    })
  )
})

describe("a delete that is killed at any step", () => {
  it.effect(
    "and begun again calls the program once, and ends without the server, or says that it was interrupted",
    () =>
      Effect.gen(function* () {
        let interrupted = 0
        yield* atEachStep(cli, [create], removal, (world, end, at) =>
          Effect.gen(function* () {
            assert.isAtMost(world.commands(), 2, `step ${at}`)
            if (Exit.isSuccess(end)) return assert.deepStrictEqual(yield* rows(world), [], `step ${at}`)
            interrupted += 1
            assert.strictEqual((yield* Effect.flip(end)).code, "interrupted_by_restart")
            assert.deepStrictEqual(yield* rows(world), [["upc-1", "192.0.2.1", "failed"]], `step ${at}`)
            // What is left is deleted by the next.
            yield* Effect.orDie(world.run({ ...removal, id: "op-3" }))
            assert.deepStrictEqual(yield* rows(world), [])
          })
        )
        assert.strictEqual(interrupted, 2)
      })
  )

  it.effect("is undone by its template once", () =>
    atEachStep(templates, [create], removal, (world, end, at) =>
      Effect.gen(function* () {
        assert.isTrue(Exit.isSuccess(end), `step ${at}`)
        const gone = [...world.operations.values()].filter(({ name }) => name === "unmake")
        assert.deepStrictEqual([gone.length, yield* rows(world)], [1, []], `step ${at}`)
      })
    )
  )
})

describe("a server", () => {
  it.effect("is one operation's while that has it, and free when that has ended without letting go", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld(cli)
      // Its row is there, and it is not begun again.
      assert.isTrue(yield* world.killed(4, world.run(create)))
      assert.strictEqual((yield* rows(world))[0]?.[2], "creating")
      const refused = yield* world.fails(removal)
      assert.strictEqual(refused.code, "conflict")
      assert.include(refused.message, "operation op-1 has it (creating)")
      world.operations.set("op-1", { ...create, status: "failed" })
      yield* world.run({ ...removal, id: "op-3" })
      assert.deepStrictEqual(yield* rows(world), [])
    })
  )

  it.effect("is left alone by one that says again how it failed, when another has it by then", () =>
    Effect.gen(function* () {
      const world = yield* makeWorld({
        ...cli,
        command: ({ argv }) =>
          Effect.succeed(
            argv.includes("delete")
              ? ran("", { exit: { _tag: "Exited", code: 1 } })
              : ran('{"server_id":"upc-1","ip_address":"192.0.2.1"}\n')
          )
      })
      yield* world.run(create)
      assert.strictEqual((yield* world.fails(removal)).code, "command_failed")
      assert.strictEqual((yield* rows(world))[0]?.[2], "failed")
      const other = { ...removal, id: "op-3" }
      assert.isTrue(yield* world.killed(5, world.run(other)))
      const held = yield* world.inventory.server("upc-1")
      assert.deepInclude(held, { status: "deleting", operation: "op-3" })
      // As if its end had not been written down.
      yield* world.fails(removal)
      assert.deepStrictEqual(yield* world.inventory.server("upc-1"), held)
    })
  )
})
