import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { readBootstrapToken } from "../../../src/services/auth/bootstrapToken.ts"
import { Disk } from "../../../src/services/files/Disk.ts"
import { shell } from "../fifo/support.ts"
import { put, temporaryFolder } from "../files/support.ts"

const path = Effect.map(temporaryFolder, (folder) => `${folder}/token`)
const read = (file: string) => Effect.provide(readBootstrapToken(file), Disk.layer)
const reasonOf = (file: string) => Effect.map(Effect.flip(read(file)), ({ reason }) => reason)

describe("the bootstrap token", () => {
  it.live("is the content of its file, without the end of the line", () =>
    Effect.gen(function* () {
      const file = yield* path
      for (const [content, token] of [
        ["token", "token"],
        ["token\n", "token"],
        ["token\r\n", "token"],
        [" token\n\n", " token\n"],
        ["ä".repeat(1024), "ä".repeat(1024)]
      ] as const) {
        yield* put(file, content)
        assert.strictEqual(Redacted.value(yield* read(file)), token)
      }
    })
  )

  it.live("is an error that names the file where there is none to be had", () =>
    Effect.gen(function* () {
      const file = yield* path
      assert.strictEqual(yield* reasonOf(file), "cannot be read: no such file or directory")
      yield* put(file, "\n")
      assert.strictEqual(yield* reasonOf(file), "found 0 characters, allowed: 1 to 1024")
      yield* put(file, "x".repeat(1025))
      assert.strictEqual(yield* reasonOf(file), "found 1025 characters, allowed: 1 to 1024")
      yield* put(file, "x".repeat(100_000))
      assert.match(yield* reasonOf(file), /^cannot be read: is larger than \d+ bytes$/u)
      const { message } = yield* Effect.flip(read(file))
      assert.isTrue(message.startsWith(`general.basic_auth_bootstrap_token_path: ${file}: `), message)
    })
  )

  it.live("in a FIFO is refused, not waited for", () =>
    Effect.gen(function* () {
      const file = yield* path
      yield* shell('mkfifo "$1"', file)
      assert.strictEqual(yield* reasonOf(file), "cannot be read: is not a regular file")
    })
  )
})
