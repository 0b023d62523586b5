/** What figures depend on and do not show: cores, load, and how long the disk takes to make a write durable. */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from "node:fs"
import { availableParallelism, loadavg } from "node:os"
import { join } from "node:path"
import { median, rounds, seconds } from "./harness.ts"
import { temporaryFolder } from "./servers.ts"

const writes = 51

const fsyncMs = (folder: string): number => {
  const file = openSync(join(folder, "fsync"), "w")
  const page = Buffer.alloc(4096)
  const times = Array.from({ length: writes }, () => {
    const started = performance.now()
    writeSync(file, page)
    fsyncSync(file)
    return performance.now() - started
  })
  closeSync(file)
  return median(times)
}

/** The mount that holds the folder: the longest of those it lies below. */
const fileSystemOf = (folder: string): string =>
  readFileSync("/proc/self/mounts", "utf8")
    .split("\n")
    .map((line) => line.split(" "))
    .filter(([, at = "none"]) => `${folder}/`.startsWith(at === "/" ? at : `${at}/`))
    .sort(([, one = ""], [, other = ""]) => other.length - one.length)[0]?.[2] ?? "an unknown file system"

export const describeMachine = (): string => {
  const folder = temporaryFolder()
  try {
    return [
      `${availableParallelism()} cores, load average ${(loadavg()[0] ?? 0).toFixed(1)}`,
      `Node ${process.version}`,
      `${folder} on ${fileSystemOf(folder)}, fsync ${fsyncMs(folder).toFixed(2)} ms`,
      `medians of ${rounds} rounds, runs of ${seconds} s`
    ].join("; ")
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
