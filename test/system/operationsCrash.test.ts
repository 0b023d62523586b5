/**
 * kill -9 while operations of many kinds wait, run and end, round after round on one store: none that was acknowledged is
 * lost, none that may not run twice does, each has one final state and keeps it, and nothing of what a killed daemon had
 * started lives on. The moment of each kill comes from a seed, which a failure names; SYSTEMAPI_CRASH_ROUNDS and
 * SYSTEMAPI_CRASH_SEED choose both.
 */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { OperationEntry } from "../../src/http/api/Operations.ts"
import { random } from "../harness/random.ts"
import { keepAlive, request, tryRequest } from "./client.ts"
import { environ } from "./proc.ts"
import { type Daemon, eventually, start, temporaryFolder } from "./support.ts"

const rounds = Number(process.env["SYSTEMAPI_CRASH_ROUNDS"] ?? 6)
const seed = Number(process.env["SYSTEMAPI_CRASH_SEED"] ?? 20_261_122)
const timeoutMs = 90_000 + rounds * 8000

/** A kill comes after this many answers, and then at most so much later: before, at and after the end of most. */
const answersMin = 20
const answersMax = 60
const delayMaxMs = 900

const clients = 4

/** Each says first which operation it is of; a shell's `>>` is O_APPEND, and so short a text is written whole. */
const says = `echo "$SYSTEMAPI_OPERATION_ID" >> ran; `

const config = `[[listeners]]
address = "127.0.0.1:0"
apis = ["system", "identity", "provisioning"]
auth = ["basic", "bearer"]

[auth]
development_users = true
password_min_length = 8

[operations]
max_count = 100000

[actions.quick]
command = '''${says} echo done'''
concurrency = 8
[actions.slow]
command = '''${says} sleep 0.4; echo done'''
concurrency = 8
# Two processes that outlive it by far, unless it ends them, which it does in the end; one of them is in a session of its own.
[actions.forking]
command = '''${says} sleep 600 & a=$!; setsid sleep 600 & b=$!; sleep 0.6; kill $a $b; wait'''
concurrency = 8
# Ends with nothing but KILL, and so does what it starts.
[actions.stuck]
command = '''trap "" TERM; ${says} sleep 600 & while true; do sleep 1; done'''
concurrency = 64
kill_grace_ms = 100
[actions.again]
command = '''${says} sleep 0.3; echo done'''
concurrency = 8
on_restart = "run_again"
`

const actions = ["quick", "slow", "forking", "again", "quick", "slow"]

const decodeEntry = Schema.decodeUnknownSync(Schema.fromJsonString(OperationEntry))
const decodePage = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(OperationEntry)))
const Tokens = Schema.Struct({ token: Schema.String })

type Entry = typeof OperationEntry.Type

const login = ({ url }: Daemon) =>
  Effect.map(
    request(`${url}/v1/auth/login`, {
      method: "POST",
      body: JSON.stringify({ username: "admin", password: "admin123" })
    }),
    ({ body }) => `Bearer ${Schema.decodeSync(Schema.fromJsonString(Tokens))(body).token}`
  )

/** Asks for one action after the other until it is enough, or the daemon is gone. */
const client = (daemon: Daemon, authorization: string, offset: number, onAnswer: (id: string) => boolean) =>
  Effect.gen(function* () {
    const agent = yield* keepAlive
    for (let i = offset, more = true; more; i++) {
      const name = i % 40 === 0 ? "stuck" : actions[i % actions.length]
      const answer = yield* tryRequest(`${daemon.url}/api/v1/actions/${name}?async=1`, {
        method: "POST",
        agent,
        headers: { authorization }
      })
      if (answer.status !== 202) return yield* Effect.die(new Error(`${answer.status} ${answer.body}`))
      more = onAnswer(decodeEntry(answer.body).id)
    }
  })

/** All there are. */
const listed = Effect.fnUntraced(function* ({ url }: Daemon, authorization: string) {
  const all: Array<Entry> = []
  for (let cursor = ""; ;) {
    const answer = yield* request(`${url}/v1/operations?limit=1000${cursor}`, { headers: { authorization } })
    all.push(...decodePage(answer.body))
    const next = answer.headers["x-next-cursor"]
    if (next === undefined) return all
    cursor = `&cursor=${next}`
  }
})

const isFinal = ({ status }: Entry) => status !== "pending" && status !== "running"

/** Living processes that were started for one of these. */
const processesOf = (ids: ReadonlySet<string>) =>
  Effect.gen(function* () {
    const found: Array<number> = []
    for (const name of yield* Effect.promise(() => readdir("/proc"))) {
      if (!/^\d+$/u.test(name)) continue
      const variables = (yield* environ(Number(name))).split("\0")
      const id = variables.find((one) => one.startsWith("SYSTEMAPI_OPERATION_ID="))?.split("=")[1]
      if (id !== undefined && ids.has(id)) found.push(Number(name))
    }
    return found
  })

const ran = (folder: string) =>
  Effect.promise(async () => {
    const counts = new Map<string, number>()
    const text = await readFile(join(folder, "ran"), "utf8").catch(() => "")
    for (const id of text.split("\n").slice(0, -1)) counts.set(id, (counts.get(id) ?? 0) + 1)
    return counts
  })

