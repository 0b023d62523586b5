/**
 * Any workflow, with any steps failing, cut off at any moments and perhaps cancelled: what holds of the order in which its
 * operations begin and end.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { ended, makeWorld, step, workflowInput } from "./support.ts"

const small = (max: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: max }))

const Plan = Schema.Struct({
  steps: Schema.Array(
    Schema.Struct({
      /** A bit for each step before it. */
      needs: small(255),
      takes: small(9),
      /** So many tries fail. */
      fails: small(3),
      retries: small(2),
      undoFails: Schema.Boolean,
      /** So long it goes on when it is cancelled; it may be done by then. */
      lingers: small(9)
    })
  ).check(Schema.isMinLength(1), Schema.isMaxLength(8)),
  /** Tenths of seconds between one kill and the next. */
  kills: Schema.Array(small(12)).check(Schema.isMaxLength(4)),
  cancelAt: Schema.NullOr(small(25))
})

const nameOf = (line: string): string => line.replace(/^(?:do|undo) (\S+) .*$/u, "$1")

describe("a workflow, whatever happens,", () => {
  it.effect.prop(
    "begins nothing before what it needs, does nothing twice, and undoes what was done in reverse",
    [Plan],
    ([plan]) =>
      Effect.scoped(
        Effect.gen(function* () {
          const steps = plan.steps.map(({ needs, retries }, index) =>
            step(`s${index}`, {
              needs: plan.steps.flatMap((_, other) =>
                other < index && (needs & (1 << other)) !== 0 ? [`s${other}`] : []
              ),
              retries,
              retry_delay_ms: 300
            })
          )
          const fault = { code: "command_failed", message: "exit code 1" }
          const world = yield* makeWorld(workflowInput(steps), ({ name }, times) => {
            const of = plan.steps[Number(nameOf(`${name} `).slice(1))]
            if (name.startsWith("undo")) return { takesMs: 100, ...(of?.undoFails === true ? { fault } : {}) }
            const { lingers = 0, takes = 0 } = of ?? {}
            return { takesMs: takes * 100, lingersMs: lingers * 100, ...(times <= (of?.fails ?? 0) ? { fault } : {}) }
          })

          let running = yield* world.start
          let now = 0
          for (const kill of plan.kills) {
            yield* advance(kill)
            yield* Fiber.interrupt(running)
            yield* TestClock.adjust(50)
            running = yield* world.start
          }
          function* advanceSteps(tenths: number) {
            for (let tenth = 0; tenth < tenths; tenth++) {
              if (plan.cancelAt !== null && now === plan.cancelAt) yield* world.cancel
              yield* TestClock.adjust(100)
              now += 1
            }
          }
          function advance(tenths: number) {
            return Effect.gen(() => advanceSteps(tenths))
          }
          yield* advance(30)
          const exit = yield* ended(running)

          const { told } = world
          const begun = (name: string) => told.filter((line) => line === `do ${name} begins`).length
          const isDone = (name: string) => told.includes(`do ${name} completed`)
          const undone = told.filter((line) => line.startsWith("undo") && line.endsWith("begins"))
          for (const [index, one] of steps.entries()) {
            const { name, needs, retries } = one
            const { fails } = plan.steps[index] ?? { fails: 0 }
            assert.isAtMost(begun(name), Math.min(retries, fails) + 1)
            const first = told.indexOf(`do ${name} begins`)
            if (first !== -1) for (const need of needs) assert.isBelow(told.indexOf(`do ${need} completed`), first)
            if (first !== -1) for (const need of needs) assert.isTrue(isDone(need))
          }
          if (Exit.isSuccess(exit)) {
            assert.isTrue(steps.every(({ name }) => isDone(name)))
            assert.deepStrictEqual(undone, [])
          } else {
            const done = told.filter((line) => line.startsWith("do") && line.endsWith("completed")).map(nameOf)
            assert.deepStrictEqual(undone.map(nameOf).toSorted(), done.toSorted())
            // Those that ended in one moment may be undone in either order.
            const endOf = new Map(
              world.children().map(({ endedAt, name }) => [name.replace("do ", ""), endedAt ?? 0] as const)
            )
            const ends = undone.map((line) => endOf.get(nameOf(line)) ?? 0)
            assert.deepStrictEqual(
              ends,
              ends.toSorted((a, b) => b - a)
            )
            const firstUndo = told.findIndex((line) => line.startsWith("undo"))
            if (firstUndo !== -1) assert.isTrue(told.slice(firstUndo).every((line) => line.startsWith("undo")))
            // One after the other.
            const undoing = told.filter((line) => line.startsWith("undo")).map((line) => line.endsWith("begins"))
            assert.deepStrictEqual(
              undoing,
              undoing.map((_, index) => index % 2 === 0)
            )
          }
          assert.isTrue(world.children().every(({ status }) => status !== "pending" && status !== "running"))
        })
      ),
    { arbitrary: { runs: 200 } }
  )
})
