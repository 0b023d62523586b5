/** The token that setting the first secret may ask for, from a file: never from the configuration, argv or environment. */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

export class BootstrapTokenUnusable extends Schema.TaggedError<BootstrapTokenUnusable>()("BootstrapTokenUnusable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `general.basic_auth_bootstrap_token_path: ${this.path}: ${this.reason}`
  }
}

const tokenLengthMax = 1024

export const readBootstrapToken = Effect.fn("readBootstrapToken")(function* (
  path: string
): Effect.fn.Return<Redacted.Redacted, BootstrapTokenUnusable, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const text = yield* Effect.mapError(
    fs.readFileString(path),
    (error) => new BootstrapTokenUnusable({ path, reason: `cannot be read (${error.reason._tag})` })
  )
  // Editors and `echo` end a file with a newline that is no part of the token.
  const token = text.replace(/\r?\n$/u, "")
  if (token !== "" && token.length <= tokenLengthMax) return Redacted.make(token)
  return yield* new BootstrapTokenUnusable({
    path,
    reason: `found ${token.length} characters, allowed: 1 to ${tokenLengthMax}`
  })
})
