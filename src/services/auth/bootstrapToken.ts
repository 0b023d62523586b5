/** The token that setting the first secret may ask for, from a file: never from the configuration, argv or environment. */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { Disk } from "../files/Disk.ts"

export class BootstrapTokenUnusable extends Schema.TaggedError<BootstrapTokenUnusable>()("BootstrapTokenUnusable", {
  path: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `general.basic_auth_bootstrap_token_path: ${this.path}: ${this.reason}`
  }
}

const tokenLengthMax = 1024

/** UTF-8 takes up to four for a character; and the end of the line. */
const fileBytesMax = tokenLengthMax * 4 + 2

export const readBootstrapToken = Effect.fn("readBootstrapToken")(function* (
  path: string
): Effect.fn.Return<Redacted.Redacted, BootstrapTokenUnusable, Disk> {
  const disk = yield* Disk
  const bytes = yield* Effect.mapError(
    disk.readFile(path, fileBytesMax),
    ({ reason }) => new BootstrapTokenUnusable({ path, reason: `cannot be read: ${reason}` })
  )
  // Editors and `echo` end a file with a newline that is no part of the token.
  const token = Buffer.from(bytes)
    .toString()
    .replace(/\r?\n$/u, "")
  if (token !== "" && token.length <= tokenLengthMax) return Redacted.make(token)
  return yield* new BootstrapTokenUnusable({
    path,
    reason: `found ${token.length} characters, allowed: 1 to ${tokenLengthMax}`
  })
})
