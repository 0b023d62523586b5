/** `/logs` of 10,000 events, 8 connections, against a bare node:http server that sends as many bytes from memory. */
import { openSync, writeSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { compare, type Line, load, startBare, startDaemon, withServers } from "./harness.ts"

const events = 10_000
const connections = 8
const waitMs = 50

/** Fills the log through the FIFO and gives the size of `/logs` once all of it is there. */
const fill = async (folder: string, address: string): Promise<number> => {
  const pipe = openSync(join(folder, "pipe"), "w")
  const line = Buffer.from("a line of a log, neither long nor short\n")
  for (let n = 0; n < events; n++) writeSync(pipe, line)
  for (;;) {
    const text = await (await fetch(`${address}/logs`)).text()
    if (text.split("\n").length > events) return Buffer.byteLength(text)
    await delay(waitMs)
  }
}

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const daemon = startDaemon()
  return withServers([daemon], async (ours = "") => {
    const bytes = await fill(daemon.folder, ours)
    return withServers([startBare("bytes", String(bytes))], async (bare) => [
      await compare(
        { path: `/logs of ${events} events`, unit: "requests/s", more: true },
        async () => (await load(`${ours}/logs`, connections)).perSecond,
        async () => (await load(`${bare}/`, connections)).perSecond
      )
    ])
  })
}
