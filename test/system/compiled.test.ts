/** The compiled form beside the bundle: it fits the Node that built it, and a start does without one that does not fit. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { cp, readFile, rm, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Script } from "node:vm"
import { version } from "../../src/cli/version.ts"
import { buildOnce, home } from "./build.ts"
import { execute, temporaryFolder } from "./support.ts"

interface Built {
  readonly folder: string
  readonly text: string
  readonly compiled: string
}

const built = Effect.gen(function* () {
  yield* buildOnce
  const folder = yield* temporaryFolder
  yield* Effect.promise(() => cp(join(home, "dist"), folder, { recursive: true }))
  return { folder, text: join(folder, "systemapi.main.js"), compiled: join(folder, "systemapi.main.bin") }
})

const versionSaid = ({ folder }: Built) =>
  Effect.map(execute(process.execPath, [join(folder, "systemapi.js"), "--version"]), ({ code, err, out }) => {
    assert.deepStrictEqual([code, err], [0, ""])
    return out.trim()
  })

const identityLength = (text: Buffer) => text.indexOf("\n") + 1

/** V8's magic number, version and flags. */
const headerBytes = 16

describe("the compiled form", () => {
  it.live("is taken by the Node that made it", () =>
    Effect.gen(function* () {
      const { compiled, text } = yield* built
      const source = yield* Effect.promise(() => readFile(text))
      const bytes = yield* Effect.promise(() => readFile(compiled))
      const length = identityLength(source)
      assert.deepStrictEqual(bytes.subarray(0, length), source.subarray(0, length))
      const script = new Script(source.toString("latin1"), { filename: text, cachedData: bytes.subarray(length) })
      assert.isFalse(script.cachedDataRejected)
    })
  )

  it.live.each<readonly [string, (files: Built) => Promise<void>]>([
    ["absent", ({ compiled }) => rm(compiled)],
    ["empty", ({ compiled }) => truncate(compiled)],
    ["cut", ({ compiled }) => truncate(compiled, 100_000)],
    [
      "of another V8",
      async ({ compiled }) => {
        const bytes = await readFile(compiled)
        const start = identityLength(bytes)
        await writeFile(compiled, bytes.fill(0x55, start, start + headerBytes))
      }
    ]
  ])("is done without where it is %s", ([, spoil]) =>
    Effect.gen(function* () {
      const files = yield* built
      yield* Effect.promise(() => spoil(files))
      assert.strictEqual(yield* versionSaid(files), `systemapi v${version()}`)
    })
  )

  it.live("is not taken for another text, even of the same length", () =>
    Effect.gen(function* () {
      const files = yield* built
      const source = yield* Effect.promise(() => readFile(files.text))
      const identity = "// ".padEnd(identityLength(source) - 1, "0")
      const other = `${identity}\n(function () { process.stdout.write("other") })`
      yield* Effect.promise(() => writeFile(files.text, other.padEnd(source.length)))
      assert.strictEqual(yield* versionSaid(files), "other")
    })
  )
})
