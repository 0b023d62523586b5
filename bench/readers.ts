/** Starts followers of the log in a process of their own (`sseReaders.ts`) and asks them what has come. */
import { fork } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import type { Mode, ReadersReport } from "./sseReaders.ts"

export type { Mode }

export interface Readers {
  /** When all of them follow. */
  readonly connected: Promise<void>
  readonly report: () => Promise<ReadersReport>
  readonly stop: () => Promise<void>
}

export const startReaders = (mode: Mode, address: string, count: number): Readers => {
  const child = fork(join(import.meta.dirname, "sseReaders.ts"), [mode, address, String(count)])
  const exit = once(child, "exit")
  const next = async <A>(): Promise<A> => {
    const first = await Promise.race([once(child, "message"), exit.then(() => undefined)])
    if (first === undefined) throw new Error(`the process of ${count} followers (${mode}) ended`)
    const [message]: Array<A> = first
    if (message === undefined) throw new Error("an empty message")
    return message
  }
  return {
    connected: next<"connected">().then(() => {}),
    report: () => {
      const report = next<ReadersReport>()
      child.send("report")
      return report
    },
    stop: async () => {
      if (child.connected) child.disconnect()
      await exit
    }
  }
}
