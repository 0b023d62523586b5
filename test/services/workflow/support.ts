/** The embedded engine over a journal in memory, and what workflows under test have in common. */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Workflow from "effect/workflow/Workflow"
import { WorkflowEngine } from "effect/workflow/WorkflowEngine"
import type { JournalEntry } from "../../../src/services/operations/OperationStore.ts"
import { type EmbeddedEngine, makeEmbeddedEngine } from "../../../src/services/workflow/EmbeddedEngine.ts"
import { exitCodec } from "../../../src/services/workflow/exits.ts"
import type { JournalStore } from "../../../src/services/workflow/Journal.ts"

export class Refused extends Schema.TaggedError<Refused>()("Refused", { what: Schema.String }) {}

export const Whole = Workflow.make("whole", {
  payload: { id: Schema.String },
  idempotencyKey: ({ id }) => id,
  success: Schema.Json,
  error: Refused
})

export const makeJournals = () => {
  const entries = new Map<string, JournalEntry>()
  const store: JournalStore = {
    journal: (operation) => Effect.sync(() => [...entries.values()].filter((entry) => entry.operation === operation)),
    note: (entry) => Effect.sync(() => void entries.set(`${entry.operation} ${entry.key}`, entry))
  }
  return { entries, store }
}

/** Dies at its `changes`-th change: `before` it is there, or after; then nothing is answered any more. */
export const mortal = (store: JournalStore, changes: number, when: "before" | "after") => {
  let left = changes
  const dead = () => left <= 0
  const mortalStore: JournalStore = {
    journal: (operation) => Effect.suspend(() => (dead() ? Effect.never : store.journal(operation))),
    note: (entry) =>
      Effect.suspend(() => {
        if (dead()) return Effect.never
        left -= 1
        if (!dead()) return store.note(entry)
        return when === "before" ? Effect.never : Effect.andThen(store.note(entry), Effect.never)
      })
  }
  return { store: mortalStore, dead }
}

export interface Ours {
  readonly embedded: EmbeddedEngine
  readonly context: Context.Context<WorkflowEngine>
  readonly close: Effect.Effect<void>
}

/** In a scope of its own, that is left open where a daemon is killed. */
export const makeOurs = Effect.fnUntraced(function* (
  store: JournalStore,
  workflows: Layer.Layer<never, never, WorkflowEngine> = Layer.empty
) {
  const scope = yield* Scope.make()
  const embedded = yield* Scope.provide(
    makeEmbeddedEngine({ store, outcomes: exitCodec(Schema.Json, Refused), giveUp: Effect.never }),
    scope
  )
  const engine = Layer.succeed(WorkflowEngine, embedded.engine)
  const context = yield* Layer.buildWithScope(Layer.fresh(Layer.provideMerge(workflows, engine)), scope)
  const ours: Ours = { embedded, context, close: Scope.close(scope, Exit.void) }
  return ours
})

export const layerOurs: Layer.Layer<WorkflowEngine> = Layer.effect(
  WorkflowEngine,
  Effect.suspend(() => {
    const { store } = makeJournals()
    const outcomes = exitCodec(Schema.Json, Refused)
    return Effect.map(makeEmbeddedEngine({ store, outcomes, giveUp: Effect.never }), ({ engine }) => engine)
  })
)
