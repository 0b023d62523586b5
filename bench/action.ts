/** The action `echo test` over HTTP, one after another, against a bare node:http handler that spawns the same. */
import { alternate, type Line, load } from "./harness.ts"
import { startBare, startDaemon, withServers } from "./servers.ts"

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const daemon = startDaemon()
  const bare = startBare("spawn")
  return withServers([daemon, bare], async (ours, theirs) => {
    const results = await alternate(
      () => load(daemon, { url: `${ours}/api/v1/actions/echo`, connections: 1 }),
      () => load(bare, { url: `${theirs}/`, connections: 1 })
    )
    return [
      {
        path: "action echo, p50",
        unit: "ms",
        ours: results.ours.map(({ p50 }) => p50),
        bare: results.bare.map(({ p50 }) => p50),
        wanted: { of: "ratio", most: 0.8 }
      }
    ]
  })
}
