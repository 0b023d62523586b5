/** `/livez`, 64 connections, against a bare node:http server with the same answer. */
import { compare, type Line, load, startBare, startDaemon, withServers } from "./harness.ts"

const connections = 64

export const measure = (): Promise<ReadonlyArray<Line>> =>
  withServers([startDaemon(), startBare("ok")], async (ours, bare) => [
    await compare(
      { path: "/livez", unit: "requests/s", more: true },
      async () => (await load(`${ours}/livez`, connections)).perSecond,
      async () => (await load(`${bare}/`, connections)).perSecond
    )
  ])
