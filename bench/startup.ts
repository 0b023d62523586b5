/** From the command to the first 200, and the memory held a second later, against a bare node:http server. */
import { setTimeout as delay } from "node:timers/promises"
import { answers, type Line, median, rounds, type Server, startBare, startDaemon } from "./harness.ts"

const settleMs = 1000

const once = async (server: Server): Promise<{ readonly ms: number; readonly mib: number }> => {
  try {
    const address = await server.address()
    while (!(await answers(`${address}/livez`))) await delay(2)
    const ms = server.sinceStartMs
    await delay(settleMs)
    return { ms, mib: server.residentMiB }
  } finally {
    await server.stop()
  }
}

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  // The first start fills the compile cache; every later one finds it.
  await once(startDaemon())
  const figures = { ours: [await once(startDaemon())], bare: [await once(startBare("ok"))] }
  while (figures.ours.length < rounds) {
    figures.bare.push(await once(startBare("ok")))
    figures.ours.push(await once(startDaemon()))
  }
  const line = (path: string, unit: string, key: "ms" | "mib"): Line => ({
    path,
    unit,
    more: false,
    ours: median(figures.ours.map((figure) => figure[key])),
    bare: median(figures.bare.map((figure) => figure[key]))
  })
  return [line("start to first 200", "ms", "ms"), line("memory at rest", "MiB", "mib")]
}
