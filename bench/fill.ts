/** Lines of 60 bytes into a daemon's log through its FIFO, and the wait until the last of them can be read back. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { pipeOf, type Server, temporaryFolder } from "./servers.ts"

/** Without its newline. */
const lineBytes = 60

/** Seldom enough to cost the daemon little, often enough for a time of seconds. */
const lookEveryMs = 10

const fillWithinMs = 120_000

/** A file of that many lines, each another one; gives the last of them too. */
export const linesFile = (lines: number): { readonly file: string; readonly last: string; remove: () => void } => {
  const folder = temporaryFolder()
  const file = join(folder, "lines")
  const lineOf = (n: number) => `${n} `.padEnd(lineBytes, "a line of a log, neither long nor short, said by a service ")
  const parts: Array<string> = []
  for (let n = 1; n <= lines; n++) parts.push(lineOf(n))
  writeFileSync(file, `${parts.join("\n")}\n`)
  return { file, last: lineOf(lines), remove: () => rmSync(folder, { recursive: true }) }
}

/** `cat` is faster than any reader. */
export const catInto = async (file: string, pipe: string): Promise<void> => {
  const [code] = await once(spawn("sh", ["-c", 'cat "$0" > "$1"', file, pipe], { stdio: "inherit" }), "exit")
  if (code !== 0) throw new Error(`cat into ${pipe} ended with ${code}`)
}

/** Waits until a reader sees this message as the newest. */
export const untilNewest = async (address: string, message: string): Promise<void> => {
  const started = performance.now()
  while (performance.now() - started < fillWithinMs) {
    if ((await (await fetch(`${address}/api/v1/events?tail=1`)).text()).includes(message)) return
    await delay(lookEveryMs)
  }
  throw new Error(`${message} was written and never seen`)
}

/** The seq of the newest event; what the daemon says of itself is counted too. */
export const newestSeq = async (address: string): Promise<number> => {
  const text = await (await fetch(`${address}/api/v1/events?tail=1&format=json`)).text()
  return Number(/"seq":(\d+)/u.exec(text)?.[1] ?? Number.NaN)
}

export const fillByPipe = async (daemon: Server, address: string, lines: number): Promise<void> => {
  const { file, last, remove } = linesFile(lines)
  try {
    await Promise.all([catInto(file, pipeOf(daemon)), untilNewest(address, last)])
  } finally {
    remove()
  }
}
