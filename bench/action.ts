/** The action `echo test`, one after another, against a bare node:http handler that starts a shell. */
import { compare, type Line, load, startBare, startDaemon, withServers } from "./harness.ts"

export const measure = (): Promise<ReadonlyArray<Line>> =>
  withServers([startDaemon(), startBare("spawn")], async (ours, bare) => [
    await compare(
      { path: "action echo, p50", unit: "ms", more: false },
      async () => (await load(`${ours}/api/v1/actions/echo`, 1)).p50,
      async () => (await load(`${bare}/`, 1)).p50
    )
  ])
