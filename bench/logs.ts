/** `/logs` of 10,000 events over 8 connections, against a bare node:http server that sends the same bytes from memory. */
import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { fillByPipe } from "./fill.ts"
import { alternate, type Line, load, throughputLine } from "./harness.ts"
import { startBare, startDaemon, withServers } from "./servers.ts"

const events = 10_000
const connections = 8

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const daemon = startDaemon({ general: `log_max_entries = ${events}` })
  return withServers([daemon], async (ours = "") => {
    await fillByPipe(daemon, ours, events)
    const text = await (await fetch(`${ours}/logs`)).text()
    const file = join(daemon.folder, "logs")
    writeFileSync(file, text)
    const bare = startBare("file", file)
    return withServers([bare], async (theirs) => {
      const path = `/logs of ${events.toLocaleString("en-US")}`
      const byRatio = throughputLine(
        { path, unit: "requests/s", wanted: { of: "ratio", least: 0.6 } },
        await alternate(
          () => load(daemon, { url: `${ours}/logs`, connections }),
          () => load(bare, { url: `${theirs}/`, connections })
        )
      )
      return [{ ...byRatio, wanted: { of: "ours", least: 1000 } }, byRatio]
    })
  })
}
