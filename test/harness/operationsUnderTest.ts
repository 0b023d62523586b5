/**
 * The actor Operations over a store in memory, with the test's own kinds, the real executor and a spawner that starts
 * nothing. Several may be started on the same store, one after the other: as a daemon that is started anew.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import * as CommandExecutor from "../../src/actors/CommandExecutor.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import * as ActorOperations from "../../src/actors/Operations.ts"
import { load } from "../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import { type Ended, Processes, type Suspect } from "../../src/services/operations/leftovers/Processes.ts"
import type { NewOperation } from "../../src/services/operations/Operation.ts"
import { type OperationKind, OperationKinds } from "../../src/services/operations/OperationKinds.ts"
import { Operations } from "../../src/services/operations/Operations.ts"
import { OperationStore } from "../../src/services/operations/OperationStore.ts"
import * as OperationsRunner from "../../src/actors/OperationsRunner.ts"
import type { ExitStatus } from "../../src/services/commands/Spawner.ts"
import { type FakeCommand, makeFakeSpawner, script } from "../services/commands/support.ts"
import type { makeMemoryOperations } from "./memoryOperations.ts"
import { mockEventLog } from "./mocks.ts"

export type Memory = ReturnType<typeof makeMemoryOperations>

export interface StartOptions {
  readonly memory: Memory
  readonly kinds: ReadonlyArray<OperationKind>
  readonly leftovers?: Effect.Effect<ReadonlyArray<Ended>>
  readonly maxPending?: number
  readonly supervisor?: Layer.Layer<Supervisor>
}

export const kindOf = (
  kind: string,
  run: OperationKind["run"],
  limits: Partial<ReturnType<OperationKind["limits"]>> = {}
): OperationKind => ({
  kind,
  limits: () => ({ group: kind, concurrency: 4, perName: 1, ...limits }),
  run
})

/** What a kind of the test asks the executor for. */
export const commandOf = (name: string) => ({
  ...script(name),
  name,
  timeout: Duration.minutes(10),
  outputGrace: Duration.millis(100),
  killGrace: Duration.seconds(2),
  concurrency: 4
})

/** The command and its group are gone. */
export const finish = (command: FakeCommand, status: ExitStatus, stdout: string) => {
  command.finishOutput(stdout)
  command.disband()
  command.end(status)
}

export const asking = (kind: string, name: string, more: Partial<NewOperation> = {}): Omit<NewOperation, "id"> => ({
  kind,
  name,
  input: null,
  who: "mara",
  why: null,
  parent: null,
  idempotency: null,
  ...more
})

export const startOperations = Effect.fnUntraced(function* (options: StartOptions) {
  const { config } = yield* load(undefined, {})
  const { memory } = options
  const spawner = yield* makeFakeSpawner
  const told: Array<string> = []
  const suspects: Array<ReadonlyArray<Suspect>> = []
  let isDead = false

  /** Nothing that a killed daemon asks for reaches the disk, and nothing is answered. */
  const alive = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
    Effect.suspend(() => (isDead ? Effect.never : effect))
  const { store } = memory
  const mortal = OperationStore.of({
    submit: (...given) => alive(store.submit(...given)),
    begin: (...given) => alive(store.begin(...given)),
    progress: (...given) => alive(store.progress(...given)),
    end: (...given) => alive(store.end(...given)),
    requestCancel: (...given) => alive(store.requestCancel(...given)),
    get: (...given) => alive(store.get(...given)),
    list: (...given) => alive(store.list(...given)),
    unfinished: (...given) => alive(store.unfinished(...given)),
    children: (...given) => alive(store.children(...given)),
    counts: alive(store.counts),
    journal: (...given) => alive(store.journal(...given)),
    note: (...given) => alive(store.note(...given)),
    output: (...given) => alive(store.output(...given)),
    keepOutput: (...given) => alive(store.keepOutput(...given)),
    prune: (...given) => alive(store.prune(...given))
  })
  const processes = Layer.succeed(Processes, {
    mark: (pid) => Effect.succeed({ pid, startTicks: `${pid}00`, bootId: "boot" }),
    endLeftovers: (found) =>
      Effect.suspend(() => {
        suspects.push(found)
        return options.leftovers ?? Effect.succeed([])
      })
  })
  const operations = { ...config.operations, max_pending: options.maxPending ?? config.operations.max_pending }
  const base = Layer.mergeAll(
    options.supervisor ?? Supervisor.layer,
    CurrentConfig.layer({ ...config, operations }),
    Layer.succeed(OperationStore, mortal),
    Layer.succeed(OperationKinds, new Map(options.kinds.map((kind) => [kind.kind, kind]))),
    mockEventLog({ record: (message) => Effect.sync(() => void told.push(message)) }),
    processes
  )
  // No promise: the test clock waits for none.
  const layer = ActorOperations.layerWith(Effect.succeed(OperationsRunner)).pipe(
    Layer.provideMerge(CommandExecutor.layer.pipe(Layer.provide(spawner.layer))),
    Layer.provideMerge(base)
  )
  const scope = yield* Scope.make()
  /** From now on it has no part in anything: it hangs where it is, and nobody waits for it. */
  const kill = Effect.sync(() => {
    isDead = true
  })
  // A stop would wait for what runs, by a clock that stands still.
  yield* Effect.addFinalizer(() => kill)
  const context = yield* Layer.buildWithScope(Layer.fresh(layer), scope)
  return {
    operations: Context.get(context, Operations),
    supervisor: Context.get(context, Supervisor),
    started: Queue.take(spawner.started),
    hasStarted: () => Queue.sizeUnsafe(spawner.started) > 0,
    told,
    suspects,
    stop: Scope.close(scope, Exit.void),
    kill
  }
})
