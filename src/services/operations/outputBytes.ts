/**
 * Segments of an output as bytes, for the store: head and tail interleave two streams, so there may be a segment for every few
 * bytes. Each is what lies between it and the one before, its length with its stream, and its bytes; numbers take as many
 * bytes as they need (seven bits each, the lowest first).
 */
import type { KeptOutput, OutputSegment } from "../commands/OutputLog.ts"
import type { StoredOutput } from "../storage/operations/commands.ts"

export class OutputUnreadable extends Error {}

const segmentsToBytes = (segments: ReadonlyArray<OutputSegment>): Uint8Array => {
  const bytes = new Uint8Array(segments.reduce((size, segment) => size + sizeOf(segment), 0))
  let at = 0
  const number = (value: number) => {
    let left = value
    for (; left >= 128; left = Math.floor(left / 128)) bytes[at++] = 128 + (left % 128)
    bytes[at++] = left
  }
  let end = 0
  for (const { bytes: own, offset, stream } of segments) {
    number(offset - end)
    number(own.length * 2 + (stream === "stderr" ? 1 : 0))
    bytes.set(own, at)
    at += own.length
    end = offset + own.length
  }
  return bytes.slice(0, at)
}

/** At the most: eight bytes hold any offset, five any length. */
const sizeOf = ({ bytes }: OutputSegment): number => 13 + bytes.length

/** They share the memory of what is given. */
const bytesToSegments = (bytes: Uint8Array): ReadonlyArray<OutputSegment> => {
  const segments: Array<OutputSegment> = []
  let at = 0
  const number = () => {
    let value = 0
    for (let unit = 1; ; unit *= 128) {
      const byte = bytes[at++]
      if (byte === undefined) throw new OutputUnreadable("a kept output ends in the midst of a segment")
      value += (byte % 128) * unit
      if (byte < 128) return value
    }
  }
  let offset = 0
  while (at < bytes.length) {
    offset += number()
    const kind = number()
    const length = Math.floor(kind / 2)
    if (at + length > bytes.length) throw new OutputUnreadable("a kept output ends in the midst of a segment")
    segments.push({ stream: kind % 2 === 1 ? "stderr" : "stdout", offset, bytes: bytes.subarray(at, at + length) })
    at += length
    offset += length
  }
  return segments
}

export const toStoredOutput = ({ bytes, segments, sha256, stderrBytes, stdoutBytes }: KeptOutput): StoredOutput => ({
  bytes,
  stdoutBytes,
  stderrBytes,
  sha256,
  segments: segmentsToBytes(segments)
})

export const toKeptOutput = ({ bytes, segments, sha256, stderrBytes, stdoutBytes }: StoredOutput): KeptOutput => ({
  segments: bytesToSegments(segments),
  bytes,
  stdoutBytes,
  stderrBytes,
  sha256
})
