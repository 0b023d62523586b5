/**
 * Bars that are tests: what they ask for holds or does not, and no figure comes near it. Each line says how many of its
 * tests failed; what a test says of a failure goes to standard error.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import type { Line } from "./harness.ts"

const root = join(import.meta.dirname, "..")
const vitest = join(root, "node_modules/vitest/vitest.mjs")

const proof = (path: string, tests: string, env: NodeJS.ProcessEnv) => ({
  measure: async (): Promise<ReadonlyArray<Line>> => {
    const child = spawn(process.execPath, [vitest, "run", tests], {
      cwd: root,
      stdio: ["ignore", "pipe", "inherit"],
      env: { ...process.env, ...env, NO_COLOR: "1" }
    })
    let out = ""
    child.stdout.on("data", (chunk: Buffer) => {
      out += chunk.toString()
    })
    const [code] = await once(child, "close")
    if (code !== 0) console.error(out)
    const failed = Number(/Tests\s+(\d+) failed/u.exec(out)?.[1] ?? (code === 0 ? 0 : 1))
    return [{ path, unit: "failures", ours: [failed], wanted: { of: "ours", most: 0 } }]
  }
})

/** Nothing acknowledged is lost, nothing is there twice, no number is missing. */
export const crash = proof("kill -9 under load, 50 rounds", "test/system/crash.test.ts", {
  SYSTEMAPI_CRASH_ROUNDS: "50"
})

/** No crash, no 500, no leak: requests, bytes of a FIFO, configurations. */
export const fuzz = proof("fuzz, 20,000 of each, seeded", "test/fuzz", {})
