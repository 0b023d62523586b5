/**
 * `new_event`, fsynced before it is answered, with 64 and 256 connections, against a bare node:http server that keeps
 * nothing.
 */
import { compare, type Line, load, startBare, startDaemon, withServers } from "./harness.ts"

const path = "/api/v1/new_event?message=the+quick+brown+fox+jumps+over+the+lazy+dog"

export const measure = (): Promise<ReadonlyArray<Line>> =>
  withServers([startDaemon(), startBare("ok")], async (ours, bare) => {
    const lines: Array<Line> = []
    for (const connections of [64, 256]) {
      lines.push(
        await compare(
          { path: `new_event, ${connections} connections`, unit: "events/s", more: true },
          async () => (await load(`${ours}${path}`, connections)).perSecond,
          async () => (await load(`${bare}${path}`, connections)).perSecond
        )
      )
    }
    return lines
  })
