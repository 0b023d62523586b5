/**
 * A damaged store: refused or read around, never repaired, changed or deleted by the daemon, and whoever meets it is
 * told how to get at what it holds. That way is walked here too, with the very words of the message.
 */
import { createHash } from "node:crypto"
import { cp, mkdir, readdir, readFile, truncate, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { EventTable } from "../../src/services/storage/EventTable.ts"
import { openStore, storeFile } from "../../src/services/storage/openStore.ts"
import { faultOf } from "../../src/services/storage/sqliteFault.ts"
import { toScanRange, toWire } from "../../src/services/storage/wire.ts"
import { queryOf, runOf } from "../harness/events.ts"
import { random } from "../harness/random.ts"
import { temporaryFolder } from "../harness/temporaryFolder.ts"
import { program } from "../system/build.ts"
import { request, tryRequest } from "../system/client.ts"
import { run, shell, start } from "../system/support.ts"
import { wholeLog } from "./support.ts"

const seed = Number(process.env["SYSTEMAPI_DAMAGE_SEED"] ?? 20_261_122)
/** Damages per kind of file; each costs some milliseconds. */
const rounds = 24

const promise = <A>(work: () => Promise<A>) => Effect.promise(work)

const eventCount = 9000
const lastOfLog = 50
const messageOf = (seq: number) => `event ${seq} ${"x".repeat(50)}`
const now = () => BigInt(Date.now()) * 1_000_000n
const eventsFrom = (first: number, count: number) =>
  toWire([
    runOf(
      Array.from({ length: count }, (_, i) => messageOf(first + i)),
      { receivedAt: now() }
    )
  ])

/** A store as a kill leaves it: most of its events in the file, the newest in SQLite's log beside it. */
const makeStore = (folder: string) =>
  promise(async () => {
    const made = `${folder}/made`
    await mkdir(made)
    const first = openStore(made)
    new EventTable(first).append(eventsFrom(1, eventCount))
    first.close()
    const second = openStore(made)
    new EventTable(second).append(eventsFrom(eventCount + 1, lastOfLog))
    const killed = `${folder}/killed`
    await mkdir(killed)
    for (const name of ["store.sqlite", "store.sqlite-wal"]) await cp(join(made, name), join(killed, name))
    second.close()
    return { killed, stopped: made }
  })

const copyOf = (store: string, to: string) =>
  promise(async () => {
    await cp(store, to, { recursive: true })
    return to
  })

/** The files that hold events, by name and content. */
const contentOf = (store: string) =>
  promise(async () => {
    const names = (await readdir(store)).filter((name) => /^store\.sqlite(-wal)?$/u.test(name)).sort()
    const hashes = await Promise.all(
      names.map(async (name) =>
        createHash("sha256")
          .update(await readFile(join(store, name)))
          .digest("hex")
      )
    )
    return names.map((name, i) => `${name} ${hashes[i]}`)
  })

const overwrite = (file: string, at: number, bytes: Uint8Array) =>
  promise(async () => {
    const content = await readFile(file)
    content.set(bytes.subarray(0, Math.max(0, content.length - at)), at)
    await writeFile(file, content)
  })

/** Opens the store and reads all of it, as the worker would; the seqs that were read, or why not. */
const readAll = (store: string) =>
  Effect.sync(() => {
    const seqs: Array<number> = []
    let db: DatabaseSync | undefined
    try {
      db = openStore(store)
      const table = new EventTable(db)
      for (let after = 0; ;) {
        const page = table.scan(toScanRange(queryOf({ after, limit: 4096 })))
        for (const [seq] of page.rows) seqs.push(seq)
        if (page.done || page.through <= after) break
        after = page.through
      }
      return { opened: true, seqs, fault: undefined }
    } catch (error) {
      return { opened: db !== undefined, seqs, fault: faultOf(error) }
    } finally {
      db?.close()
    }
  })

describe.each(["stopped", "killed"] as const)(
  "bytes overwritten anywhere in the store of a daemon that was %s",
  (how) => {
    it.live("are refused, or found when they are read, or harmless; what is refused is left as it is", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const store = (yield* makeStore(folder))[how]
        const next = random(seed)
        const outcomes = { refused: 0, found: 0, harmless: 0 }
        for (let round = 0; round < rounds; round++) {
          const damaged = yield* copyOf(store, `${folder}/damaged-${round}`)
          const size = (yield* promise(() => readFile(storeFile(damaged)))).length
          // Half of them hit the structure, which is at the start of a page.
          const page = Math.floor((next() * size) / 4096) * 4096
          const at = round % 2 === 0 ? page + Math.floor(next() * 12) : Math.floor(next() * size)
          yield* overwrite(
            storeFile(damaged),
            at,
            Uint8Array.from({ length: 1 + Math.floor(next() * 64) }, () => next() * 256)
          )
          const before = yield* contentOf(damaged)
          const { fault, opened, seqs } = yield* readAll(damaged)
          const where = `SYSTEMAPI_DAMAGE_SEED=${seed}, round ${round}, byte ${at}`
          // SQLite has no checksums: what is changed inside of a row is a row with another content.
          assert.isAtMost(seqs.length, eventCount + lastOfLog, where)
          if (fault === undefined) outcomes.harmless += 1
          else {
            assert.include(["corrupt", "failed"], fault.kind, `${where}: ${fault.reason}`)
            if (opened) outcomes.found += 1
            else {
              outcomes.refused += 1
              assert.deepStrictEqual(yield* contentOf(damaged), before, where)
            }
          }
        }
        assert.isAbove(outcomes.refused + outcomes.found, 2, JSON.stringify(outcomes))
        assert.isAbove(outcomes.harmless, 2, JSON.stringify(outcomes))
      })
    )
  }
)

