/**
 * Starts, stops and restarts of units as operations: the kind `unit.control`, with the unit's id as its name. What it does
 * is loaded with the first of them.
 *
 * Bounds: one at a time for each unit, `atOnce` of all; the others wait. systemd has a queue of its own behind that.
 */
import * as Effect from "effect/Effect"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { EventLog } from "../events/EventLog.ts"
import type { OperationKind } from "../operations/OperationKinds.ts"
import { Units } from "./Units.ts"

export const unitControlKind = "unit.control"

const atOnce = 8

export const makeUnitControlKind = Effect.gen(function* () {
  const services = { config: yield* CurrentConfig, log: yield* EventLog, units: yield* Units }
  const kind: OperationKind = {
    kind: unitControlKind,
    limits: () => ({ group: unitControlKind, concurrency: atOnce, perName: 1 }),
    run: (operation, context) =>
      Effect.flatMap(
        Effect.promise(() => import("./runControl.ts")),
        ({ runControl }) => runControl(services, operation, context)
      )
  }
  return kind
})
