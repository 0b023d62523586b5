/**
 * `POST /api/v1/events` of NDJSON, 1,000 events a request, each stored before it is answered, over 4 connections. Beside
 * it: a bare node:http server that parses each line, keeps nothing, and answers as many lines.
 */
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { newestSeq } from "./fill.ts"
import { alternate, type Line, load, throughputLine } from "./harness.ts"
import { startBare, startDaemon, temporaryFolder, withServers } from "./servers.ts"

const events = 1000
const connections = 4
const levels = ["debug", "info", "warning", "error"]

/** Messages of some 60 bytes; every third with a level, every tenth with fields. */
const body = Array.from({ length: events }, (_, n) => ({
  message: `request ${String(n).padStart(4, "0")} answered after a while by the service behind it`,
  ...(n % 3 === 0 ? { level: levels[(n / 3) % levels.length] } : {}),
  ...(n % 10 === 0 ? { fields: { status: 200, path: `/items/${n}` } } : {})
}))
  .map((event) => `${JSON.stringify(event)}\n`)
  .join("")

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const folder = temporaryFolder()
  const file = join(folder, "body")
  writeFileSync(file, body)
  const daemon = startDaemon()
  const bare = startBare("ndjson")
  const options = { connections, body: { file, type: "application/x-ndjson" } }
  try {
    return await withServers([daemon, bare], async (ours, theirs) => {
      const results = await alternate(
        () => load(daemon, { ...options, url: `${ours}/api/v1/events` }),
        () => load(bare, { ...options, url: `${theirs}/` })
      )
      const sent = results.ours.reduce((sum, { total }) => sum + total, 0) * events
      const stored = await newestSeq(ours ?? "")
      if (stored < sent) throw new Error(`${sent} events were acknowledged, ${stored} are there`)
      const line = throughputLine(
        { path: "NDJSON, 1,000 a request", unit: "events/s", wanted: { of: "ours", least: 150_000 } },
        results
      )
      const inEvents = (requests: ReadonlyArray<number> = []) => requests.map((perSecond) => perSecond * events)
      return [{ ...line, ours: inEvents(line.ours), bare: inEvents(line.bare) }]
    })
  } finally {
    rmSync(folder, { recursive: true })
  }
}
