/**
 * A request's body as a JSON object of a known shape, bounded.
 *
 * Where a browser sends it for a page (it then says which, in `Origin`), it must say that it is JSON: what a form of another
 * web site can send without being asked about first (no type, text/plain, a form's own types) is not taken, so that a
 * browser's client certificate is no way in for others. Other clients say what they like: `curl -d` calls JSON a form. It
 * must be UTF-8: a byte that is none would make two passwords one. Of members with one name the last counts, as for every
 * JSON.parse; what is refused is named, and never shown, for it may be a password.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { describeSchemaError } from "../../services/describeSchemaError.ts"
import type { Call } from "./Call.ts"
import { failure, type HttpFailure, invalid } from "./HttpFailure.ts"
import { readBody } from "./readBody.ts"

export interface JsonOptions {
  readonly maxBytes: number
  /** Members that the shape does not have: refused, unless clients of a contract may know more than we do. */
  readonly unknown?: "ignore" | "error"
  /** What no body at all stands for; without it, one is required. */
  readonly whenEmpty?: unknown
}

const isJson = /^application\/json[ \t]*(?:;|$)/iu

const utf8 = new TextDecoder("utf-8", { fatal: true })

export const jsonReader = <S extends Schema.Top & { readonly DecodingServices: never }>(
  schema: S,
  { maxBytes, unknown = "error", whenEmpty }: JsonOptions
): ((call: Call) => Effect.Effect<S["Type"], HttpFailure>) => {
  const decode = Schema.decodeUnknownResult(schema, { onExcessProperty: unknown })
  const parse = (call: Call, bytes: Uint8Array): Result.Result<unknown, HttpFailure> => {
    if (bytes.length === 0 && whenEmpty !== undefined) return Result.succeed(whenEmpty)
    if (call.header("origin") !== undefined && !isJson.test(call.header("content-type") ?? "")) {
      return Result.fail(failure(415, "The body must be sent as Content-Type: application/json"))
    }
    try {
      const value: unknown = JSON.parse(utf8.decode(bytes))
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value)
      return isObject ? Result.succeed(value) : Result.fail(invalid("body: not a JSON object"))
    } catch {
      // Not with the parser's own words, which quote what was sent.
      return Result.fail(invalid("body: not JSON"))
    }
  }
  return (call) =>
    Effect.flatMap(readBody(call, maxBytes), (bytes) =>
      Effect.fromResult(
        Result.flatMap(parse(call, bytes), (value) =>
          Result.mapError(decode(value), (error) => invalid(describeSchemaError(error)))
        )
      )
    )
}
