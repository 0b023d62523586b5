/** Operations as tests ask for them, and the store over a file of their own. */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import type { KeptOutput } from "../../../src/services/commands/OutputLog.ts"
import type { NewOperation } from "../../../src/services/operations/Operation.ts"
import type { OperationQuery } from "../../../src/services/operations/Operations.ts"
import { type Ending, type JournalEntry, OperationStore } from "../../../src/services/operations/OperationStore.ts"
import { storedLayer } from "../../../src/services/operations/storedLayer.ts"
import { Inventory } from "../../../src/services/provisioning/Inventory.ts"
import { layerAt } from "../../../src/services/storage/OperationsStorageHere.ts"

/** Without the bytes of output, of which each test knows its own. */
export const countsOf = ({ counts }: OperationStore["Service"]) =>
  Effect.map(counts, ({ pending, running, total }) => ({ pending, running, total }))

export const askedOf = (id: string, more: Partial<NewOperation> = {}): NewOperation => ({
  id,
  kind: "action",
  name: "backup",
  input: { depth: 1 },
  who: "ann",
  why: null,
  parent: null,
  idempotency: null,
  ...more
})

export const completed: Ending = { status: "completed", result: null, error: null, output: null }

export const entryOf = (operation: string, key: string, more: Partial<JournalEntry> = {}): JournalEntry => ({
  operation,
  key,
  begunAt: 1,
  exit: null,
  process: null,
  ...more
})

/** Of stdout, from the first byte on. */
export const outputOf = (text: string): KeptOutput => {
  const bytes = Buffer.from(text)
  return {
    segments: [{ stream: "stdout", offset: 0, bytes: Uint8Array.from(bytes) }],
    bytes: bytes.length,
    stdoutBytes: bytes.length,
    stderrBytes: 0,
    sha256: "0".repeat(64)
  }
}

export const queryOf = (more: Partial<OperationQuery> = {}): OperationQuery => ({
  statuses: null,
  kind: null,
  who: null,
  before: null,
  limit: 100,
  ...more
})

/** As many as anybody may want. */
export const many = 1_000_000

/** The stores over this file until `close`, or until the test ends. */
export const openAt = Effect.fnUntraced(function* (path: string) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const layer = Layer.fresh(storedLayer.pipe(Layer.provide(layerAt(path))))
  const context = yield* Layer.buildWithScope(layer, scope)
  return {
    store: Context.get(context, OperationStore),
    inventory: Context.get(context, Inventory),
    close: Scope.close(scope, Exit.void)
  }
})
