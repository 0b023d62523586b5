/**
 * Ends a command that was started but whose process id was never learned, because the thread that started it died between
 * the start and the report. Such a child is found in /proc: a direct child of this process that leads its own group and
 * has the arguments asked for. Its group is sent KILL.
 *
 * Bounds: one pass over /proc, for each start that was pending when the thread died. Without /proc it finds nothing.
 */
import { readdir, readFile } from "node:fs/promises"

export const killUnreported = async (argv: ReadonlyArray<string>): Promise<void> => {
  const names = await readdir("/proc").catch(() => [])
  for (const name of names) {
    if (!/^[1-9][0-9]*$/u.test(name) || !(await isOurs(name, argv))) continue
    try {
      process.kill(-Number(name), "SIGKILL")
    } catch {
      // It has ended by itself in the meantime.
    }
  }
}

const isOurs = async (pid: string, argv: ReadonlyArray<string>): Promise<boolean> => {
  try {
    // "PID (NAME) STATE PPID PGRP …": the name may hold anything, so the fields are counted from its last parenthesis.
    const stat = await readFile(`/proc/${pid}/stat`, "utf8")
    const [state, parent, group] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    if (state === "Z" || parent !== String(process.pid) || group !== pid) return false
    const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8")
    // An interpreter of a script comes before the script's name, so only the arguments proper are sure to be there.
    return commandLine.endsWith(
      argv
        .slice(1)
        .map((argument) => `${argument}\0`)
        .join("")
    )
  } catch {
    return false
  }
}
