/** /proc as it is read here: files that are small, made as they are read, and gone with their process. */
import { readdir, readFile } from "node:fs/promises"

export interface ProcessStat {
  readonly pid: number
  /** One letter: `Z` is a process that has ended and only waits to be asked how. */
  readonly state: string
  readonly group: number
  /** Clock ticks from the boot to its start. */
  readonly startTicks: string
}

/** The name of the program, in brackets, may have spaces and brackets of its own. */
const statPattern = /^(\d+) \(.*\) (\S) -?\d+ (-?\d+) (.*)$/su

/** Of the fields behind the group, the start is the 17th. */
const startField = 16

export const parseStat = (text: string): ProcessStat | undefined => {
  const [, pid, state, group, rest] = statPattern.exec(text) ?? []
  const startTicks = rest?.trim().split(" ")[startField]
  if (pid === undefined || state === undefined || startTicks === undefined) return undefined
  return { pid: Number(pid), state, group: Number(group), startTicks }
}

/** Undefined: there is no such process, or we may not look at it. */
const read = (path: string): Promise<string | undefined> => readFile(path, "latin1").catch(() => undefined)

export const statOf = async (pid: number): Promise<ProcessStat | undefined> => {
  const text = await read(`/proc/${pid}/stat`)
  return text === undefined ? undefined : parseStat(text)
}

export const bootId = async (): Promise<string | undefined> => (await read("/proc/sys/kernel/random/boot_id"))?.trim()

export const pids = async (): Promise<ReadonlyArray<number>> =>
  (await readdir("/proc").catch((): Array<string> => [])).filter((name) => /^\d+$/u.test(name)).map(Number)

/** As it was when the process began its program; undefined also where the variable is not there. */
export const variableOf = async (pid: number, variable: string): Promise<string | undefined> => {
  const environment = await read(`/proc/${pid}/environ`)
  const start = `${variable}=`
  const found = environment?.split("\0").find((line) => line.startsWith(start))
  return found?.slice(start.length)
}
