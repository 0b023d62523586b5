/**
 * 50 events after a random seq, one query after another, in a log of a million events; the other side is the same in a
 * log of a thousand, which all of memory holds.
 */
import { fillByPipe } from "./fill.ts"
import { alternate, type Line, load } from "./harness.ts"
import { startDaemon, withServers } from "./servers.ts"

const many = 1_000_000
const few = 1000
const page = 50

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const large = startDaemon()
  const small = startDaemon()
  return withServers([large, small], async (inLarge = "", inSmall = "") => {
    await fillByPipe(large, inLarge, many)
    await fillByPipe(small, inSmall, few)
    const url = `/api/v1/events?after={n}&limit=${page}`
    const { bare, ours } = await alternate(
      () => load(large, { url: inLarge + url, connections: 1, below: many - page }),
      () => load(small, { url: inSmall + url, connections: 1, below: few - page })
    )
    return [
      {
        path: "query in 1 M against 1,000, p99",
        unit: "ms",
        ours: ours.map(({ p99 }) => p99),
        bare: bare.map(({ p99 }) => p99),
        wanted: { of: "ratio", below: 5 }
      }
    ]
  })
}
