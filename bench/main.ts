/** Measures every path, or those named on the command line, and prints one line for each figure. */
import { existsSync } from "node:fs"
import { join } from "node:path"
import * as action from "./action.ts"
import * as fifo from "./fifo.ts"
import type { Line } from "./harness.ts"
import * as livez from "./livez.ts"
import * as logs from "./logs.ts"
import * as newEvent from "./newEvent.ts"
import * as startup from "./startup.ts"

const paths: Readonly<Record<string, { readonly measure: () => Promise<ReadonlyArray<Line>> }>> = {
  livez,
  newEvent,
  logs,
  fifo,
  action,
  startup
}

if (!existsSync(join(import.meta.dirname, "../dist/systemapi.js"))) {
  console.error("dist/systemapi.js is missing: `make bench` builds it")
  process.exit(1)
}

const wanted = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(paths)
const figure = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3)

console.log(`${"path".padEnd(28)}${"ours".padStart(12)}${"bare".padStart(12)}${"ratio".padStart(8)}  unit`)
for (const name of wanted) {
  const path = paths[name]
  if (path === undefined) throw new Error(`no path is called ${name}; there are ${Object.keys(paths).join(", ")}`)
  for (const { bare, more, ours, path: title, unit } of await path.measure()) {
    const ratio = more ? ours / bare : bare / ours
    console.log(
      `${title.padEnd(28)}${figure(ours).padStart(12)}${figure(bare).padStart(12)}${ratio.toFixed(2).padStart(8)}  ${unit}`
    )
  }
}
