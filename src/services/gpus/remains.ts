/**
 * What is left of a process group that was told to end: children that ignore it, or that the kernel holds (state D), so that
 * no KILL ends them. Each is known by its number and its start, so that a stranger that gets the number later is not taken for it.
 */
import * as Effect from "effect/Effect"
import { pids, type ProcessStat, statOf } from "../operations/leftovers/procfs.ts"

export interface Remains {
  /** The living members of a group. */
  readonly of: (group: number) => Effect.Effect<ReadonlyArray<ProcessStat>>
  /** Those that live still. */
  readonly still: (known: ReadonlyArray<ProcessStat>) => Effect.Effect<ReadonlyArray<ProcessStat>>
}

/** One that has ended and was not reaped holds no device. */
const isLiving = (stat: ProcessStat | undefined): stat is ProcessStat =>
  stat !== undefined && stat.state !== "Z" && stat.state !== "X"

/** Without /proc nothing is found: then there is nothing to wait for. */
export const remainsHere: Remains = {
  of: (group) =>
    Effect.promise(async () => {
      const all = await Promise.all((await pids()).map(statOf))
      return all.filter(isLiving).filter((stat) => stat.group === group)
    }),
  still: (known) =>
    Effect.promise(async () => {
      const now = await Promise.all(known.map(({ pid }) => statOf(pid)))
      return known.filter(({ startTicks }, index) => {
        const stat = now[index]
        return isLiving(stat) && stat.startTicks === startTicks
      })
    })
}
