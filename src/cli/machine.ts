/** The state of the machine: what is asked of its tools, and the actors that watch it. */
import * as Layer from "effect/Layer"
import * as GpuWatch from "../actors/GpuWatch.ts"
import * as UnitWatch from "../actors/UnitWatch.ts"
import { DiskSpace } from "../services/disk/DiskSpace.ts"
import { Gpus } from "../services/gpus/Gpus.ts"
import { Host } from "../services/host/Host.ts"
import { Power } from "../services/host/Power.ts"
import { Journal } from "../services/journal/Journal.ts"
import { Units } from "../services/units/Units.ts"

/** What can be asked. */
const state = Layer.mergeAll(
  Units.layer,
  Gpus.layer,
  DiskSpace.layer.pipe(Layer.provideMerge(Host.layer())),
  Power.layer
).pipe(Layer.provideMerge(Journal.layer))

/** Needs the executor, the event log and the configuration. */
export const machine = Layer.mergeAll(UnitWatch.layer, GpuWatch.layer).pipe(Layer.provideMerge(state))
