/**
 * The worker's end of a command's live output: the log, and the reads that wait for more. A reader that is slow or gone
 * costs nothing, because nothing is sent that was not asked for; nothing here holds the command up.
 *
 * Bounds: a few words for each read that waits; the main thread lets every reader have one.
 */
import type { Hash } from "node:crypto"
import { type KeptOutput, OutputLog, type OutputPart, type OutputStream } from "./OutputLog.ts"
import type { CommandSpec } from "./SpawnerProtocol.ts"

interface Wait {
  readonly from: number
  readonly max: number
}

type Answer = (read: number, part: OutputPart) => void

export class LiveWaits {
  readonly #log: OutputLog
  readonly #answer: Answer
  readonly #waits = new Map<number, Wait>()

  constructor(limits: NonNullable<CommandSpec["live"]>, apart: Readonly<Record<OutputStream, Hash>>, answer: Answer) {
    this.#log = new OutputLog(limits.headBytes, limits.tailBytes, apart)
    this.#answer = answer
  }

  push(stream: OutputStream, chunk: Uint8Array): void {
    this.#log.push(stream, chunk)
    for (const [read, wait] of this.#waits) this.read(read, wait.from, wait.max)
  }

  read(read: number, from: number, max: number): void {
    const part = this.#log.read(from, max)
    if (part.segments.length === 0) {
      this.#waits.set(read, { from, max })
      return
    }
    this.#waits.delete(read)
    this.#answer(read, part)
  }

  forget(read: number): void {
    this.#waits.delete(read)
  }

  snapshot(): KeptOutput {
    return this.#log.snapshot()
  }
}
