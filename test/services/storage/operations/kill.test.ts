/** What was acknowledged is there: after kill -9 in the midst of batches, and after a disk on which no fsync works. */
import { type ChildProcessByStdio, spawn } from "node:child_process"
import { once } from "node:events"
import { createInterface } from "node:readline"
import type { Readable } from "node:stream"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { operationStatuses } from "../../../../src/services/operations/Operation.ts"
import { operationsFile } from "../../../../src/services/storage/OperationsStorage.ts"
import { begin } from "../../../harness/faultySyscalls.ts"
import { random } from "../../../harness/random.ts"
import { temporaryFolder } from "../../../harness/temporaryFolder.ts"
import { countsOf, openAt, outputOf, queryOf } from "../../operations/rows.ts"

const program = fileURLToPath(new URL("writer.ts", import.meta.url))

const start = (folder: string) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const child: ChildProcessByStdio<null, Readable, null> = spawn(process.execPath, [program, folder], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      const said: Array<string> = []
      const lines = createInterface(child.stdout)
      const ended = once(lines, "close")
      lines.on("line", (line) => said.push(line))
      /** So many more lines of that kind have come. */
      const more = (count: number, begins: RegExp) =>
        Effect.promise(async () => {
          for (let left = count, at = said.length; left > 0;) {
            await once(lines, "line")
            for (; at < said.length; at++) if (begins.test(said[at] ?? "")) left -= 1
          }
        })
      const kill = Effect.promise(async () => {
        child.kill("SIGKILL")
        await ended
      })
      return { pid: child.pid ?? 0, said, more, kill }
    }),
    ({ kill }) => kill
  )

/** Every step that was told of is there, no operation is there twice, and what is counted is what there is. */
const verify = Effect.fnUntraced(function* (folder: string, said: ReadonlyArray<string>) {
  const { close, store } = yield* openAt(operationsFile(folder))
  const reached = new Map(said.map((line) => line.split(" ")).map(([step, id]) => [id ?? "", step ?? ""]))
  const stepOf = { submitted: 0, begun: 1, noted: 1, ended: 2 }
  for (const [id, step] of reached) {
    const isStep = step === "submitted" || step === "begun" || step === "noted" || step === "ended"
    if (!isStep) continue
    const operation = (yield* store.get(id)) ?? assert.fail(`${id} was ${step} and is lost`)
    const { result, status } = operation
    const state = Math.min(2, operationStatuses.indexOf(status))
    assert.isTrue(state === stepOf[step] || state === stepOf[step] + 1, `${step}, but ${status}`)
    assert.strictEqual(result, status === "completed" ? id : null)
    assert.deepStrictEqual(yield* store.output(id), status === "completed" ? outputOf(id) : null)
    const exits = (yield* store.journal(id)).map(({ exit }) => exit)
    if (step === "noted" && status === "running") assert.deepStrictEqual(exits, [{ id }])
    if (status === "completed") assert.deepStrictEqual(exits, [])
  }
  const all = yield* store.list(queryOf({ limit: 1_000_000 }))
  assert.strictEqual(new Set(all.map(({ id }) => id)).size, all.length)
  const countOf = (wanted: string) => all.filter(({ status }) => status === wanted).length
  assert.deepStrictEqual(yield* countsOf(store), {
    pending: countOf("pending"),
    running: countOf("running"),
    total: all.length
  })
  yield* close
  return all.length
})

describe("the operations file", { timeout: 120_000 }, () => {
  it.live("has everything that was acknowledged after kill -9 in the midst of batches", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const draw = random(3)
      const told: Array<string> = []
      for (let round = 0; round < 5; round++) {
        const writer = yield* start(folder)
        yield* writer.more(5 + Math.floor(draw() * 300), /^submitted/u)
        yield* writer.kill
        told.push(...writer.said)
        assert.isAtLeast(yield* verify(folder, told), 5)
      }
      assert.deepStrictEqual(
        told.filter((line) => line.startsWith("failed")),
        []
      )
    })
  )

  it.live("acknowledges nothing while no fsync works, is opened anew, and goes on", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const writer = yield* start(folder)
      yield* writer.more(50, /^submitted/u)
      const fault = yield* begin(writer.pid, "fsync,fdatasync", "error=EIO")
      // What was under way when it began has been told.
      yield* writer.more(100, /^failed/u)
      const before = writer.said.length
      yield* writer.more(100, /^failed/u)
      const during = writer.said.slice(before)
      assert.isTrue(
        during.every((line) => line === "failed operations: fsync failed"),
        during.find((line) => !line.startsWith("failed operations: fsync"))
      )
      yield* fault.end
      yield* writer.more(50, /^ended/u)
      yield* writer.kill
      yield* verify(folder, writer.said)
    })
  )
})
