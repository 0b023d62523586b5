/**
 * The service in a machine that treats it badly: killed, stopped in its tracks, short of memory, of processor time, of tasks
 * and of disk. What it has acknowledged is there afterwards, once, and it is back without anybody's help.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import { eventually } from "../system/support.ts"
import { ask, configure, dropIn, installed } from "./harness/debianPackage.ts"
import { Guest, type GuestShape, inGuest } from "./harness/Guest.ts"
import { startLimited } from "./harness/limits.ts"

const Stored = Schema.fromJsonString(Schema.Struct({ seq: Schema.Int }))
const Events = Schema.fromJsonString(Schema.Array(Schema.Struct({ seq: Schema.Int, message: Schema.String })))

const url = "http://localhost/api/v1/events"

/** One event; undefined where nobody acknowledged it. */
const tell = (guest: GuestShape, message: string): Effect.Effect<number | undefined> =>
  Effect.map(
    guest.inNetwork([
      "curl",
      "--silent",
      "--fail",
      "--max-time",
      "20",
      "--json",
      JSON.stringify({ message }),
      "--unix-socket",
      guest.path("/run/systemapi/systemapi.sock"),
      url
    ]),
    ({ code, out }) => (code === 0 ? Schema.decodeSync(Stored)(out).seq : undefined)
  )

/** Tells one event after the other, until it is interrupted, and notes which were acknowledged. */
const telling = (guest: GuestShape, acknowledged: Map<string, number>, name: string): Effect.Effect<never> => {
  const next = (index: number): Effect.Effect<never> =>
    Effect.flatMap(tell(guest, `${name} ${index}`), (seq) => {
      if (seq !== undefined) acknowledged.set(`${name} ${index}`, seq)
      return next(index + 1)
    })
  return next(0)
}

const events = (guest: GuestShape, name: string) =>
  Effect.map(ask(guest, "/api/v1/events?limit=10000"), ({ body }) =>
    Schema.decodeSync(Events)(body).filter(({ message }) => message.startsWith(`${name} `))
  )

/** Each event that was acknowledged is there, once, under its number. */
const assertKept = Effect.fnUntraced(function* (guest: GuestShape, acknowledged: Map<string, number>, name: string) {
  const kept = yield* events(guest, name)
  for (const [message, seq] of acknowledged) {
    assert.deepStrictEqual(
      kept.filter((event) => event.message === message).map((event) => event.seq),
      [seq],
      message
    )
  }
})

const pidOf = (guest: GuestShape) => Effect.map(guest.unit("systemapi.service"), ({ MainPID }) => MainPID ?? "0")

/** Another process of the service is ready. */
const replaced = (guest: GuestShape, before: string) =>
  eventually(
    "another one is ready",
    Effect.map(guest.unit("systemapi.service"), ({ MainPID, SubState }) => SubState === "running" && MainPID !== before)
  )

const signal = ["systemctl", "kill", "--kill-whom=main", "systemapi.service"]

/** While somebody tells events, something happens to the daemon that has to be replaced then. */
const survives = Effect.fnUntraced(function* (guest: GuestShape, name: string, happens: Effect.Effect<unknown>) {
  const acknowledged = new Map<string, number>()
  const teller = yield* Effect.forkChild(telling(guest, acknowledged, name))
  yield* eventually(
    "some are acknowledged",
    Effect.sync(() => acknowledged.size >= 3)
  )
  const before = yield* pidOf(guest)
  yield* happens
  yield* replaced(guest, before)
  const size = acknowledged.size
  yield* eventually(
    "more are acknowledged",
    Effect.sync(() => acknowledged.size >= size + 3)
  )
  yield* Fiber.interrupt(teller)
  yield* assertKept(guest, acknowledged, name)
})

inGuest("the service", installed, (it) => {
  it.effect("that is killed is back, with every event that it has acknowledged", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* survives(guest, "killed", guest.must(...signal, "--signal=KILL"))
      assert.strictEqual((yield* guest.unit("systemapi.service"))["NRestarts"], "1")
    })
  )

  it.effect("that stands still is ended by the watchdog, and is back with every event that it has acknowledged", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* dropIn(guest, "[Service]", "WatchdogSec=2")
      yield* survives(guest, "stopped", guest.must(...signal, "--signal=STOP"))
      const told = yield* guest.journal("--unit=systemapi.service", "--lines=200")
      assert.isDefined(told.find(({ MESSAGE }) => String(MESSAGE).includes("Watchdog timeout")))
    })
  )

  it.effect("with little memory, processor time and few tasks is not restarted, but serves slowly", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const little = { memoryBytes: 160 * 1024 * 1024, processorPercent: 20, tasks: 40 }
      assert.deepStrictEqual(yield* startLimited(guest, little, "WatchdogSec=10"), [], "limits that count")
      const before = yield* pidOf(guest)
      for (let index = 0; index < 20; index++) assert.isDefined(yield* tell(guest, `starved ${index}`))
      assert.strictEqual(yield* pidOf(guest), before)
      assert.strictEqual((yield* events(guest, "starved")).length, 20)
    })
  )

  it.effect("outlives a command of it that the kernel kills for its memory", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* configure(guest, `[actions]\nglutton = "head -c 1000000000 /dev/zero | tail"`)
      assert.deepStrictEqual(yield* startLimited(guest, { memoryBytes: 300 * 1024 * 1024 }), [], "limits that count")
      const before = yield* pidOf(guest)
      const { body } = yield* ask(guest, "/api/v1/actions/glutton", "-X", "POST")
      assert.include(body, '"success":false')
      const unit = yield* guest.unit("systemapi.service")
      assert.deepStrictEqual([unit["MainPID"], unit["ActiveState"]], [before, "active"])
    })
  )

  it.effect(
    "whose disk is full refuses what it cannot keep, is not restarted for it, and goes on when there is room",
    () =>
      Effect.gen(function* () {
        const guest = yield* Guest
        yield* guest.must("systemctl", "stop", "systemapi.service")
        yield* guest.sh(
          "mv /var/lib/systemapi /var/lib/kept && mkdir /var/lib/systemapi && " +
            "mount -t tmpfs -o size=6m,mode=0700 small /var/lib/systemapi && cp -a /var/lib/kept/. /var/lib/systemapi/ && " +
            "chown systemapi:systemapi /var/lib/systemapi"
        )
        yield* dropIn(guest, "[Service]", "WatchdogSec=3")
        const before = yield* pidOf(guest)
        yield* guest.exec(["dd", "if=/dev/zero", "of=/var/lib/systemapi/ballast", "bs=4k"])
        const long = "x".repeat(100_000)
        yield* eventually(
          "it is full",
          Effect.map(tell(guest, `full ${long}`), (seq) => seq === undefined)
        )
        // It is not stuck, there is only no room: the watchdog goes on hearing of it.
        const pinged = Effect.map(guest.unit("systemapi.service"), (unit) => Number(unit["WatchdogTimestampMonotonic"]))
        const then = yield* pinged
        yield* eventually(
          "it has told so for longer than the watchdog's time",
          Effect.map(pinged, (now) => now > then + 3.5e6)
        )
        yield* guest.must("rm", "/var/lib/systemapi/ballast")
        yield* eventually(
          "it takes events again",
          Effect.map(tell(guest, "again 1"), (seq) => seq !== undefined)
        )
        assert.strictEqual(yield* pidOf(guest), before)
      })
  )
})
