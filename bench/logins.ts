/**
 * A thousand wrong logins a second for thirty seconds, and right ones from the same address beside them: of somebody
 * whose password was accepted before, and of users who log in for the first time since the start, one a second. Who is
 * told "later" asks once more after as long as he was told, and his time goes on.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import type { Line } from "./harness.ts"
import type { FloodOptions, FloodReport } from "./loginFlood.ts"
import { logIn, post, startWithUsers } from "./identities.ts"
import { withServers } from "./servers.ts"

const seconds = 30
const perSecond = 1000
const warmEveryMs = 100
const password = "a password of some length"
const attacked = ["operator", "developer", "victim1", "victim2", "victim3", "victim4", "victim5", "victim6"]

export const measure = (): Promise<ReadonlyArray<Line>> => {
  const daemon = startWithUsers()
  return withServers([daemon], async (address = "") => {
    const authorization = await logIn(address, "admin", "admin123")
    const newcomers = Array.from({ length: seconds }, (_, n) => `newcomer${n}`)
    for (const name of [...newcomers, ...attacked.slice(2)]) {
      await post(`${address}/v1/users`, { username: name, password, roles: ["viewer"] }, { authorization })
    }
    await delay(1000)
    const before = daemon.residentMiB
    daemon.resetPeak()

    const flood = runFlood({ address, perSecond, seconds, users: attacked })
    const warm: Array<number> = []
    const cold: Array<number> = []
    const pending: Array<Promise<void>> = []
    for (let n = 0; n < (seconds * 1000) / warmEveryMs; n++) {
      pending.push(timed(warm, () => tryLogIn(address, "admin", "admin123")))
      const newcomer = newcomers[n / (1000 / warmEveryMs)]
      if (newcomer !== undefined) pending.push(timed(cold, () => tryLogIn(address, newcomer, password)))
      await delay(warmEveryMs)
    }
    await Promise.all(pending)
    const { sent, statuses, unsent } = await flood
    console.error(`the flood sent ${sent}, ${unsent} could not be sent, and was answered ${JSON.stringify(statuses)}`)
    const right = [...warm, ...cold]
    const refused = (values: ReadonlyArray<number>) => values.filter((ms) => ms === Infinity).length
    console.error(`of the right ones, ${refused(warm)} known ones and ${refused(cold)} first ones were refused`)
    return [
      {
        path: "logins: memory in a flood",
        unit: "MiB",
        ours: [daemon.peakMiB - before],
        wanted: { of: "ours", below: 200 }
      },
      {
        path: "logins: right ones refused",
        unit: `of ${right.length}`,
        ours: [refused(right)],
        wanted: { of: "ours", most: 0 }
      },
      { path: "logins: p99 of right ones", unit: "ms", ours: [p99(right)], wanted: { of: "ours", below: 2000 } },
      { path: "logins: p99 of first ones", unit: "ms", ours: [p99(cold)], wanted: { of: "ours", below: 2000 } }
    ]
  })
}

const p99 = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1] ?? Number.NaN

/** Milliseconds, or Infinity where it was refused. */
const timed = async (into: Array<number>, act: () => Promise<boolean>): Promise<void> => {
  const started = performance.now()
  into.push((await act()) ? performance.now() - started : Infinity)
}

const tryLogIn = async (address: string, username: string, given: string): Promise<boolean> => {
  for (let tries = 0; tries < 2; tries++) {
    const response = await fetch(`${address}/v1/auth/login`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ username, password: given })
    })
    await response.arrayBuffer()
    if (response.status !== 429) return response.status === 200
    await delay(Number(response.headers.get("retry-after")) * 1000)
  }
  return false
}

const runFlood = async (options: FloodOptions): Promise<FloodReport> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "loginFlood.ts"), JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  let out = ""
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString()
  })
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error("the flood of logins failed")
  const report: FloodReport = JSON.parse(out)
  return report
}
