/** What the kernel says of processes: their memory, their processor time, and which of them are there at all. */
import * as Effect from "effect/Effect"
import { readdir, readFile, readlink } from "node:fs/promises"

const read = (path: string): Promise<string> => readFile(path, "latin1").catch(() => "")

/** A line of /proc/PID/status in bytes: VmRSS is the memory now, VmHWM the most it ever was. */
export const memory = (pid: number, field: "VmRSS" | "VmHWM"): Effect.Effect<number> =>
  Effect.map(
    Effect.promise(() => read(`/proc/${pid}/status`)),
    (status) => {
      const found = new RegExp(`^${field}:\\s+(\\d+) kB$`, "mu").exec(status)
      if (found === null) throw new Error(`no ${field} of ${pid}`)
      return Number(found[1]) * 1024
    }
  )

/** Jiffies are a hundredth of a second on every Linux that user space sees (USER_HZ). */
const millisecondsPerJiffy = 10

/** User and system time of a process and all its threads, in milliseconds. */
export const processorTime = (pid: number): Effect.Effect<number> =>
  Effect.map(
    Effect.promise(() => read(`/proc/${pid}/stat`)),
    (stat) => {
      // The command's name, in parentheses, may hold anything; utime and stime are the 14th and 15th field.
      const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      return (Number(fields[11]) + Number(fields[12])) * millisecondsPerJiffy
    }
  )

export const commandLine = (pid: number): Effect.Effect<string> => Effect.promise(() => read(`/proc/${pid}/cmdline`))
export const environ = (pid: number): Effect.Effect<string> => Effect.promise(() => read(`/proc/${pid}/environ`))

/** Living processes whose command line holds the text; zombies have none. */
export const processesWith = (marker: string): Effect.Effect<ReadonlyArray<number>> =>
  Effect.promise(async () => {
    const found: Array<number> = []
    for (const name of await readdir("/proc")) {
      if (/^\d+$/u.test(name) && (await read(`/proc/${name}/cmdline`)).includes(marker)) found.push(Number(name))
    }
    return found
  })

/** What the open descriptors of a process lead to. */
export const openFiles = (pid: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const names = await readdir(`/proc/${pid}/fd`)
    return Promise.all(names.map((name) => readlink(`/proc/${pid}/fd/${name}`).catch(() => "")))
  })
