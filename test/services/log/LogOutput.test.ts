import { execFile } from "node:child_process"
import { constants, open as openCallback } from "node:fs"
import * as fs from "node:fs/promises"
import { Socket } from "node:net"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { LogOutput } from "../../../src/services/log/LogOutput.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"

const idle = (output: LogOutput) => Effect.callback<void>((resume) => output.whenIdle(() => resume(Effect.void)))
/** A descriptor that nobody else owns: a socket closes its own. */
const openFile = promisify(openCallback)

const told = (dropped: number) => `dropped ${dropped}\n`

const open = (path: string, flags: string | number) =>
  Effect.acquireRelease(
    Effect.promise(() => fs.open(path, flags)),
    (file) => Effect.promise(() => file.close())
  )

/** A pipe that nobody reads yet: what a hung journal looks like. */
const makePipe = Effect.gen(function* () {
  const path = join(yield* temporaryFolder, "pipe")
  yield* Effect.promise(() => promisify(execFile)("mkfifo", [path]))
  const writer = yield* open(path, constants.O_RDWR | constants.O_NONBLOCK)
  /** Reads until the text has come. */
  const readUntil = (end: string) =>
    Effect.gen(function* () {
      const fd = yield* Effect.promise(() => openFile(path, constants.O_RDWR | constants.O_NONBLOCK))
      const socket = yield* Effect.acquireRelease(
        Effect.sync(() => new Socket({ fd, readable: true, writable: false })),
        (opened) => Effect.sync(() => opened.destroy())
      )
      const done = yield* Deferred.make<string>()
      let text = ""
      socket.on("data", (chunk: Buffer) => {
        text += chunk.toString()
        if (text.endsWith(end)) Deferred.doneUnsafe(done, Effect.succeed(text))
      })
      return yield* Deferred.await(done)
    })
  return { fd: writer.fd, readUntil }
})

describe("LogOutput", () => {
  it.live("writes every line, in order, and is idle when all are written", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "log")
      const file = yield* open(path, "w")
      const output = new LogOutput(file.fd, told)
      yield* idle(output)
      const lines = Array.from({ length: 10_000 }, (_, i) => `line ${i}\n`)
      for (const line of lines) output.push(line)
      yield* idle(output)
      assert.strictEqual(yield* Effect.promise(() => fs.readFile(path, "utf8")), lines.join(""))
      output.push("one more\n")
      yield* idle(output)
      assert.isTrue((yield* Effect.promise(() => fs.readFile(path, "utf8"))).endsWith("one more\n"))
      assert.strictEqual(output.dropped, 0)
    })
  )

  it.live("drops and counts what a reader that hangs does not take, and tells it when lines flow again", () =>
    Effect.gen(function* () {
      const { fd, readUntil } = yield* makePipe
      const output = new LogOutput(fd, told)
      const line = `${"x".repeat(1023)}\n`
      for (let i = 0; i < 6 * 1024; i++) output.push(line)
      assert.isAtLeast(output.dropped, 1024)
      const text = yield* readUntil(told(output.dropped))
      const kept = text.slice(0, -told(output.dropped).length)
      assert.strictEqual(kept, line.repeat(6 * 1024 - output.dropped))
      yield* idle(output)
      output.push("after\n")
      yield* idle(output)
    })
  )

  it.live("goes on when its file cannot be written, and counts what that lost", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "log")
      yield* Effect.promise(() => fs.writeFile(path, ""))
      const file = yield* open(path, "r")
      const output = new LogOutput(file.fd, told)
      output.push("nowhere to go\n")
      yield* idle(output)
      output.push("nor this\n")
      yield* idle(output)
      assert.strictEqual(output.dropped, 2)
      assert.strictEqual(yield* Effect.promise(() => fs.readFile(path, "utf8")), "")
    })
  )

  it.live("counts the lines of writes that failed, and tells them when a write goes through again", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "pipe")
      yield* Effect.promise(() => promisify(execFile)("mkfifo", [path]))
      const reader = yield* Effect.promise(() => fs.open(path, constants.O_RDONLY | constants.O_NONBLOCK))
      const writer = yield* open(path, constants.O_WRONLY)
      yield* Effect.promise(() => reader.close())
      const output = new LogOutput(writer.fd, told)
      for (const line of ["one\n", "two\n"]) output.push(line)
      yield* idle(output)
      assert.strictEqual(output.dropped, 2)
      // This one goes out together with the count of the first two, and neither arrives.
      output.push("three\n")
      yield* idle(output)
      assert.strictEqual(output.dropped, 3)
      const again = yield* open(path, constants.O_RDONLY | constants.O_NONBLOCK)
      output.push("four\n")
      yield* idle(output)
      const { buffer, bytesRead } = yield* Effect.promise(() => again.read(Buffer.alloc(1024), 0, 1024))
      assert.strictEqual(buffer.toString("utf8", 0, bytesRead), `four\n${told(3)}`)
      assert.strictEqual(output.dropped, 3)
    })
  )
})
