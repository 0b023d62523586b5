/**
 * `new_event`, fsynced before it is answered, over 256 connections, against a bare node:http server that answers "ok"
 * and keeps nothing.
 */
import { alternate, type Line, load, throughputLine } from "./harness.ts"
import { startBare, startDaemon, withServers } from "./servers.ts"

const connections = 256
const path = "/api/v1/new_event?message=the+quick+brown+fox+jumps+over+the+lazy+dog"

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const daemon = startDaemon()
  const bare = startBare("ok")
  return withServers([daemon, bare], async (ours, theirs) => [
    throughputLine(
      { path: "new_event", unit: "events/s", wanted: { of: "ratio", least: 0.55 } },
      await alternate(
        () => load(daemon, { url: `${ours}${path}`, connections }),
        () => load(bare, { url: `${theirs}${path}`, connections })
      )
    )
  ])
}
