/** What the parts of the embedded engine share: its executions, how they are written down, and whether it goes on. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import type { Execution, Registered } from "./Execution.ts"
import { encodedExits, type ExitCodec } from "./exits.ts"
import type { Journal, JournalStore } from "./Journal.ts"

export interface EngineOptions {
  readonly store: JournalStore
  /** Of the errors of its workflows. */
  readonly outcomes: ExitCodec
  /** Completes when what is not on disk by now does not count: the stop has waited long enough. */
  readonly giveUp: Effect.Effect<void>
}

export interface EngineState extends EngineOptions {
  /** What outlives a run and not the engine. */
  readonly scope: Scope.Scope
  readonly workflows: Map<string, Registered>
  readonly executions: Map<string, Execution>
  /** Completed when no activity is to begin any more. */
  readonly halting: Deferred.Deferred<void>
  readonly isHalted: () => boolean
  /** Also where nothing can be interrupted; whoever has to give up ends as if it had been. */
  readonly written: <A>(effect: Effect.Effect<A>) => Effect.Effect<A>
  readonly note: (execution: Execution, key: string, entry: Parameters<Journal["note"]>[1]) => Effect.Effect<void>
  readonly noteExit: (
    execution: Execution,
    key: string,
    exit: Exit.Exit<unknown, unknown>,
    codec?: ExitCodec
  ) => Effect.Effect<void>
}

export const makeEngineState = Effect.fnUntraced(function* (
  options: EngineOptions
): Effect.fn.Return<EngineState, never, Scope.Scope> {
  const halting = yield* Deferred.make<void>()
  const written: EngineState["written"] = (effect) =>
    Effect.raceFirst(effect, Effect.andThen(options.giveUp, Effect.interrupt))
  const note: EngineState["note"] = ({ journal }, key, entry) => written(journal.note(key, entry))
  return {
    ...options,
    scope: yield* Effect.scope,
    workflows: new Map(),
    executions: new Map(),
    halting,
    isHalted: () => Deferred.isDoneUnsafe(halting),
    written,
    note,
    noteExit: Effect.fnUntraced(function* (execution, key, exit, codec = encodedExits) {
      const process = execution.journal.get(key)?.process ?? null
      yield* note(execution, key, { exit: yield* codec.encode(exit), process })
    })
  }
})
