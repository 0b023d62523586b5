import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { fileBytesMax, read } from "../../../src/services/config/TomlFile.ts"

const folder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "systemapi-test-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)

const reasonFor = Effect.fnUntraced(function* (content: string | Uint8Array) {
  const path = join(yield* folder, "config.toml")
  yield* Effect.promise(() => writeFile(path, content))
  const error = yield* Effect.flip(read(path))
  return error.message.replace(path, "FILE")
})

describe("reading a TOML file", () => {
  it.live("yields its document and its lines", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const path = join(dir, "config.toml")
      const link = join(dir, "link.toml")
      yield* Effect.promise(() => writeFile(path, "\uFEFF[general]\r\nlisten_addr = 'é'\r\n"))
      yield* Effect.promise(() => symlink(path, link))
      const { document, lineOf } = yield* read(link)
      assert.deepStrictEqual({ ...document }, { general: Object.assign(Object.create(null), { listen_addr: "é" }) })
      assert.strictEqual(lineOf(["general", "listen_addr"]), 2)
    })
  )

  it.live("takes a file of the largest size, and none above it", () =>
    Effect.gen(function* () {
      const path = join(yield* folder, "config.toml")
      const largest = "x = 1\n".padEnd(fileBytesMax, "#")
      yield* Effect.promise(() => writeFile(path, largest))
      assert.strictEqual((yield* read(path)).document["x"], 1)
      yield* Effect.promise(() => writeFile(path, `${largest}#`))
      assert.strictEqual((yield* Effect.flip(read(path))).message, `${path}: is larger than ${fileBytesMax} bytes`)
    })
  )

  it.live("tells why a file cannot be had", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      assert.strictEqual((yield* Effect.flip(read(dir))).message, `${dir}: is a directory, not a file`)
      const absent = join(dir, "absent.toml")
      assert.strictEqual((yield* Effect.flip(read(absent))).message, `${absent}: does not exist`)
      const fifo = join(dir, "fifo")
      yield* Effect.promise(() => promisify(execFile)("mkfifo", [fifo]))
      assert.strictEqual((yield* Effect.flip(read(fifo))).message, `${fifo}: is not a regular file`)
      const under = join(absent, "a.toml")
      assert.strictEqual((yield* Effect.flip(read(under))).message, `${under}: does not exist`)
      assert.match((yield* Effect.flip(read("a\0b"))).reason, /^cannot be read: .*null bytes/u)
    })
  )

  it.live("tells in words why the system does not let it read a file", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const path = join(dir, "config.toml")
      yield* Effect.promise(() => writeFile(path, "x = 1"))
      const behind = join(path, "config.toml")
      assert.strictEqual((yield* Effect.flip(read(behind))).message, `${behind}: cannot be read: not a directory`)
      const loop = join(dir, "loop.toml")
      yield* Effect.promise(() => symlink(loop, loop))
      assert.strictEqual(
        (yield* Effect.flip(read(loop))).message,
        `${loop}: cannot be read: too many symbolic links encountered`
      )
    })
  )

  it.live("names the line of what is no TOML", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reasonFor("a = 1\nb 2\n"), "FILE:2: expected '=', at column 3")
      assert.strictEqual(yield* reasonFor("a = 1\n\na = 2\n"), "FILE:3: cannot redefine existing key 'a', at column 6")
      assert.strictEqual(yield* reasonFor("a = 1\n[b]\n[b]\n"), "FILE:3: cannot redefine table 'b', at column 4")
      assert.strictEqual(yield* reasonFor('a = "x\n'), "FILE:1: basic strings cannot contain newlines, at column 7")
      assert.strictEqual(yield* reasonFor("a = 1 b = 2"), "FILE:1: expected the end of the line, at column 7")
      assert.strictEqual(yield* reasonFor('a = "\\\u2028"'), "FILE:1: invalid escape '\\?', at column 8")
      for (const deep of [
        `${"[".repeat(100_000)}`,
        `${"[".repeat(100)}${"]".repeat(100)}`,
        `${"{a=".repeat(100_000)}`,
        `1\n[c.${"a.".repeat(100_000)}a]`
      ]) {
        assert.match(yield* reasonFor(`a = 1\nb = ${deep}`), /^FILE:[23]: is nested more than 32 deep$/u)
      }
    })
  )

  it.live("cuts a reason that names an endless key", () =>
    Effect.gen(function* () {
      const key = "k".repeat(100_000)
      const reason = yield* reasonFor(`${key} = 1\n${key} = 2\n`)
      assert.match(reason, /^FILE:2: cannot redefine existing key 'k+…, at column \d+$/u)
      assert.isBelow(reason.length, 300)
    })
  )

  it.live("repeats no value that is no TOML: it may be a password without quotes", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* reasonFor("a = 1\nsalt = hunter2"), "FILE:2: not a TOML value (text needs quotes)")
      assert.strictEqual(yield* reasonFor("salt = 99999999999999999999"), "FILE:1: integer out of range, at column 28")
      assert.strictEqual(yield* reasonFor("salt = 2024-99-99"), "FILE:1: invalid date-time, at column 18")
    })
  )

  it.live("names the line of what is not UTF-8", () =>
    Effect.gen(function* () {
      const bytes = Buffer.concat([Buffer.from("a = 'é'\nb = '"), Buffer.from([0xff]), Buffer.from("'\nc = 1\n")])
      assert.strictEqual(yield* reasonFor(bytes), "FILE:2: is not UTF-8")
      assert.strictEqual(yield* reasonFor(Buffer.from([0x23, 0xc3])), "FILE:1: is not UTF-8")
    })
  )
})