it.live("a damaged log of SQLite's costs at most what was in it, in order and without a gap", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const { killed } = yield* makeStore(folder)
    const next = random(seed)
    const size = (yield* promise(() => readFile(`${storeFile(killed)}-wal`))).length
    for (let round = 0; round < rounds / 2; round++) {
      const damaged = yield* copyOf(killed, `${folder}/log-${round}`)
      const log = `${storeFile(damaged)}-wal`
      const at = Math.floor(next() * size)
      if (round % 3 === 0) yield* promise(() => truncate(log, at))
      else yield* overwrite(log, at, Uint8Array.of(next() * 256, next() * 256, 255))
      const { fault, seqs } = yield* readAll(damaged)
      assert.isUndefined(fault)
      assert.isAtLeast(seqs.length, eventCount)
      assert.isTrue(seqs.every((seq, i) => seq === i + 1))
    }
  })
)

const config = `[general]
listen_addr = "127.0.0.1:0"
[store]
directory = "state"
`

/** The store of a stopped daemon in the folder of one, with a change to its file. */
const damagedBy = Effect.fnUntraced(function* (
  damage: (file: string) => Promise<void>,
  how: "stopped" | "killed" = "stopped"
) {
  const folder = yield* temporaryFolder
  const stores = yield* makeStore(folder)
  const state = yield* copyOf(stores[how], join(folder, "state"))
  yield* promise(() => damage(storeFile(state)))
  return { folder, state }
})

const refusedAs = Effect.fnUntraced(function* (folder: string, state: string, why: RegExp) {
  const before = yield* contentOf(state)
  const { code, err } = yield* run({ folder, config })
  assert.strictEqual(code, 1)
  assert.match(err, why)
  assert.include(err, "To recover what can be read: systemapi events export --store state --output events.ndjson")
  assert.deepStrictEqual(yield* contentOf(state), before)
  return err
})

const page = (n: number) => (n - 1) * 4096

/** The page of the events table whose rows hold this seq: found by its text, which is in no other. */
const pageHolding = async (file: string, seq: number): Promise<number> =>
  Math.floor((await readFile(file)).indexOf(`event ${seq} x`) / 4096) * 4096

const ruin = async (file: string, at: number): Promise<void> => {
  const content = await readFile(file)
  content.fill(0xff, at, at + 64)
  await writeFile(file, content)
}

