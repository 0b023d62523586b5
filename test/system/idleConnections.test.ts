/**
 * Ten thousand connections that send nothing, or half of a request: others are served meanwhile, and once they have left,
 * or were cut by the deadline, neither a descriptor nor their memory is left of them.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { appendFile, readdir } from "node:fs/promises"
import { join } from "node:path"
import { type Crowd, crowdMax, gather } from "../../bench/idle.ts"
import { curl, logsOf, request } from "./client.ts"
import { memory } from "./proc.ts"
import { type Daemon, eventually, start } from "./support.ts"

/** Fewer would prove nothing; a machine with a hard limit of descriptors below this has to be given more. */
const crowdMin = 4000

const crowd = crowdMax()

/**
 * What may be left of three crowds, most of it pages that V8 keeps for what comes next and returns in its own time: a
 * third of what they took at once, and with a parser for each of them it was twice as much.
 */
const leftMiBMax = 160
const mebibyte = 1024 * 1024

/** Each of these has had a parser, whose ten kibibytes Node's allocator keeps for the next. */
const leftOfParsersMiBMax = 300

/** An answer, an event on disk and a line, each while ten thousand are in: far above what a busy machine needs. */
const worstMsMax = 5000

/** Nothing that opens descriptors of its own accord: what runs commands is opened with the first look at units. */
const config = (headerMs: number, more = "") => `[general]
listen_addr = "127.0.0.1:0"
${more}
[limits]
max_connections = 20000
header_timeout_ms = ${headerMs}
[watch]
interval_ms = 0
[gpus]
watch_interval_ms = 0
`

const together = (daemon: Daemon, count: number, hello?: string): Effect.Effect<Crowd> =>
  Effect.map(
    Effect.promise(() => Promise.all([0, 1].map(() => gather(daemon.port, count / 2, hello)))),
    (crowds) => ({
      closed: Promise.all(crowds.map(({ closed }) => closed)).then(([first = {}, second = {}]) => {
        const sum: Record<string, number> = { ...first }
        for (const [name, value] of Object.entries(second)) sum[name] = (sum[name] ?? 0) + value
        return sum
      }),
      leave: () => Promise.all(crowds.map((each) => each.leave())).then(() => {})
    })
  )

const descriptors = ({ pid }: Daemon) => Effect.promise(async () => (await readdir(`/proc/${pid}/fd`)).length)

/** What others get meanwhile; the worst of their waits, in milliseconds. */
const servesOthers = Effect.fnUntraced(function* (daemon: Daemon, name: string) {
  let worst = 0
  for (let turn = 0; turn < 20; turn++) {
    const since = performance.now()
    assert.strictEqual((yield* request(`${daemon.url}/livez`)).status, 200)
    assert.strictEqual((yield* request(`${daemon.url}/api/v1/new_event?message=${name}+${turn}`)).status, 200)
    worst = Math.max(worst, performance.now() - since)
  }
  yield* Effect.promise(() => appendFile(join(daemon.folder, "pipe.fifo"), `${name} by FIFO\n`))
  yield* eventually(
    "the line is there",
    Effect.map(logsOf(daemon.url), (log) => log.includes(`${name} by FIFO`))
  )
  const log = yield* logsOf(daemon.url)
  for (let turn = 0; turn < 20; turn++) assert.include(log, `${name} ${turn}`)
  return worst
})

const assertMemoryBack = (daemon: Daemon, before: number, mibMax: number) =>
  Effect.map(memory(daemon.pid, "VmRSS"), (now) => assert.isBelow((now - before) / mebibyte, mibMax, "MiB are left"))

const isClosed = (daemon: Daemon, files: number) =>
  eventually(
    "every descriptor is closed",
    Effect.map(descriptors(daemon), (now) => now <= files)
  )

describe(`${crowd} connections`, () => {
  it.live(
    "that send nothing: others are served, and nothing is left of them",
    () =>
      Effect.gen(function* () {
        assert.isAtLeast(crowd, crowdMin, "the hard limit of open files is too low for this test")
        const daemon = yield* start({ config: config(600_000) })
        yield* servesOthers(daemon, "before")
        const files = yield* descriptors(daemon)
        const before = yield* memory(daemon.pid, "VmRSS")
        for (const round of ["first", "second", "third"]) {
          const silent = yield* together(daemon, crowd)
          yield* eventually(
            "all are in",
            Effect.map(descriptors(daemon), (now) => now >= crowd)
          )
          const worstMs = yield* servesOthers(daemon, round)
          assert.isBelow(worstMs, worstMsMax)
          yield* Effect.promise(silent.leave)
          yield* isClosed(daemon, files)
        }
        yield* assertMemoryBack(daemon, before, leftMiBMax)
      }),
    240_000
  )

  it.live(
    "that send half of a head: each is told and cut by the deadline",
    () =>
      Effect.gen(function* () {
        const daemon = yield* start({ config: config(5000) })
        yield* servesOthers(daemon, "before")
        const files = yield* descriptors(daemon)
        const before = yield* memory(daemon.pid, "VmRSS")
        const slow = yield* together(daemon, crowd, "GET /livez HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        yield* servesOthers(daemon, "beside")
        assert.deepStrictEqual(yield* Effect.promise(() => slow.closed), { "HTTP/1.1 408": crowd })
        yield* isClosed(daemon, files)
        yield* Effect.promise(slow.leave)
        yield* assertMemoryBack(daemon, before, leftOfParsersMiBMax)
      }),
    240_000
  )

  it.live(
    "of TLS that never shake hands: a thousand of them are cut by the deadline",
    () =>
      Effect.gen(function* () {
        const tls =
          'tls_enabled = true\ntls_create_if_missing = true\ntls_cert_path = "cert.pem"\ntls_key_path = "key.pem"'
        const daemon = yield* start({ config: config(2000, tls) })
        assert.strictEqual((yield* curl("-k", `${daemon.url}/livez`)).status, 200)
        const files = yield* descriptors(daemon)
        const mute = yield* together(daemon, 1000)
        const greeting = yield* together(daemon, 1000, "\x16\x03\x01")
        assert.strictEqual((yield* curl("-k", `${daemon.url}/livez`)).status, 200)
        for (const each of [mute, greeting]) {
          const heard = yield* Effect.promise(() => each.closed)
          assert.deepStrictEqual(heard, { "": 1000 })
          yield* Effect.promise(each.leave)
        }
        yield* isClosed(daemon, files)
      }),
    240_000
  )
})
