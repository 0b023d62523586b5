/**
 * Reads what a command writes, from a pipe of ours or from what Node has made of one. Plain code, because it runs in the
 * spawner's worker.
 *
 * Bounds: one buffer that every pipe is read into; of what Node reads, its own.
 */
import { closeSync } from "node:fs"
import { Socket } from "node:net"
import { Readable } from "node:stream"
import type { Pipe } from "./Pipes.ts"

/** Each read of a pipe fills it anew, and has been dealt with when the next comes: a flood makes no garbage. */
const buffer = Buffer.allocUnsafeSlow(65_536)

/** What is read is lent to `take` until it returns; false: no more until the stream is told to go on. */
export const readPipe = (source: Pipe | Readable, take: (chunk: Uint8Array) => boolean): Readable => {
  if (source instanceof Readable) {
    return source.on("data", (chunk) => {
      if (!take(chunk)) source.pause()
    })
  }
  closeSync(source.write)
  const callback = (length: number) => take(buffer.subarray(0, length))
  return new Socket({ fd: source.read, readable: true, writable: false, onread: { buffer, callback } })
}
