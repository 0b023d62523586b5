/**
 * kill -9 under load, round after round on one store: every message that was answered 200, or seen in the log, is there
 * afterwards exactly once, and the numbers have no gap. The moment of each kill comes from a seed, which a failure
 * names; SYSTEMAPI_CRASH_ROUNDS and SYSTEMAPI_CRASH_SEED choose both.
 */
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { eventsOf, keepAlive, request, tryRequest } from "./client.ts"
import { type Daemon, start, temporaryFolder } from "./support.ts"

const rounds = Number(process.env["SYSTEMAPI_CRASH_ROUNDS"] ?? 10)
const seed = Number(process.env["SYSTEMAPI_CRASH_SEED"] ?? 20_261_122)

/** More rounds than the usual take their time. */
const timeoutMs = 60_000 + rounds * 6000

const clients = 4
/** Events in each POST of the client that sends many. */
const batchEvents = 7
/** A kill comes after at most this many answers. */
const answersMax = 400

/** Mulberry32: the same moments for the same seed. */
const random = (start: number) => {
  let state = start
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const config = `[general]
listen_addr = "127.0.0.1:0"
pipe_file = "pipe.fifo"
`

/** What the daemon has promised, over all rounds. */
interface Promises {
  readonly acknowledged: Set<string>
  /** Seen by a reader: the message of each seq. */
  readonly seen: Map<number, string>
}

/** Ends when the daemon does, or no longer takes events; calls `onAnswer` at each message that was acknowledged. */
const client = (daemon: Daemon, prefix: string, onAnswer: (message: string) => void) =>
  Effect.gen(function* () {
    const agent = yield* keepAlive
    for (let i = 0; ; i++) {
      const message = `${prefix}-${i}`
      const answer = yield* tryRequest(`${daemon.url}/api/v1/new_event?message=${message}`, { agent })
      if (answer.status !== 200) return yield* Effect.die(new Error(`${answer.status} ${answer.body}`))
      onAnswer(message)
    }
  })

const batchClient = (daemon: Daemon, prefix: string, onAnswer: (message: string) => void) =>
  Effect.gen(function* () {
    const agent = yield* keepAlive
    for (let i = 0; ; i++) {
      const batch = Array.from({ length: batchEvents }, (_, n) => `${prefix}-${i}-${n}`)
      const body = JSON.stringify(batch.map((message) => ({ message })))
      const answer = yield* tryRequest(`${daemon.url}/api/v1/events`, { agent, body })
      if (answer.status !== 200) return yield* Effect.die(new Error(`${answer.status} ${answer.body}`))
      for (const message of batch) onAnswer(message)
    }
  })

/** Follows the log; what it has seen must stay. */
const reader = (daemon: Daemon, seen: Map<number, string>, from: number) =>
  Effect.gen(function* () {
    const agent = yield* keepAlive
    for (let after = from; ;) {
      const answer = yield* tryRequest(`${daemon.url}/api/v1/events?after=${after}&wait=10&format=ndjson`, { agent })
      for (const line of answer.body.split("\n").slice(0, -1)) {
        const [, seq, message] = /^\{"seq":(\d+),.*"message":"([^"]*)"\}$/u.exec(line) ?? []
        seen.set(Number(seq), message ?? "")
      }
      after = Number(answer.headers["x-next-after"])
    }
  })

/** Writes lines of one length until nobody reads any more (EPIPE). */
const fifoWriter = (daemon: Daemon, prefix: string) =>
  Effect.tryPromise(async () => {
    const fifo = await open(join(daemon.folder, "pipe.fifo"), "w")
    try {
      for (let i = 0; ; i++) await fifo.write(`${prefix}-${String(i).padStart(8, "0")}\n`)
    } finally {
      await fifo.close().catch(() => {})
    }
  })

/** Everything in the store, checked for gaps, in its order. */
const contentOf = Effect.fnUntraced(function* ({ url }: Daemon) {
  const content: Array<string> = []
  while (true) {
    const page = yield* eventsOf(url, `after=${content.length}&limit=10000`)
    for (const { message, seq } of page) {
      content.push(message)
      if (seq !== content.length) throw new Error(`seq ${seq} is where ${content.length} should be`)
    }
    if (page.length === 0) return content
  }
})

const verify = (content: ReadonlyArray<string>, { acknowledged, seen }: Promises) => {
  const counts = new Map<string, number>()
  for (const message of content) counts.set(message, (counts.get(message) ?? 0) + 1)
  for (const message of acknowledged) {
    if (counts.get(message) !== 1)
      throw new Error(`${message} was acknowledged and is there ${counts.get(message) ?? 0} times`)
  }
  for (const [seq, message] of seen) {
    if (content[seq - 1] !== message) throw new Error(`event ${seq} was ${message} and is ${content[seq - 1]}`)
  }
  for (const [message, count] of counts) {
    // A line of the FIFO that was cut in two by the kill is two events; everything else is there once.
    if (count !== 1 && /^r\d+-[chb]/u.test(message)) throw new Error(`${message} is there ${count} times`)
  }
  const whole = content.filter((message) => /^r\d+-f-\d{8}$/u.test(message))
  const place = (message: string) => Number(/^r(\d+)/u.exec(message)?.[1]) * 1e8 + Number(message.slice(-8))
  for (let i = 1; i < whole.length; i++) {
    if (place(whole[i] ?? "") <= place(whole[i - 1] ?? "")) throw new Error(`${whole[i]} comes after ${whole[i - 1]}`)
  }
}

it.live(
  `kill -9 under load, ${rounds} rounds, and a stop under load`,
  () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const next = random(seed)
      const promises: Promises = { acknowledged: new Set(), seen: new Map() }
      let stored = 0
      // The last one ends in order: then, too, everything that was promised is there.
      for (let round = 0; round <= rounds; round++) {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const daemon = yield* start({ folder, config })
            verify(yield* contentOf(daemon), promises)
            stored = Number((yield* eventsOf(daemon.url, "tail=1"))[0]?.seq ?? 0)
            const killAfter = 1 + Math.floor(next() * answersMax)
            const enough = yield* Deferred.make<void>()
            let answers = 0
            const onAnswer = (message: string) => {
              promises.acknowledged.add(message)
              answers += 1
              if (answers === killAfter) Deferred.doneUnsafe(enough, Effect.void)
            }
            const load = yield* Effect.forEach(
              [
                ...Array.from({ length: clients }, (_, c) => client(daemon, `r${round}-c${c}`, onAnswer)),
                batchClient(daemon, `r${round}-b`, onAnswer),
                reader(daemon, promises.seen, stored),
                fifoWriter(daemon, `r${round}-f`)
              ],
              (effect) => Effect.forkScoped(Effect.ignore(effect))
            )
            yield* Deferred.await(enough)
            if (round < rounds) assert.deepStrictEqual(yield* daemon.kill, { code: null, signal: "SIGKILL" })
            else assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
            yield* Effect.forEach(load, Fiber.join)
          })
        )
      }
      const last = yield* start({ folder, config })
      const content = yield* contentOf(last)
      verify(content, promises)
      assert.isAbove(promises.acknowledged.size, rounds)
      assert.isAbove(promises.seen.size, rounds)
      assert.isTrue(content.some((message) => /^r\d+-f-\d{8}$/u.test(message)))
      assert.strictEqual((yield* request(`${last.url}/readyz`)).status, 200)
      assert.deepStrictEqual(yield* last.stop, { code: 0, signal: null })
    }).pipe(Effect.tapCause(() => Effect.sync(() => console.error(`SYSTEMAPI_CRASH_SEED=${seed}`)))),
  timeoutMs
)
