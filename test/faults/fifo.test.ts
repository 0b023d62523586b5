/** What may come to be at the path of a FIFO while the daemon runs, other than another FIFO or a file: told, and healed. */
import { appendFile, mkdir, rm, rmdir, symlink } from "node:fs/promises"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { eventually, start } from "../system/support.ts"
import { isReady, post, readiness, wholeLog } from "./support.ts"

const config = `[general]
listen_addr = "127.0.0.1:0"
pipe_file = "pipe.fifo"
`

it.live.each([
  ["a folder", (path: string) => mkdir(path), rmdir, "a directory"],
  ["a link to nothing", (path: string) => symlink("nowhere", path), rm, "pipe.fifo"]
] as const)(
  "%s in place of the FIFO is told, costs nothing else, and the FIFO is back when it is gone",
  ([, put, take, told]) =>
    Effect.gen(function* () {
      const { folder, url } = yield* start({ config })
      const path = join(folder, "pipe.fifo")
      yield* Effect.promise(() => appendFile(path, "before\n"))
      yield* eventually(
        "the line is there",
        Effect.map(wholeLog(url), (messages) => messages.includes("before"))
      )
      yield* Effect.promise(async () => {
        await rm(path)
        await put(path)
      })
      yield* eventually(
        "it is told",
        Effect.map(readiness(url), ({ problems }) => problems.includes("pipe:pipe.fifo") && problems.includes(told))
      )
      assert.strictEqual((yield* post(url, "meanwhile")).status, 200)
      yield* Effect.promise(() => take(path))
      yield* eventually("it is well again", isReady(url))
      yield* Effect.promise(() => appendFile(path, "after\n"))
      yield* eventually(
        "the line is there",
        Effect.map(wholeLog(url), (messages) => messages.includes("after"))
      )
      assert.include(yield* wholeLog(url), "meanwhile")
    })
)
