/**
 * How an output goes over the wire: server-sent events (WHATWG HTML), NDJSON, or the bytes as they came.
 *
 * The bytes have no record of their end: whoever has them all has what `sha256` is of, and what was cut off ends with a
 * broken connection. A gap is then a line between them, which the command did not write.
 */
import type { OutputPart, OutputStream } from "../../services/commands/OutputLog.ts"
import type { OutputEnd, OutputGap, OutputText } from "../api/Operations.ts"
import { cursorText, type OutputCursor, startIn, startOf } from "./OutputCursor.ts"
import { type OutputRecord, OutputRecords } from "./OutputRecords.ts"

export const outputFormats = ["text", "sse", "ndjson"] as const
export type OutputFormat = (typeof outputFormats)[number]

type End = typeof OutputEnd.Type

/** One reader's rendering of an output, in its order. */
export interface OutputWriter {
  /** Where to read on. */
  readonly position: () => number
  readonly cursor: () => string
  readonly part: (part: OutputPart) => Uint8Array
  readonly end: (end: End) => Uint8Array
  /** Says that somebody is still there. Empty: there is nothing that would not be taken for output. */
  readonly keepAlive: Uint8Array
}

interface Format {
  readonly contentType: string
  readonly writer: (from: OutputCursor, only: OutputStream | undefined) => OutputWriter
}

const none = Buffer.alloc(0)

/** What a record says. SSE has its cursor as the id beside it. */
const textOf = ({ cursor, offset, stream, text }: Extract<OutputRecord, { _tag: "text" }>): typeof OutputText.Type => ({
  offset,
  next: cursorText(cursor),
  stream,
  text
})

const gapOf = ({ from, to }: Extract<OutputRecord, { _tag: "gap" }>): typeof OutputGap.Type => ({ from, to })

interface Lines {
  readonly record: (record: OutputRecord) => string
  readonly end: (end: End) => string
  readonly keepAlive: string
}

const sse: Lines = {
  record: (record) => {
    const id = `id: ${cursorText(record.cursor)}\n`
    return record._tag === "text"
      ? `${id}data: ${JSON.stringify(textOf(record))}\n\n`
      : `${id}event: gap\ndata: ${JSON.stringify(gapOf(record))}\n\n`
  },
  end: (end) => `id: ${end.next}\nevent: end\ndata: ${JSON.stringify(end)}\n\n`,
  keepAlive: ": keep-alive\n\n"
}

const ndjson: Lines = {
  record: (record) =>
    record._tag === "text" ? `${JSON.stringify(textOf(record))}\n` : `${JSON.stringify({ gap: gapOf(record) })}\n`,
  end: (end) => `${JSON.stringify({ end })}\n`,
  keepAlive: "\n"
}

const inLines =
  ({ end: endLine, keepAlive, record }: Lines): Format["writer"] =>
  (from, only) => {
    const text = new OutputRecords(from, only)
    const written = (records: ReadonlyArray<OutputRecord>) => records.map(record).join("")
    return {
      position: () => text.position,
      cursor: () => cursorText(text.cursor),
      part: (part) => Buffer.from(written(text.records(part))),
      end: (end) => {
        // Before everything is there, what is held back may still become a character.
        const rest = end.sha256 === null ? "" : written(text.finish())
        return Buffer.from(rest + endLine({ ...end, next: cursorText(text.cursor) }))
      },
      keepAlive: Buffer.from(keepAlive)
    }
  }

const asItCame: Format["writer"] = (from, only) => {
  let position = startOf(from)
  const gap = (to: number) => {
    const bytes = Buffer.from(`\n[${to - position} bytes were not kept]\n`)
    position = to
    return bytes
  }
  return {
    position: () => position,
    cursor: () => String(position),
    part: ({ next, segments }) => {
      const chunks: Array<Uint8Array> = []
      for (const { bytes, offset, stream } of segments) {
        if (offset > position) chunks.push(gap(offset))
        position = Math.max(position, offset + bytes.length)
        if (only === undefined || only === stream)
          chunks.push(bytes.subarray(Math.max(0, startIn(from, stream) - offset)))
      }
      if (next > position) chunks.push(gap(next))
      return Buffer.concat(chunks)
    },
    end: () => none,
    keepAlive: none
  }
}

export const formats: Readonly<Record<OutputFormat, Format>> = {
  text: { contentType: "text/plain; charset=utf-8", writer: asItCame },
  sse: { contentType: "text/event-stream", writer: inLines(sse) },
  ndjson: { contentType: "application/x-ndjson", writer: inLines(ndjson) }
}
