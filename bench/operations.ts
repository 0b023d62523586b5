/**
 * Operations: how fast they are taken, each durable before its 202, by 32 clients at once, beside a bare node:http server; and
 * what 10,000 that wait cost: memory, the first page of the list, and whether they run in the order in which they were asked
 * for, name by name.
 */
import { once } from "node:events"
import { readFileSync, writeFileSync } from "node:fs"
import { Agent, request } from "node:http"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { alternate, type Line, load, repeat, throughputLine } from "./harness.ts"
import { type Server, startBare, startDaemon, withServers } from "./servers.ts"

const clients = 32
const waiting = 10_000
const names = 10

/** One of them runs as long as the daemon; all others wait, so that nothing but taking them is measured. */
const held = `
[actions.held]
command = "exec sleep 100000"
concurrency = 1
[operations]
max_pending = 1000000
`

/** Each waits for the gate, and then writes down its number. */
const gated = (folder: string) =>
  Array.from(
    { length: names },
    (_, n) => `
[actions.q${n}]
command = 'until [ -e "${folder}/gate" ]; do [ -d "${folder}" ] || exit; sleep 1; done; echo "$ARG_N" >> "${folder}/q${n}"'
concurrency = 1
[[actions.q${n}.args]]
name = "n"
type = "int"
`
  ).join("")

/** Drained within this, or they hang. */
const drainWithinMs = 300_000

const agent = new Agent({ keepAlive: true, maxSockets: names })

const submit = async (url: string, n: number): Promise<void> => {
  const asking = request(url, { method: "POST", agent, headers: { "content-type": "application/json" } })
  asking.end(JSON.stringify({ args: { n } }))
  const [answer] = await once(asking, "response")
  answer.resume()
  await once(answer, "end")
  if (answer.statusCode !== 202) throw new Error(`POST ${url}: ${answer.statusCode}`)
}

const measureTaking = (): Promise<ReadonlyArray<Line>> => {
  const daemon = startDaemon({ tables: held })
  const bare = startBare("ok")
  const body = { file: join(daemon.folder, "body.json"), type: "application/json" }
  writeFileSync(body.file, "{}")
  return withServers([daemon, bare], async (ours, theirs) => {
    const options = { connections: clients, body }
    const results = await alternate(
      () => load(daemon, { ...options, url: `${ours}/api/v1/actions/held?async=1`, status: 202 }),
      () => load(bare, { ...options, url: `${theirs}/` })
    )
    return [
      throughputLine(
        { path: "operations, 32 clients", unit: "operations/s", wanted: { of: "ours", least: 500 } },
        results
      ),
      {
        path: "operations, 32 clients, p99",
        unit: "ms",
        ours: results.ours.map(({ p99 }) => p99),
        bare: results.bare.map(({ p99 }) => p99),
        wanted: { of: "ours", below: 200 }
      }
    ]
  })
}

/** How many of them ran behind one that was asked for later; all must have run, once. */
const outOfOrder = async ({ folder }: Server): Promise<number> => {
  const ran = (n: number): ReadonlyArray<string> => {
    try {
      return readFileSync(join(folder, `q${n}`), "utf8")
        .trimEnd()
        .split("\n")
    } catch {
      return []
    }
  }
  const all = () => Array.from({ length: names }, (_, n) => ran(n))
  const started = performance.now()
  writeFileSync(join(folder, "gate"), "")
  while (all().flat().length < waiting) {
    if (performance.now() - started > drainWithinMs) throw new Error(`${all().flat().length} of ${waiting} have run`)
    await delay(200)
  }
  return all()
    .map((lines) => lines.filter((line, place) => line !== String(place)).length)
    .reduce((sum, count) => sum + count, 0)
}

const measureWaiting = async (): Promise<ReadonlyArray<Line>> => {
  const daemon = startDaemon({ tables: gated(".") })
  return withServers([daemon], async (url = "") => {
    // What the first of them load is not what they cost.
    await submit(`${url}/api/v1/actions/q0?async=1`, 0)
    await delay(500)
    const before = daemon.residentMiB
    const asking = Array.from({ length: names }, async (_, name) => {
      for (let n = name === 0 ? 1 : 0; n < waiting / names; n++) {
        await submit(`${url}/api/v1/actions/q${name}?async=1`, n)
      }
    })
    await Promise.all(asking)
    const rise = daemon.residentMiB - before
    const pages = await repeat((round) =>
      load(daemon, { url: `${url}/api/v1/operations${round % 2 === 0 ? "" : "?status=pending"}`, connections: 1 })
    )
    const path = "10,000 pending"
    return [
      {
        path: `${path}, page p99`,
        unit: "ms",
        ours: pages.map(({ p99 }) => p99),
        wanted: { of: "ours", below: 50 }
      },
      { path: `${path}, memory`, unit: "MiB", ours: [rise], wanted: { of: "ours", below: 100 } },
      {
        path: `${path}, order`,
        unit: "operations out of order",
        ours: [await outOfOrder(daemon)],
        wanted: { of: "ours", most: 0 }
      }
    ]
  })
}

export const measure = async (): Promise<ReadonlyArray<Line>> => [
  ...(await measureTaking()),
  ...(await measureWaiting())
]
