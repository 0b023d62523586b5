/**
 * A daemon's operations as a workflow sees them: a store that outlives runs, a journal of what runs were answered, and
 * operations that do what the test says. Runs are started, cut off as a kill would, and started again on what is left.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as WorkflowEngine from "effect/workflow/WorkflowEngine"
import * as Workflow from "effect/workflow/Workflow"
import { TestClock } from "effect/testing"
import { childId } from "../../../src/services/operations/childId.ts"
import {
  isFinal,
  type Json,
  type NewOperation,
  type Operation,
  OperationFailed,
  type OperationFault
} from "../../../src/services/operations/Operation.ts"
import type { ChildOptions, OperationContext } from "../../../src/services/operations/OperationKinds.ts"
import { idOf } from "../../../src/services/provisioning/lifecycle.ts"
import type { Server, Taskserv } from "../../../src/services/provisioning/Inventory.ts"
import { runWorkflow } from "../../../src/services/workflows/runWorkflow.ts"
import { StepState } from "../../../src/services/workflows/stepStates.ts"
import type { PlannedStep, WorkflowInput } from "../../../src/services/workflows/WorkflowInput.ts"

type Task = Pick<NewOperation, "kind" | "name" | "input">

/** What an operation does; undefined: it succeeds at once. */
export interface Behaviour {
  readonly takesMs?: number
  readonly result?: Json
  readonly fault?: OperationFault
  /** It is not cancelled before this has passed. */
  readonly lingersMs?: number
  /** A create that fails or is cancelled leaves its row. */
  readonly leaves?: boolean
  /** It cannot even be asked for. */
  readonly refused?: string
}

export const step = (name: string, rest: Partial<PlannedStep> = {}): PlannedStep => ({
  name,
  action: rest.operation === undefined || rest.operation === null ? `do ${name}` : null,
  operation: null,
  input: {},
  count: null,
  needs: [],
  retries: 0,
  retry_delay_ms: 1000,
  timeout_ms: 60_000,
  compensate: { action: `undo ${name}`, input: {} },
  ...rest
})

export const workflowInput = (steps: ReadonlyArray<PlannedStep>, rest: Partial<WorkflowInput> = {}): WorkflowInput => ({
  workspace: "production",
  workflow_type: "test",
  parameters: {},
  check_mode: false,
  timeout_ms: 3_600_000,
  steps,
  ...rest
})

const parentId = "11111111-2222-4333-8444-555555555555"

