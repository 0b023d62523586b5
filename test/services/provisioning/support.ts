/**
 * Operations that provision, without the engine: the stored inventory in memory, and a context whose journal outlives the run, so
 * that a run can be ended at any step, as a kill ends it, and begun again. Commands and actions are as a test tells.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import * as Cause from "effect/Cause"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowEngine, WorkflowInstance } from "effect/workflow/WorkflowEngine"
import type { RunResult } from "../../../src/services/commands/Executor.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import { childId } from "../../../src/services/operations/childId.ts"
import {
  isFinal,
  type Json,
  type NewOperation,
  type Operation,
  OperationFailed
} from "../../../src/services/operations/Operation.ts"
import type { OperationCommand, OperationContext } from "../../../src/services/operations/OperationKinds.ts"
import { makeProvisioningKinds } from "../../../src/services/provisioning/provisioningKinds.ts"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { steppedInventory } from "../../harness/steppedInventory.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"

/** The daemon was killed. */
export class Killed extends Data.TaggedError("Killed")<{}> {}

export interface WorldOptions {
  /** TOML. */
  readonly config?: string
  /** In place of the real command. */
  readonly command?: (request: OperationCommand) => Effect.Effect<RunResult, OperationFailed>
  /** What becomes of an operation that another asks for. */
  readonly child?: (child: Pick<NewOperation, "kind" | "name" | "input">) => Partial<Operation>
  readonly environment?: Readonly<Record<string, string>>
}

export const operation = (id: string, kind: string, input: Json, rest: Partial<Operation> = {}): Operation => ({
  id,
  kind,
  name: "",
  input,
  who: "alice",
  why: null,
  parent: null,
  idempotency: null,
  seq: 1,
  status: "running",
  progress: null,
  progressText: null,
  result: null,
  error: null,
  createdAt: 0,
  updatedAt: 0,
  startedAt: 0,
  endedAt: null,
  cancelRequestedAt: null,
  cancelRequestedBy: null,
  ...rest
})

export const ran = (stdout: string, rest: Partial<RunResult> = {}): RunResult => ({
  exit: { _tag: "Exited", code: 0 },
  timedOut: false,
  endedEarly: false,
  durationMs: 1,
  pid: 1,
  startedAt: 0,
  stdout: { head: stdout, tail: "", bytes: stdout.length, sha256: "", truncated: false },
  stderr: { head: "", tail: "", bytes: 0, sha256: "", truncated: false },
  ...rest
})

interface Entry {
  readonly exit: Exit.Exit<unknown, OperationFailed> | undefined
}

