/** One thing that may happen next; the seed decides which, and how likely each is in this run. */
import type { Simulation } from "./Simulation.ts"

export interface Step {
  readonly name: string
  /** How often, beside the others. */
  readonly weight: number
  /** False where there is nothing to do it with. */
  readonly run: (simulation: Simulation) => boolean | void
}
