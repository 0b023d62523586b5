import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { builtIns, workflowOf, workflowTypes } from "../../../src/services/workflows/builtInWorkflows.ts"
import { planFaults } from "../../../src/services/workflows/checkPlan.ts"
import { ancestors, findCycle, inOrder, type Node } from "../../../src/services/workflows/graph.ts"
import { planWorkflow } from "../../../src/services/workflows/planWorkflow.ts"
import { WorkflowInput } from "../../../src/services/workflows/WorkflowInput.ts"
import { configOf } from "../config/support.ts"

const small = (max: number) => Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: max }))

/** Any graph of up to eight: a bit for each other. */
const Graph = Schema.Array(small(255)).check(Schema.isMaxLength(8))

const nodesOf = (graph: ReadonlyArray<number>): ReadonlyArray<Node> =>
  graph.map((bits, index) => ({
    name: `n${index}`,
    needs: graph.flatMap((_, other) => ((bits & (1 << other)) === 0 ? [] : [`n${other}`]))
  }))

/** By trying: whether one comes back to where it began. */
const isReached = (nodes: ReadonlyArray<Node>, from: string, to: string): boolean => {
  const seen = new Set<string>()
  const look = (name: string): boolean =>
    (nodes.find((node) => node.name === name)?.needs ?? []).some((need) => {
      if (need === to) return true
      if (seen.has(need)) return false
      seen.add(need)
      return look(need)
    })
  return look(from)
}

describe("what needs what", () => {
  it.effect.prop(
    "has an order, or a cycle that is named",
    [Graph],
    ([graph]) =>
      Effect.sync(() => {
        const nodes = nodesOf(graph)
        const cycle = findCycle(nodes)
        const isCyclic = nodes.some(({ name }) => isReached(nodes, name, name))
        assert.strictEqual(cycle !== undefined, isCyclic)
        if (cycle !== undefined) {
          assert.strictEqual(cycle[0], cycle.at(-1))
          for (const [index, name] of cycle.slice(0, -1).entries()) {
            assert.include(nodes.find((node) => node.name === name)?.needs ?? [], cycle[index + 1] ?? "none")
          }
          return
        }
        const order = inOrder(nodes).map(({ name }) => name)
        assert.deepStrictEqual(order.toSorted(), nodes.map(({ name }) => name).toSorted())
        for (const { name, needs } of nodes) {
          for (const need of needs) assert.isBelow(order.indexOf(need), order.indexOf(name))
        }
        const before = ancestors(nodes)
        for (const { name } of nodes) {
          for (const other of nodes) {
            assert.strictEqual(before.get(name)?.has(other.name), isReached(nodes, name, other.name))
          }
        }
      }),
    { arbitrary: { runs: 300 } }
  )
})

const config = `
[actions.copy]
argv = ["/bin/cp"]
args = [{ name = "path", pattern = "/[a-z]+" }, { name = "deep", type = "bool", default = false }]

[workflows.w]
parameters = [
  { name = "path" },
  { name = "many", type = "int", min = 0, max = 2000, default = 2 },
  { name = "deep", type = "bool", default = true },
  { name = "size", type = "enum", values = ["s", "l"], default = "s" }
]
steps = [
  { name = "copy", action = "copy", input = { path = { parameter = "path" }, deep = { parameter = "deep" } }, compensate = "copy" },
  { name = "make", operation = "server.create", count = { parameter = "many" }, needs = ["copy"], input = { hostname = "web", provider = "p", plan = { parameter = "size" }, tags = ["x", { parameter = "size" }] } },
  { name = "more", operation = "server.create", count = 400, input = { hostname = "app", provider = "p", plan = "s" } }
]
`

const decodeInput = Schema.decodeUnknownSync(WorkflowInput)

const planOf = Effect.fnUntraced(function* (parameters: Readonly<Record<string, unknown>>) {
  const { actions, workflows } = yield* configOf(config)
  const definition = workflowOf(workflows, "w")
  if (definition === undefined) return yield* Effect.die(new Error("there is no w"))
  return { actions, plan: planWorkflow(definition, { workspace: "production", parameters, check_mode: false }) }
})

