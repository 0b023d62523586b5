/**
 * Actions as operations: the kind `action`, one operation for each run, with the action's name as its own. What it does is
 * loaded with the first of them.
 *
 * Bounds: of one action as many at once as it says, `atOnce` of all; the others wait.
 */
import * as Effect from "effect/Effect"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { EventLog } from "../events/EventLog.ts"
import { Instance } from "../Instance.ts"
import type { OperationKind } from "../operations/OperationKinds.ts"
import { Actions } from "./Actions.ts"

export const actionKindName = "action"

/** Each has a fiber and a process; where there are many actions, their own limits bound nothing. */
const atOnce = 256

export const makeActionKind = Effect.gen(function* () {
  const services = { actions: yield* Actions, instance: yield* Instance, log: yield* EventLog }
  const config = yield* CurrentConfig
  const kind: OperationKind = {
    kind: actionKindName,
    limits: (name) => ({
      group: actionKindName,
      concurrency: atOnce,
      perName: config.get().actions.get(name)?.concurrency ?? 1
    }),
    run: (operation, context) =>
      Effect.flatMap(
        Effect.promise(() => import("./runAction.ts")),
        ({ runAction }) => runAction(services, operation, context)
      )
  }
  return kind
})