export const makeWorld = Effect.fnUntraced(function* (
  input: WorkflowInput,
  behaviour: (task: Task, times: number) => Behaviour | undefined = () => undefined
) {
  const scope = yield* Effect.scope
  const operations = new Map<string, Operation>()
  const ends = new Map<string, Deferred.Deferred<void>>()
  const journal = new Map<string, Operation>()
  const rows = new Set<string>()
  const asked = new Map<string, number>()
  /** Begin and end of each operation, and every line that was said. */
  const told: Array<string> = []
  const lines: Array<string> = []
  const cancelled = yield* Deferred.make<void>()
  let progress: readonly [number | null, string | null] = [null, null]
  let seq = 0

  const change = (id: string, members: Partial<Operation>) => {
    const known = operations.get(id)
    if (known !== undefined) operations.set(id, { ...known, ...members })
  }
  const insert = (id: string, task: Task, parent: string | null, now: number) => {
    seq += 1
    operations.set(id, {
      ...task,
      id,
      seq,
      parent,
      who: "admin",
      why: null,
      idempotency: null,
      status: "pending",
      progress: null,
      progressText: null,
      result: null,
      error: null,
      createdAt: now,
      updatedAt: now,
      startedAt: null,
      endedAt: null,
      cancelRequestedAt: null,
      cancelRequestedBy: null
    })
    ends.set(id, Deferred.makeUnsafe())
  }
  const started = yield* Clock.currentTimeMillis
  insert(parentId, { kind: "workflow", name: input.workflow_type, input }, null, started)
  change(parentId, { status: "running", startedAt: started })

  const end = Effect.fnUntraced(function* (id: string, members: Partial<Operation>) {
    const now = yield* Clock.currentTimeMillis
    if (isFinal(operations.get(id)?.status ?? "failed")) return
    change(id, { ...members, endedAt: now, updatedAt: now })
    told.push(`${operations.get(id)?.name} ${members.status}`)
    const done = ends.get(id)
    if (done !== undefined) yield* Deferred.succeed(done, undefined)
  })

  /** An operation, which knows nothing of runs that are cut off. */
  const perform = Effect.fnUntraced(function* (
    id: string,
    task: Task,
    does: Behaviour,
    ending: Deferred.Deferred<void>
  ) {
    change(id, { status: "running", startedAt: yield* Clock.currentTimeMillis })
    told.push(`${task.name} begins`)
    const made = idOf(task.kind === "taskserv.create" ? "tsk" : "srv", id)
    if (task.kind.endsWith(".create")) rows.add(made)
    const work = Effect.as(Effect.sleep(does.takesMs ?? 0), "done" as const)
    const stop = Effect.as(Effect.andThen(Deferred.await(ending), Effect.sleep(does.lingersMs ?? 0)), "ended" as const)
    const how = yield* Effect.raceFirst(work, stop)
    if (how === "ended") {
      if (does.leaves !== true) rows.delete(made)
      return yield* end(id, { status: "cancelled", error: { code: "cancelled", message: "it was cancelled" } })
    }
    if (does.fault !== undefined) {
      if (does.leaves !== true) rows.delete(made)
      return yield* end(id, { status: "failed", error: does.fault })
    }
    if (task.kind.endsWith(".delete") && !rows.delete(removedBy(task))) {
      return yield* end(id, { status: "failed", error: { code: "not_found", message: `there is no ${task.name}` } })
    }
    const called = task.name.replace(/^.*\//u, "")
    const result =
      task.kind === "server.create"
        ? { server_id: made, hostname: called, ip_address: "10.0.0.1", workspace: "production" }
        : task.kind === "taskserv.create"
          ? { taskserv_id: made, name: called, workspace: "production", servers: [] }
          : (does.result ?? { exit_code: 0, duration_ms: 1, stdout: { head: `${task.name}\n`, tail: "" } })
    yield* end(id, { status: "completed", result })
  })

  const endings = new Map<string, Deferred.Deferred<void>>()

  const child = (
    name: string,
    task: Task,
    { cancelWhen = () => Effect.never, keep = false }: ChildOptions = {}
  ): Effect.Effect<Operation, OperationFailed> =>
    Effect.gen(function* () {
      const known = journal.get(name)
      if (known !== undefined) return known
      if (!keep && Deferred.isDoneUnsafe(cancelled)) {
        return yield* new OperationFailed({ code: "cancelled", message: "it was cancelled" })
      }
      const id = childId(parentId, name)
      if (!operations.has(id)) {
        const times = (asked.get(`${task.kind} ${task.name}`) ?? 0) + 1
        asked.set(`${task.kind} ${task.name}`, times)
        const does = behaviour(task, times) ?? {}
        if (does.refused !== undefined) {
          return yield* new OperationFailed({ code: "not_started", message: does.refused })
        }
        insert(id, task, parentId, yield* Clock.currentTimeMillis)
        const ending = Deferred.makeUnsafe<void>()
        endings.set(id, ending)
        yield* Effect.forkIn(perform(id, task, does, ending), scope)
      }
      const made = operations.get(id)
      const ended = ends.get(id)
      const ending = endings.get(id)
      if (made === undefined || ended === undefined || ending === undefined) return yield* Effect.die("lost")
      const unwanted = Effect.raceFirst(keep ? Effect.never : Deferred.await(cancelled), cancelWhen(made))
      yield* Effect.raceFirst(
        Deferred.await(ended),
        Effect.andThen(unwanted, Effect.andThen(Deferred.succeed(ending, undefined), Deferred.await(ended)))
      )
      const last = operations.get(id) ?? made
      journal.set(name, last)
      return last
    })

  const context: OperationContext = {
    command: () => Effect.die("a workflow runs no command"),
    once: () => Effect.die("not asked for"),
    child,
    progress: (fraction, text) =>
      Effect.sync(() => {
        progress = [fraction, text]
      }),
    say: (line) => Effect.sync(() => lines.push(line)),
    isCancelled: Effect.sync(() => Deferred.isDoneUnsafe(cancelled)),
    cancelled: Deferred.await(cancelled),
    untilStop: Effect.never
  }
  const server = (id: string): Server | null =>
    rows.has(id)
      ? {
          id,
          workspace: "production",
          hostname: "x",
          provider: "p",
          plan: "s",
          zone: null,
          ipAddress: null,
          status: "failed",
          tags: [],
          operation: id,
          createdAt: 0,
          updatedAt: 0
        }
      : null
  const taskserv = (id: string): Taskserv | null =>
    rows.has(id)
      ? {
          id,
          workspace: "production",
          name: "x",
          servers: [],
          status: "failed",
          operation: id,
          createdAt: 0,
          updatedAt: 0
        }
      : null
  const run = runWorkflow({
    store: {
      children: (parent) => Effect.sync(() => [...operations.values()].filter((one) => one.parent === parent))
    },
    inventory: {
      server: (id) => Effect.sync(() => server(id)),
      taskserv: (id) => Effect.sync(() => taskserv(id))
    }
  })
  const instance = WorkflowEngine.WorkflowInstance.initial(
    Workflow.make("test", { payload: {}, idempotencyKey: () => "" }),
    parentId
  )
  const once = Effect.suspend(() => run(operations.get(parentId) ?? fail("no parent"), context)).pipe(
    Effect.provideService(WorkflowEngine.WorkflowInstance, instance),
    Effect.provide(WorkflowEngine.layerMemory)
  )

  return {
    /** Runs it as far as the time goes; the clock is the test's. */
    start: Effect.tap(Effect.forkIn(once, scope), () => TestClock.adjust(0)),
    /** As the actor does it. */
    cancel: Effect.gen(function* () {
      change(parentId, { cancelRequestedAt: yield* Clock.currentTimeMillis, cancelRequestedBy: "admin" })
      yield* Deferred.succeed(cancelled, undefined)
    }),
    /** From beginning to end, with the clock advanced until it is over. */
    toEnd: Effect.gen(function* () {
      const fiber = yield* Effect.forkIn(once, scope)
      yield* TestClock.adjust(0)
      return yield* ended(fiber)
    }),
    /** Somebody cancels one of its operations, and not the whole. */
    cancelChild: (name: string) =>
      Effect.suspend(() => {
        const id = [...operations.values()].find((one) => one.name === name)?.id ?? ""
        const ending = endings.get(id)
        return ending === undefined ? Effect.die(`no ${name}`) : Deferred.succeed(ending, undefined)
      }),
    replaceInput: (input: Json) => change(parentId, { input }),
    children: () => [...operations.values()].filter(({ parent }) => parent === parentId),
    parent: () => operations.get(parentId) ?? fail("no parent"),
    rows,
    told,
    lines,
    asked,
    progress: () => progress
  }
})

const Removal = Schema.Struct({
  server_id: Schema.optionalKey(Schema.String),
  taskserv_id: Schema.optionalKey(Schema.String)
})

const removedBy = ({ input }: Task): string => {
  const { server_id, taskserv_id } = Schema.decodeUnknownSync(Removal)(input)
  return server_id ?? taskserv_id ?? ""
}

const fail = (why: string): never => {
  throw new Error(why)
}

/** Advances the clock until it is over: in small steps, because what wakes in one sees the time at its end. */
export const ended = Effect.fnUntraced(function* <A, E>(fiber: Fiber.Fiber<A, E>, stepMs = 100) {
  for (let steps = 0; steps < 2000 && fiber.pollUnsafe() === undefined; steps++) yield* TestClock.adjust(stepMs)
  const exit = fiber.pollUnsafe()
  return exit === undefined ? yield* Effect.die(new Error("it does not end")) : exit
})

/** How it failed. */
export const failureOf = (exit: Exit.Exit<Json, OperationFailed>): OperationFailed => {
  const error = Exit.isFailure(exit) ? exit.cause.reasons.find((reason) => reason._tag === "Fail")?.error : undefined
  if (error === undefined) throw new Error(`it did not fail: ${JSON.stringify(exit)}`)
  return error
}

const Summary = Schema.Struct({ steps: Schema.Array(StepState) })

/** What is kept of its steps, by name. */
export const statusesOf = ({ result }: OperationFailed): Readonly<Record<string, string>> =>
  Object.fromEntries(Schema.decodeUnknownSync(Summary)(result).steps.map(({ name, status }) => [name, status]))
