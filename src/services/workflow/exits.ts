/** How things ended, as JSON: what the journal keeps, and what is made of it after a restart. */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schema from "effect/Schema"

export interface ExitCodec {
  readonly encode: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<Schema.Json>
  readonly decode: (json: Schema.Json) => Effect.Effect<Exit.Exit<unknown, unknown>>
}

/** What cannot be encoded is a bug of whoever ended so. */
export const exitCodec = <A, E>(success: Schema.Codec<A, unknown>, failure: Schema.Codec<E, unknown>): ExitCodec => {
  const codec = Schema.toCodecJson(Schema.Exit(success, failure, Schema.Defect()))
  const encode = Schema.encodeUnknownEffect(codec)
  const decode = Schema.decodeUnknownEffect(codec)
  return {
    // JSON has no undefined: what a workflow without a result ends with.
    encode: (exit) => Effect.orDie(encode(Exit.map(exit, (value) => value ?? null))),
    decode: (json) => Effect.orDie(decode(json))
  }
}

/** Of activities and deferreds: the engine has encoded their values already. */
export const encodedExits: ExitCodec = exitCodec(Schema.Json, Schema.Json)