describe("the daemon on a store", () => {
  it.live.each([
    ["that is no database", (file: string) => writeFile(file, "no database, ".repeat(1000)), /file is not a database/u],
    ["that was cut", (file: string) => truncate(file, 20_000), /malformed/u],
    ["whose root page is damaged", (file: string) => ruin(file, page(2)), /malformed/u],
    [
      "of a newer systemapi",
      async (file: string) => {
        const db = new DatabaseSync(file)
        db.exec("PRAGMA user_version = 99")
        db.close()
      },
      /its format is 99, this systemapi knows formats up to 3/u
    ]
  ] as const)("%s ends with the reason and the way out, and leaves it as it is", ([, damage, why]) =>
    Effect.gen(function* () {
      const { folder, state } = yield* damagedBy(damage)
      yield* refusedAs(folder, state, why)
    })
  )

  it.live("that a kill left and that is damaged leaves SQLite's log beside it as well", () =>
    Effect.gen(function* () {
      const { folder, state } = yield* damagedBy(async (file) => {
        const db = new DatabaseSync(file, { readOnly: true })
        const root = Number(
          db.prepare("SELECT rootpage FROM sqlite_schema WHERE name = 'log_state'").get()?.["rootpage"]
        )
        db.close()
        await ruin(file, page(root))
      }, "killed")
      assert.lengthOf(yield* contentOf(state), 2)
      yield* refusedAs(folder, state, /malformed/u)
    })
  )

  it.live("whose newest events are damaged ends with the reason; the way out that it names gives the others back", () =>
    Effect.gen(function* () {
      const { folder } = yield* damagedBy(async (file) => ruin(file, await pageHolding(file, eventCount - 500)))
      const { code, err } = yield* run({ folder, config })
      assert.strictEqual(code, 1)
      const [, save, load] =
        /To recover what can be read: systemapi (.+) \(or .+\); to start afresh: .+, then systemapi (.+)\n/u.exec(
          err
        ) ?? assert.fail(err)
      const saved = yield* shell(folder, `'${program}' ${save} 2>&1`)
      const [, first, last] = /events (\d+) to (\d+) are damaged and left out/u.exec(saved) ?? assert.fail(saved)
      assert.isTrue(Number(first) <= eventCount - 500 && eventCount - 500 <= Number(last), saved)
      assert.isBelow(Number(last) - Number(first), 100)
      yield* shell(folder, `mv state damaged && mkdir state && STATE_DIRECTORY=state '${program}' ${load}`)
      const { url } = yield* start({ folder, config })
      const all = yield* wholeLog(url)
      const lost = (seq: number) => seq >= Number(first) && seq <= Number(last)
      const expected = Array.from({ length: eventCount + lastOfLog }, (_, i) => i + 1).filter((seq) => !lost(seq))
      assert.deepStrictEqual(all, expected.map(messageOf))
    })
  )

  it.live("whose old events are damaged serves the others and takes new ones; who asks for those is told", () =>
    Effect.gen(function* () {
      const { folder } = yield* damagedBy(async (file) => ruin(file, await pageHolding(file, 1000)))
      const { url } = yield* start({ folder, config })
      assert.strictEqual((yield* request(`${url}/api/v1/new_event?message=new`)).status, 200)
      assert.include((yield* request(`${url}/logs`)).body, "\t new\n")
      const told = yield* request(`${url}/api/v1/events?after=900&limit=200`)
      assert.strictEqual(told.status, 503)
      assert.include(
        told.body,
        "store.sqlite is damaged: database disk image is malformed. To recover what can be read: "
      )
      assert.strictEqual((yield* request(`${url}/api/v1/events?after=5000&limit=1000`)).status, 200)
      // A page without an end is cut, never made up.
      yield* Effect.exit(tryRequest(`${url}/api/v1/events?after=0&limit=10000`))
      assert.strictEqual((yield* request(`${url}/livez`)).status, 200)
    })
  )

  it.live("that is empty begins anew: a crash at its making leaves it so", () =>
    Effect.gen(function* () {
      const { folder } = yield* damagedBy((file) => truncate(file, 0))
      const { url } = yield* start({ folder, config })
      assert.deepStrictEqual(yield* wholeLog(url), [])
    })
  )
})
