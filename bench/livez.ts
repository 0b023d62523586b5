/** `/livez` over 32 keep-alive connections, against a bare node:http server that answers "ok". */
import { alternate, type Line, load, throughputLine } from "./harness.ts"
import { startBare, startDaemon, withServers } from "./servers.ts"

const connections = 32

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const daemon = startDaemon()
  const bare = startBare("ok")
  return withServers([daemon, bare], async (ours, theirs) => [
    throughputLine(
      { path: "/livez", unit: "requests/s", wanted: { of: "ratio", least: 0.7 } },
      await alternate(
        () => load(daemon, { url: `${ours}/livez`, connections }),
        () => load(bare, { url: `${theirs}/`, connections })
      )
    )
  ])
}
