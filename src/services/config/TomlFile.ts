/**
 * Reads a TOML file: its text from the disk, the document it holds and the line of every key.
 *
 * Bounds: 1 MiB of a regular file; one line of message, however long the keys it names. Opening never hangs on a FIFO.
 * Messages of the parser that repeat what stands in the file are cut to the reason: a password without quotes is the likeliest thing to be no TOML value.
 */
import * as Effect from "effect/Effect"
import * as Toml from "effect/encoding/Toml"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { readRegularFile } from "./readRegularFile.ts"
import { depthMax, type LineOf, scan } from "./TomlLines.ts"

/** The original's sample has 30 lines; ten thousand actions fit in this. */
export const fileBytesMax = 1_048_576

/** The file cannot be had, or is no TOML. */
export class TomlFileError extends Schema.TaggedError<TomlFileError>()("TomlFileError", {
  path: Schema.String,
  line: Schema.UndefinedOr(Schema.Int),
  reason: Schema.String
}) {
  override get message() {
    return `${this.path}${this.line === undefined ? "" : `:${this.line}`}: ${this.reason}`
  }
}

export interface TomlFile {
  readonly document: Readonly<Record<string, unknown>>
  readonly lineOf: LineOf
}

export const read = Effect.fn("TomlFile.read")(function* (path: string): Effect.fn.Return<TomlFile, TomlFileError> {
  const { bytes } = yield* Effect.mapError(
    readRegularFile(path, fileBytesMax),
    ({ reason }) => new TomlFileError({ path, line: undefined, reason })
  )
  const parsed = parse(path, bytes)
  return yield* Effect.fromResult(parsed)
})

const parse = (path: string, bytes: Uint8Array): Result.Result<TomlFile, TomlFileError> => {
  const text = decodeUtf8(bytes)
  if (text === undefined) {
    return Result.fail(new TomlFileError({ path, line: invalidLine(bytes), reason: "is not UTF-8" }))
  }
  const { lineOf, tooDeepAt } = scan(text)
  const parsed = Toml.parse(text)
  const fault = Result.isFailure(parsed) ? syntaxFault(parsed.failure.message) : undefined
  if (fault !== undefined) return Result.fail(new TomlFileError({ path, ...fault }))
  // The parser's own end of the stack has no place; ours comes long before.
  if (Result.isFailure(parsed) || tooDeepAt !== undefined) {
    return Result.fail(new TomlFileError({ path, line: tooDeepAt, reason: `is nested more than ${depthMax} deep` }))
  }
  return Result.succeed({ document: parsed.success, lineOf })
}

const decodeUtf8 = (bytes: Uint8Array): string | undefined => {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return undefined
  }
}

/** The line of the first byte sequence that is not UTF-8: the first that the decoder would replace. */
const invalidLine = (bytes: Uint8Array): number | undefined => {
  let line = 1
  let start = 0
  while (start <= bytes.length) {
    const end = bytes.indexOf(0x0a, start)
    // A line end is a byte of no other character, so lines can be decoded one by one.
    if (decodeUtf8(bytes.subarray(start, end < 0 ? bytes.length : end)) === undefined) return line
    if (end < 0) return undefined
    start = end + 1
    line += 1
  }
  return undefined
}

/** Of a reason; the keys it names may be as long as the file. */
const reasonLengthMax = 200

/** Undefined where the parser names no place: it has run out of stack. */
const syntaxFault = (message: string): { readonly line: number; readonly reason: string } | undefined => {
  const place = /^(?<reason>[^]*) at line (?<line>\d+), column (?<column>\d+)$/u.exec(message)
  if (place?.groups === undefined) return undefined
  const { reason = "", line, column } = place.groups
  // Of a wrong value the parser tells where it ends, which is no help.
  const text = reason.startsWith("Invalid value ")
    ? "not a TOML value (text needs quotes)"
    : `${cut(reason.replace(/^(Invalid date-time|Integer out of range) '[^]*'$/u, "$1"))}, at column ${column}`
  return {
    line: Number(line),
    reason: text.replace(/[\p{Cc}\p{Zl}\p{Zp}]/gu, "?").replace(/^./u, (first) => first.toLowerCase())
  }
}

const cut = (reason: string): string =>
  reason.length <= reasonLengthMax ? reason : `${reason.slice(0, reasonLengthMax).toWellFormed()}…`
