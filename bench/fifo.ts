/**
 * Lines through the FIFO until the last of them is visible in `/logs`, durable, against a bare process that reads a
 * FIFO and counts. The writer is `cat` with a file, which is faster than either.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { compare, type Line, startBare, startDaemon, withServers } from "./harness.ts"

const lines = 100_000
const lookEveryMs = 2

const write = (file: string, pipe: string) =>
  once(spawn("sh", ["-c", 'cat "$0" > "$1"', file, pipe], { stdio: "inherit" }), "exit")

export const measure = async (): Promise<ReadonlyArray<Line>> => {
  const folder = mkdtempSync(join(tmpdir(), "systemapi-bench-"))
  const barePipe = join(folder, "pipe")
  await once(spawn("mkfifo", [barePipe]), "exit")
  const bare = startBare("fifo", `${barePipe}|${lines}`)
  const daemon = startDaemon()
  let round = 0

  const timed = async (pipe: string, visible: (last: string) => Promise<unknown>): Promise<number> => {
    round += 1
    const last = `last of round ${round}`
    const file = join(folder, "lines")
    const body = "a line of a log, neither long nor short\n".repeat(lines - 1)
    writeFileSync(file, `${body}${last}\n`)
    const started = performance.now()
    await Promise.all([write(file, pipe), visible(last)])
    return (lines * 1000) / (performance.now() - started)
  }

  try {
    await bare.said(/listening on (a pipe)/u)
    return await withServers([daemon], async (address) => [
      await compare(
        { path: "FIFO until visible", unit: "lines/s", more: true },
        () =>
          timed(join(daemon.folder, "pipe"), async (last) => {
            const look = `${address}/api/v1/events?tail=1&format=text`
            while (!(await (await fetch(look)).text()).includes(last)) await delay(lookEveryMs)
          }),
        () => {
          const rounds = bare.log.split("seen ").length
          return timed(barePipe, () => bare.said(new RegExp(`seen (${rounds * lines})\\n`, "u")))
        }
      )
    ])
  } finally {
    await bare.stop()
    rmSync(folder, { recursive: true, force: true })
  }
}