export const makeWorld = Effect.fnUntraced(function* (options: WorldOptions = {}) {
  const folder = yield* temporaryFolder
  const path = join(folder, "systemapi-config.toml")
  yield* Effect.promise(() => writeFile(path, options.config ?? ""))
  const { config } = yield* load(path, {})
  const journals = new Map<string, Map<string, Entry>>()
  const operations = new Map<string, Operation>()
  const cancelled = new Set<string>()
  const progress: Array<readonly [number | null, string | null]> = []
  const said: Array<string> = []
  let commands = 0
  let steps = 0
  let killAt = Number.POSITIVE_INFINITY

  /** What has happened before it is known; what is to happen after it does not, of a daemon that is killed here. */
  const step = Effect.suspend(() => {
    steps += 1
    return steps === killAt ? Effect.die(new Killed()) : Effect.void
  })
  const inventory = yield* steppedInventory(step)

  const contextOf = ({ id }: Operation): OperationContext => {
    const journal = journals.get(id) ?? new Map<string, Entry>()
    journals.set(id, journal)
    const known = <A>(
      key: string,
      again: boolean,
      effect: Effect.Effect<A, OperationFailed>,
      is: (value: unknown) => value is A
    ) =>
      Effect.gen(function* () {
        const entry = journal.get(key)
        if (entry?.exit !== undefined) {
          const value = yield* entry.exit
          return is(value) ? value : yield* Effect.die(new Error(`the journal has something else under ${key}`))
        }
        if (entry !== undefined && !again) {
          return yield* new OperationFailed({ code: "interrupted_by_restart", message: "the daemon ended meanwhile" })
        }
        yield* step
        journal.set(key, { exit: undefined })
        yield* step
        const exit = yield* Effect.exit(effect)
        if (Exit.isFailure(exit) && Cause.hasDies(exit.cause)) return yield* exit
        yield* step
        journal.set(key, { exit })
        yield* step
        return yield* exit
      })
    return {
      once: (name, effect, { again }) => known(`once/${name}`, again, effect, isJson),
      command: (request, { again }) =>
        known(
          "command",
          again,
          Effect.suspend(() => {
            commands += 1
            return (options.command ?? spawned)(request)
          }),
          isRunResult
        ),
      child: (name, child) =>
        Effect.suspend(() => {
          const childs = childId(id, name)
          const there = operations.get(childs)
          if (there !== undefined) return Effect.succeed(there)
          const ended = operation(childs, child.kind, child.input, {
            ...child,
            parent: id,
            status: "completed",
            ...options.child?.(child)
          })
          return Effect.andThen(
            step,
            Effect.andThen(
              Effect.sync(() => void operations.set(childs, ended)),
              Effect.as(step, ended)
            )
          )
        }),
      progress: (fraction, text) => Effect.sync(() => void progress.push([fraction, text])),
      say: (line) => Effect.sync(() => void said.push(line)),
      isCancelled: Effect.sync(() => cancelled.has(id)),
      cancelled: Effect.never,
      untilStop: Effect.never
    }
  }

  const kinds = new Map(
    makeProvisioningKinds({
      config: yield* Effect.provide(CurrentConfig, CurrentConfig.layer(config)),
      inventory,
      operations: { get: (id) => Effect.sync(() => operations.get(id) ?? null) },
      environment: options.environment ?? { PATH: process.env["PATH"] }
    }).map((kind) => [kind.kind, kind])
  )

  /** As the engine runs it; how it ended is kept, but for a kill. */
  const run = (asked: Operation): Effect.Effect<Json, OperationFailed> =>
    Effect.gen(function* () {
      const kind = kinds.get(asked.kind)
      if (kind === undefined) return yield* Effect.die(new Error(`no kind ${asked.kind}`))
      operations.set(asked.id, asked)
      const exit = yield* Effect.exit(kind.run(asked, contextOf(asked)))
      const dies = Exit.isFailure(exit) && Cause.hasDies(exit.cause)
      if (!dies) operations.set(asked.id, { ...asked, status: Exit.isSuccess(exit) ? "completed" : "failed" })
      return yield* exit
    }).pipe(Effect.provide(noEngine))

  return {
    folder,
    inventory,
    kinds,
    run,
    /** What it fails with. */
    fails: (asked: Operation) => Effect.flip(run(asked)),
    operations,
    progress,
    said,
    commands: () => commands,
    cancel: (id: string) => void cancelled.add(id),
    /** How many steps `effect` has. */
    stepsOf: <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.suspend(() => {
        steps = 0
        return Effect.map(Effect.exit(effect), () => steps)
      }),
    /** As if the daemon were killed at this step of it. */
    killed: <A, E>(at: number, effect: Effect.Effect<A, E>) =>
      Effect.suspend(() => {
        steps = 0
        killAt = at
        return Effect.map(Effect.exit(effect), (exit) => {
          killAt = Number.POSITIVE_INFINITY
          return Exit.isFailure(exit) && Cause.squash(exit.cause) instanceof Killed
        })
      }),
    /** Of an operation that no run of this process has in hand. */
    isOver: (id: string) => isFinal(operations.get(id)?.status ?? "pending")
  }
})

/** The context of these tests is no engine's; whoever asks for one dies. */
const noEngine = Layer.merge(
  Layer.mock(WorkflowEngine, {}),
  Layer.sync(WorkflowInstance, () =>
    WorkflowInstance.initial(Workflow.make("none", { payload: {}, idempotencyKey: () => "" }), "")
  )
)

const isJson = (value: unknown): value is Json => value !== undefined

const isRunResult = (value: unknown): value is RunResult =>
  typeof value === "object" && value !== null && "pid" in value

/** The program itself, without the executor. */
const spawned = ({
  argv: [program, ...args],
  env,
  onLine
}: OperationCommand): Effect.Effect<RunResult, OperationFailed> =>
  Effect.gen(function* () {
    const child = spawn(program, args, { env, stdio: ["ignore", "pipe", "pipe"] })
    const lines: Array<string> = []
    const errors: Array<string> = []
    createInterface(child.stdout).on("line", (line) => lines.push(line))
    createInterface(child.stderr).on("line", (line) => errors.push(line))
    const [code, signal] = yield* Effect.promise(async () => {
      const [ended] = await Promise.all([once(child, "exit"), once(child.stdout, "close"), once(child.stderr, "close")])
      return ended
    })
    for (const line of lines) yield* onLine?.(line) ?? Effect.void
    const stderr = errors.map((line) => `${line}\n`).join("")
    return ran(lines.map((line) => `${line}\n`).join(""), {
      exit: signal === null ? { _tag: "Exited", code: Number(code) } : { _tag: "Signaled", signal: String(signal) },
      stderr: { head: stderr, tail: "", bytes: stderr.length, sha256: "", truncated: false }
    })
  })
