/**
 * The service manager that has started us, as one to tell how things are (sd_notify(3)): ready, reloading, stopping, well,
 * and one line for `systemctl status`. Where there is none, which is the default, nothing is put into words.
 *
 * Telling never waits and never fails: a message that cannot be sent now is sent again a few times, and then given up;
 * what it would have said shows in what the manager does. Bounds: one message of `messageBytesMax`, a status of
 * `statusBytesMax`, `attempts` to send each.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { escapeControls } from "../events/render.ts"
import { cutText } from "./cutText.ts"
import { type Datagrams, openDatagrams } from "./Datagrams.ts"

/** One variable of the protocol, such as READY=1. */
export type Assignment = readonly [name: string, value: string]

export interface ServiceManagerShape {
  /** Whether anybody listens. */
  readonly listens: boolean
  readonly tell: (...assignments: ReadonlyArray<Assignment>) => Effect.Effect<void>
}

/** systemd reads no more of one message (NOTIFY_BUFFER_MAX). */
const messageBytesMax = 4096

/** As much as fits into a line of `systemctl status`, and somewhat more. */
const statusBytesMax = 480

/** The manager empties its queue in a moment, also where a hundred services start at once. */
const attempts = 5
const betweenAttempts = Duration.millis(100)

export const nobody: ServiceManagerShape = { listens: false, tell: () => Effect.void }

export const ServiceManager: Context.Reference<ServiceManagerShape> = Context.Reference<ServiceManagerShape>(
  "systemapi/services/systemd/ServiceManager",
  { defaultValue: () => nobody }
)

export const ready: Assignment = ["READY", "1"]
export const stopping: Assignment = ["STOPPING", "1"]
/** We are well. */
export const watchdog: Assignment = ["WATCHDOG", "1"]

/** The line that `systemctl status` shows. A line break would begin another variable: what is quoted in it says nothing more. */
export const status = (text: string): Assignment => [
  "STATUS",
  cutText(escapeControls(text.toWellFormed()), statusBytesMax)
]

/** The wish not to be given up during a long start. */
export const extendTimeout = (by: Duration.Duration): Assignment => [
  "EXTEND_TIMEOUT_USEC",
  String(Duration.toMillis(by) * 1000)
]

/** A reload begins; the time tells which of several a later READY=1 belongs to. */
export const reloading: Effect.Effect<ReadonlyArray<Assignment>> = Effect.map(Clock.monotonicTimeNanos, (now) => [
  ["RELOADING", "1"],
  ["MONOTONIC_USEC", String(now / 1000n)]
])

const messageOf = (assignments: ReadonlyArray<Assignment>): string =>
  assignments.map(([name, value]) => `${name}=${value}`).join("\n")

/** The shortest way there is to it: a socket of our own. Undefined where there is no node:ffi. */
export const connect = (notifySocket: string): Effect.Effect<ServiceManagerShape | undefined, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => openDatagrams(notifySocket, messageBytesMax)),
      (datagrams) => Effect.sync(() => datagrams?.close())
    ),
    (datagrams) => (datagrams === undefined ? undefined : throughDatagrams(datagrams))
  )

const throughDatagrams = ({ send }: Datagrams): ServiceManagerShape => ({
  listens: true,
  tell: (...assignments) =>
    Effect.gen(function* () {
      const message = Buffer.from(messageOf(assignments))
      for (let attempt = 1; send(message) === "full" && attempt < attempts; attempt++)
        yield* Effect.sleep(betweenAttempts)
    })
})