const faults = (parameters: Readonly<Record<string, unknown>>) =>
  Effect.map(planOf(parameters), ({ plan }) => (Result.isFailure(plan) ? plan.failure : []))

describe("a plan", () => {
  it.effect("has the caller's values as they are, and those that were left out", () =>
    Effect.gen(function* () {
      const { plan } = yield* planOf({ path: "/a", many: "3" })
      const input = Result.getOrThrow(plan)
      assert.deepStrictEqual(input.parameters, { path: "/a", many: 3, deep: true, size: "s" })
      assert.deepStrictEqual(
        input.steps.map(({ compensate, count, input: given }) => ({ given, count, undo: compensate?.input })),
        [
          { given: { path: "/a", deep: true }, count: null, undo: { path: "/a", deep: true } },
          { given: { hostname: "web", provider: "p", plan: "s", tags: ["x", "s"] }, count: 3, undo: undefined },
          { given: { hostname: "app", provider: "p", plan: "s" }, count: 400, undo: undefined }
        ]
      )
      // What is stored is read again.
      assert.deepStrictEqual(decodeInput(JSON.parse(JSON.stringify(input))), input)
    })
  )

  it.effect("is refused with all that is wrong", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* faults({ many: -1, deep: "maybe", size: "m", other: 1, constructor: 1 }), [
        'parameters: "other" is no parameter of w, allowed: path, many, deep, size',
        'parameters: "constructor" is no parameter of w, allowed: path, many, deep, size',
        "parameters.path: found nothing, allowed: text of at most 1024 bytes",
        "parameters.many: found -1, allowed: a whole number from 0 to 2000",
        'parameters.deep: found "maybe", allowed: true or false',
        'parameters.size: found "m", allowed: one of "s", "l"'
      ])
    })
  )

  it.effect("makes no more operations than may be, and at least one of each", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* faults({ path: "/a", many: 0 }), ["step make: its count is 0, allowed: 1 to 1000"])
      assert.deepStrictEqual(yield* faults({ path: "/a", many: 1001 }), [
        "step make: its count is 1001, allowed: 1 to 1000"
      ])
      assert.deepStrictEqual(yield* faults({ path: "/a", many: 600 }), [
        "all counts together make 1001 operations, allowed: 1000"
      ])
      assert.deepStrictEqual(yield* faults({ path: "/a", many: 599 }), [])
    })
  )

  it.effect("is held against what actions and operations take", () =>
    Effect.gen(function* () {
      const { actions, plan } = yield* planOf({ path: "$(id)" })
      const input = Result.getOrThrow(plan)
      assert.deepStrictEqual(planFaults(input, actions), [
        'step copy: argument "path": found "$(id)", allowed: text of at most 1024 bytes that matches /[a-z]+'
      ])
      assert.deepStrictEqual(planFaults(input, new Map()), ['step copy: there is no action "copy"'])
      const odd = {
        ...input,
        steps: input.steps.map((one) =>
          one.name === "more" ? { ...one, input: { ...one.input, hostname: "-x" } } : one
        )
      }
      assert.match(planFaults(odd, actions).at(-1) ?? "", /^step more: hostname: .*host name/u)
    })
  )
})

describe("the built-in workflow", () => {
  it("is made of sound parts", () => {
    for (const definition of builtIns.values()) {
      assert.isUndefined(findCycle(definition.steps))
      const given = { cluster_name: "a".repeat(59), node_count: 256 }
      const plan = Result.getOrThrow(planWorkflow(definition, { workspace: "w", parameters: given, check_mode: false }))
      assert.deepStrictEqual(planFaults(plan, new Map()), [])
    }
  })

  it.effect("gives way to a configured one of its name", () =>
    Effect.gen(function* () {
      const { workflows } = yield* configOf(
        '[actions.x]\nargv = ["/bin/true"]\n[[workflows.cluster_create.steps]]\nname = "a"\naction = "x"'
      )
      assert.deepStrictEqual(
        workflowOf(workflows, "cluster_create")?.steps.map(({ name }) => name),
        ["a"]
      )
      assert.deepStrictEqual(workflowTypes(workflows), ["cluster_create"])
      assert.isUndefined(workflowOf(workflows, "constructor"))
    })
  )
})
