/**
 * Measures every path, or those named on the command line, and prints a line for each bar. A bar that is not met is a
 * figure like any other; only a path that could not be measured makes it exit with 1, after the others.
 */
import { existsSync } from "node:fs"
import * as action from "./action.ts"
import * as auth from "./auth.ts"
import * as fifo from "./fifo.ts"
import type { Line } from "./harness.ts"
import * as idle from "./idle.ts"
import * as livez from "./livez.ts"
import * as logins from "./logins.ts"
import * as logs from "./logs.ts"
import * as loop from "./loop.ts"
import { describeMachine } from "./machine.ts"
import * as newEvent from "./newEvent.ts"
import * as ndjson from "./ndjson.ts"
import * as operations from "./operations.ts"
import * as output from "./output.ts"
import * as overview from "./overview.ts"
import { crash, fuzz } from "./proofs.ts"
import * as query from "./query.ts"
import { builtFile } from "./servers.ts"
import * as sse from "./sse.ts"
import * as startup from "./startup.ts"
import { heading, row } from "./table.ts"

const paths: Readonly<Record<string, { readonly measure: () => Promise<ReadonlyArray<Line>> }>> = {
  fifo,
  newEvent,
  ndjson,
  livez,
  auth,
  logins,
  logs,
  query,
  sse,
  action,
  operations,
  output,
  overview,
  loop,
  startup,
  idle,
  fuzz,
  crash
}

const named = process.argv.slice(2)
const unknown = named.find((name) => !Object.hasOwn(paths, name))
if (unknown !== undefined) {
  console.error(`no path is called ${unknown}; there are ${Object.keys(paths).join(", ")}`)
  process.exit(1)
}
if (!existsSync(builtFile)) {
  console.error("dist/systemapi.js is missing: `make bench` builds it")
  process.exit(1)
}

console.log(describeMachine())
console.log(heading)
for (const [name, path] of Object.entries(paths)) {
  if (named.length > 0 && !named.includes(name)) continue
  try {
    for (const line of await path.measure()) console.log(row(line))
  } catch (error) {
    console.error(`${name} could not be measured:`, error)
    process.exitCode = 1
  }
}
