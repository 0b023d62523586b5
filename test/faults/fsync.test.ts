/**
 * A failed fsync, as the kernel returns it: after it the kernel may have dropped what it could not write, and a second
 * fsync would succeed all the same. So the outcome is unknown to who asked, nothing is acknowledged on top of it, the
 * store is opened anew, and what it still shows is written once more before it counts.
 */
import { cp } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { begin } from "../harness/faultySyscalls.ts"
import { eventually, start } from "../system/support.ts"
import { request } from "../system/client.ts"
import { counted, errorBody, isReady, post, readiness, wholeLog } from "./support.ts"

const config = `[general]
listen_addr = "127.0.0.1:0"
[store]
directory = "state"
`

const unknown = "the event store failed: fsync failed; whether the event was stored is unknown"

it.live(
  "one fsync that fails leaves one outcome unknown: the event is there once or not at all, and no seq is missing",
  () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config })
      const { pid, url } = daemon
      assert.strictEqual((yield* post(url, "before")).status, 200)
      const fault = yield* begin(pid, "fsync,fdatasync", "error=EIO:when=1")
      const answer = yield* post(url, "unknown")
      assert.deepStrictEqual([answer.status, answer.body], [503, errorBody(503, unknown)])
      yield* fault.end
      yield* eventually("it is well again", isReady(url))
      assert.strictEqual((yield* post(url, "after")).status, 200)
      const counts = counted(yield* wholeLog(url))
      assert.deepStrictEqual([counts.get("before"), counts.get("after")], [1, 1])
      assert.isAtMost(counts.get("unknown") ?? 0, 1)
      yield* daemon.says(/actor EventStore backing-off .*fsync failed/u)
      assert.include(
        (yield* request(`${url}/logs`)).body,
        "[system-api] actor EventStore failed and is restarted: StorageLost: event store: fsync failed\n"
      )
    })
)

it.live("a disk on which no fsync works acknowledges nothing, and what it shows afterwards is written anew first", () =>
  Effect.gen(function* () {
    const { folder, pid, url } = yield* start({ config })
    assert.strictEqual((yield* post(url, "before")).status, 200)
    const fault = yield* begin(pid, "fsync,fdatasync", "error=EIO")
    for (const message of ["one", "two"]) {
      const answer = yield* post(url, message)
      assert.deepStrictEqual([answer.status, answer.body], [503, errorBody(503, unknown)])
    }
    assert.strictEqual((yield* readiness(url)).status, 503)
    assert.include((yield* request(`${url}/logs`)).body, "\t before\n")
    yield* fault.end
    yield* eventually("it is well again", isReady(url))
    const shown = yield* wholeLog(url)
    // The pages of the log file may be lost with the power by now; the store itself must not need them.
    const copy = join(folder, "copy.sqlite")
    yield* Effect.promise(() => cp(join(folder, "state/store.sqlite"), copy))
    const db = new DatabaseSync(copy, { readOnly: true })
    const stored = db
      .prepare("SELECT message FROM events ORDER BY seq")
      .all()
      .map(({ message }) => String(message))
    db.close()
    const during = shown.filter((message) => /^(one|two|before)$/u.test(message))
    assert.deepStrictEqual(
      stored.filter((message) => /^(one|two|before)$/u.test(message)),
      during
    )
    for (const count of counted(during).values()) assert.strictEqual(count, 1)
  })
)
