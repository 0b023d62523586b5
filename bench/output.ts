/**
 * A command that writes a gigabyte, read live: what it costs in memory, whether readers that are stuck hold it up, and
 * whether its last line is there. And how soon the group of a command that ignores TERM is gone.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { alternate, type Line, repeat } from "./harness.ts"
import type { RunReport } from "./outputRun.ts"

const gigabyte = 1024 ** 3
const last = "the last line"

/** One that writes as fast as a pipe takes it, and one that writes lines. */
const floods = { zeros: "head -c 1G /dev/zero", lines: "yes | head -c 1G" }

/** Three processes that ignore TERM and say so. */
const stubborn = "trap '' TERM; (sleep 60 & sleep 60 & wait) & sleep 60 & echo up; wait"

/** The launcher's own setting (bin/systemapi). */
const memory = "--max-semi-space-size=8"

const run = async (mode: string, text: string): Promise<RunReport> => {
  const child = spawn(process.execPath, [memory, join(import.meta.dirname, "outputRun.ts"), mode, text], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  let out = ""
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString()
  })
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(`a run of ${mode} failed`)
  const report: RunReport = JSON.parse(out)
  return report
}

const flood = async (mode: string, text: string): Promise<RunReport> => {
  const report = await run(mode, `${text}; printf '${last}'`)
  const bytes = gigabyte + last.length
  if (report.bytes !== bytes) throw new Error(`${bytes} bytes were written, ${report.bytes} counted`)
  if (!report.end.endsWith(last)) throw new Error(`the last line is missing: ${JSON.stringify(report.end)}`)
  return report
}

const msOf = (reports: ReadonlyArray<RunReport>): ReadonlyArray<number> => reports.map(({ ms }) => ms)

const linesOf = async (name: string, text: string): Promise<ReadonlyArray<Line>> => {
  const stuck = await alternate(
    () => flood("stuck", text),
    () => flood("plain", text)
  )
  const followed = await alternate(
    () => flood("follow", text),
    () => flood("bare", text)
  )
  return [
    {
      path: `1 GB of ${name}, stuck readers`,
      unit: "ms, to none",
      ours: msOf(stuck.ours),
      bare: msOf(stuck.bare),
      wanted: { of: "ratio", most: 1.1 }
    },
    {
      path: `1 GB of ${name}, followed`,
      unit: "ms, to a bare pipe",
      ours: msOf(followed.ours),
      bare: msOf(followed.bare),
      wanted: { of: "ratio", most: 2 }
    },
    {
      path: `1 GB of ${name}, rise of memory`,
      unit: "MiB",
      ours: [...stuck.ours, ...followed.ours].map(({ riseMiB }) => riseMiB),
      wanted: { of: "ours", below: 64 }
    }
  ]
}

export const measure = async (): Promise<ReadonlyArray<Line>> => [
  ...(await linesOf("zeros", floods.zeros)),
  ...(await linesOf("lines", floods.lines)),
  {
    path: "cancel, group gone after its grace",
    unit: "ms",
    ours: (await repeat(() => run("cancel", stubborn))).map(({ ms }) => ms),
    wanted: { of: "ours", below: 1000 }
  }
]
