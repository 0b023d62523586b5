/** Every kind of operation there is. One more is one line; what a kind does is loaded with its first operation. */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { makeActionKind } from "../services/actions/actionKind.ts"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import { type OperationKind, OperationKinds } from "../services/operations/OperationKinds.ts"
import { OperationStore } from "../services/operations/OperationStore.ts"
import { Inventory } from "../services/provisioning/Inventory.ts"
import { makeProvisioningKinds } from "../services/provisioning/provisioningKinds.ts"
import { makeUnitControlKind } from "../services/units/unitControl.ts"
import { makeWorkflowKind } from "../services/workflows/workflowKind.ts"

export const operationKinds = (environment: Readonly<Record<string, string | undefined>>) =>
  Layer.effect(
    OperationKinds,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const inventory = yield* Inventory
      const store = yield* OperationStore
      const kinds: ReadonlyArray<OperationKind> = [
        yield* makeActionKind,
        yield* makeUnitControlKind,
        ...makeProvisioningKinds({ config, environment, inventory, operations: store }),
        makeWorkflowKind({ config, inventory, store })
      ]
      return new Map(kinds.map((kind) => [kind.kind, kind]))
    })
  )
