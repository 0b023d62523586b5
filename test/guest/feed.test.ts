/**
 * Journals in the event log, with the real journald: units write at once while the daemon is killed at moments of a seed,
 * and every entry is there once, in the order of the journal. SYSTEMAPI_FEED_ROUNDS and SYSTEMAPI_FEED_SEED for more.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { Guest, inGuest } from "./harness/Guest.ts"

const rounds = Number(process.env["SYSTEMAPI_FEED_ROUNDS"] ?? 6)
const seed = Number(process.env["SYSTEMAPI_FEED_SEED"] ?? 20_261_122)

const writers = ["w1", "w2", "w3"] as const
/** Of each, in each round. */
const linesInRound = Math.ceil(20_000 / 6 / writers.length)

const timeoutMs = 120_000 + rounds * 20_000

const config = `[general]
listen_addr = "127.0.0.1:3535"

[store]
directory = "/var/lib/feed"

[journal]
from = "boot"

${[...writers, "daemon"].map((id) => `[units.${id}]\nunit = "${id}.service"\nrecord = true\n`).join("\n")}`

const daemonUnit = `[Unit]
StartLimitIntervalSec=0

[Service]
ExecStart=/opt/systemapi/bin/systemapi --config /etc/feed.toml
Restart=always
RestartSec=50ms
LogRateLimitIntervalSec=0
`

/** Each line is its own: the writer, the round and a number. */
const writerUnit = (id: string) => `[Service]
Type=oneshot
EnvironmentFile=/run/round
ExecStart=/bin/sh -c 'i=0; while [ $$i -lt ${linesInRound} ]; do echo ${id}-$$ROUND-$$i; i=$$((i+1)); done'
LogRateLimitIntervalSec=0
`

const Events = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ seq: Schema.Int, source: Schema.String, message: Schema.String }))
)
const decodeEvents = Schema.decodeSync(Events)

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

type Told = (typeof Events)["Type"]

/** The events after this one, as soon as there are some; none where the daemon is being restarted. */
const eventsAfter = Effect.fnUntraced(function* (seq: number): Effect.fn.Return<Told, never, Guest> {
  const guest = yield* Guest
  const url = `http://127.0.0.1:3535/api/v1/events?after=${seq}&limit=10000&wait=10`
  const { code, out } = yield* guest.inNetwork([
    "curl",
    "-sSf",
    "--max-time",
    "30",
    "--retry-connrefused",
    "--retry",
    "50",
    "--retry-delay",
    "0",
    url
  ])
  return code === 0 ? decodeEvents(out) : []
})

inGuest("recording the journal", Guest.withCheckout(), (it) => {
  it.effect(
    `has every entry once, over ${rounds} kills`,
    () =>
      Effect.gen(function* () {
        const guest = yield* Guest
        const next = random(seed)
        yield* guest.write("/etc/feed.toml", config)
        yield* guest.write("/etc/systemd/system/daemon.service", daemonUnit)
        for (const id of writers) yield* guest.write(`/etc/systemd/system/${id}.service`, writerUnit(id))
        yield* guest.must("systemctl", "daemon-reload")
        yield* guest.must("systemctl", "start", "daemon.service")
        const events: Array<Told[number]> = []
        const readOn = Effect.gen(function* () {
          for (const event of yield* eventsAfter(events.length)) {
            assert.strictEqual(event.seq, events.length + 1)
            events.push(event)
          }
        })
        for (let round = 0; round < rounds; round++) {
          yield* guest.write("/run/round", `ROUND=${round}\n`)
          const writing = yield* Effect.forkChild(
            guest.must("systemctl", "start", ...writers.map((id) => `${id}.service`))
          )
          const killAt = events.length + Math.floor(next() * linesInRound * writers.length)
          while (events.length < killAt) yield* readOn
          yield* guest.must("systemctl", "kill", "--signal=KILL", "daemon.service")
          yield* Fiber.join(writing)
        }
        for (const id of writers) {
          const said = (yield* guest.journal(`--unit=${id}.service`)).map((entry) => entry["MESSAGE"])
          assert.isAtLeast(said.length, rounds * linesInRound)
          const recorded = () => events.filter(({ source }) => source === `journal:${id}`)
          while (recorded().length < said.length) yield* readOn
          assert.deepStrictEqual(
            recorded().map(({ message }) => message),
            said
          )
        }
        // What the daemon writes itself while it runs is no event, and what systemd says of its end is.
        const own = () => events.filter(({ source }) => source === "journal:daemon").map(({ message }) => message)
        const ends = () => own().filter((message) => message.includes("status=9/KILL")).length
        while (ends() < rounds) yield* readOn
        assert.strictEqual(ends(), rounds)
        // Each round has had dozens of requests, and a line of the process log for each.
        assert.isBelow(own().length, 40 * rounds)
        // Nothing comes a second time when it is begun once more.
        const before = events.filter(({ source }) => source.startsWith("journal:w")).length
        const ended = events.length
        yield* guest.must("systemctl", "restart", "daemon.service")
        while (!events.slice(ended).some(({ message }) => message.startsWith("Started daemon.service"))) yield* readOn
        assert.strictEqual(events.filter(({ source }) => source.startsWith("journal:w")).length, before)
        yield* guest.must("systemctl", "stop", "daemon.service")
      }).pipe(Effect.tapCause(() => Effect.sync(() => console.error(`SYSTEMAPI_FEED_SEED=${seed}`)))),
    timeoutMs
  )
})