const someRan = (folder: string, ids: ReadonlySet<string>) =>
  Effect.map(ran(folder), (counts) => [...ids].some((id) => counts.has(id)))

/** What a final state is compared by: it never changes. */
const stateOf = ({ ended_at, error, result, started_at, status }: Entry) =>
  JSON.stringify({ status, started_at, ended_at, error, result })

/** What may have become of one, and how often it may have run for that. */
const checkEnd = ({ error, id, name, status }: Entry, times: number) => {
  const what = `${name} ${id} is ${status} (${error?.error ?? "no error"}) and ran ${times} times`
  switch (status) {
    case "completed":
      return assert.isTrue(name === "again" ? times >= 1 : times === 1 && name !== "stuck", what)
    case "failed":
      return assert.isTrue(error?.error === "interrupted_by_restart" && name !== "again" && times <= 1, what)
    case "cancelled":
      return assert.isTrue(name === "stuck" && times <= 1, what)
    default:
      return assert.fail(what)
  }
}

it.live(
  `kill -9 with operations of every kind at work, ${rounds} rounds`,
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const next = random(seed)
      const acknowledged = new Set<string>()
      const final = new Map<string, string>()

      /** Whatever has ended stays as it was seen first; whatever was acknowledged is there. */
      const look = Effect.fnUntraced(function* (daemon: Daemon, authorization: string) {
        const all = yield* listed(daemon, authorization)
        const ids = new Set(all.map(({ id }) => id))
        for (const id of acknowledged) assert.isTrue(ids.has(id), `${id} was acknowledged and is lost`)
        for (const entry of all.filter(isFinal)) {
          const state = stateOf(entry)
          assert.strictEqual(final.get(entry.id) ?? state, state, `${entry.id} has changed after its end`)
          final.set(entry.id, state)
        }
        return all
      })

      for (let round = 0; round < rounds; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const daemon = yield* start({ folder, config })
            const authorization = yield* login(daemon)
            yield* look(daemon, authorization)
            const killAfter = answersMin + Math.floor(next() * (answersMax - answersMin))
            const delayMs = Math.floor(next() * delayMaxMs)
            const enough = yield* Deferred.make<void>()
            let answers = 0
            const mine = new Set<string>()
            const onAnswer = (id: string) => {
              acknowledged.add(id)
              mine.add(id)
              answers += 1
              if (answers === killAfter) Deferred.doneUnsafe(enough, Effect.void)
              return answers < killAfter
            }
            const load = yield* Effect.forEach(
              Array.from({ length: clients }, (_, n) => client(daemon, authorization, n * 10, onAnswer)),
              (effect) => Effect.forkScoped(Effect.ignore(effect))
            )
            yield* Deferred.await(enough)
            // Some kills come while it still finds what the last daemon has left, most while this round's are at work.
            if (round % 3 !== 0) yield* eventually("one of them runs", someRan(folder, mine))
            yield* Effect.sleep(delayMs)
            assert.deepStrictEqual(yield* daemon.kill, { code: null, signal: "SIGKILL" })
            yield* Effect.forEach(load, Fiber.join)
          })
        )
      }

      const last = yield* start({ folder, config })
      const authorization = yield* login(last)
      const cancelStuck = Effect.gen(function* () {
        const all = yield* look(last, authorization)
        for (const { id, name } of all.filter((entry) => !isFinal(entry))) {
          if (name !== "stuck") continue
          yield* request(`${last.url}/v1/operations/${id}/cancel`, { method: "POST", headers: { authorization } })
        }
        return all.filter((entry) => !isFinal(entry)).length
      })
      // As long as there are fewer of them each time, it goes on.
      for (let before = Infinity, left = yield* cancelStuck; left > 0; left = yield* cancelStuck) {
        const fewer = before
        before = left
        assert.isBelow(left, fewer, last.said())
        yield* Effect.timeoutOption(
          eventually(
            "one more has ended",
            Effect.map(cancelStuck, (now) => now < left)
          ),
          "20 seconds"
        )
      }
      const all = yield* look(last, authorization)
      const counts = yield* ran(folder)
      for (const entry of all) checkEnd(entry, counts.get(entry.id) ?? 0)
      const ids = new Set(all.map(({ id }) => id))
      for (const id of counts.keys()) assert.isTrue(ids.has(id), `${id} ran and is not known`)
      yield* eventually(
        "nothing is left of what was started",
        Effect.map(processesOf(ids), (found) => found.length === 0)
      )
      const ends = Map.groupBy(all, ({ name, status }) => `${name} ${status}`)
      assert.isAbove(ends.get("quick completed")?.length ?? 0, rounds)
      assert.isAbove(all.filter(({ error }) => error?.error === "interrupted_by_restart").length, 0)
      assert.deepStrictEqual(yield* last.stop, { code: 0, signal: null })
    }).pipe(Effect.tapCause(() => Effect.sync(() => console.error(`SYSTEMAPI_CRASH_SEED=${seed}`)))),
  timeoutMs
)
