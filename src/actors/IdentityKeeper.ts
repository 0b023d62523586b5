/**
 * IdentityKeeper: what has to be done to the identity store now and then. Takes what commands at the console left there
 * into the audit log, and removes what has expired, a slice at a time.
 *
 * A note is removed once its entry is durable: one that the end of the daemon comes between is told again at the next start,
 * and one is never lost. Of daemons that share a store each takes what it finds. What has expired goes by the wall clock,
 * which a step forward must not make forget who was logged out (BelievedClock).
 *
 * Where the store or the log cannot be used it says so once, and goes on when they can.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Audit, type AuditEntry } from "../services/audit/Audit.ts"
import { ConsoleAct, type ConsoleNote, ConsoleNotes } from "../services/identity/ConsoleNotes.ts"
import { IdentityStore } from "../services/identity/IdentityStore.ts"
import { makeBelievedClock } from "./BelievedClock.ts"
import { endlessLimits } from "./kernel/Child.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

/** How soon the audit log has what was done at the console. */
const lookEvery = Duration.seconds(5)

/** What has expired counts no more anyway. */
const pruneEvery = Duration.minutes(1)

const readAct = Schema.decodeUnknownOption(Schema.fromJsonString(ConsoleAct))

/**
 * Whoever may open the file of identities comes in as whoever may open a UNIX socket does: by the machine's file permissions.
 */
const atConsole = { kind: "socket", address: "", listener: "console", requestId: undefined } as const

const entryOf = ({ id, text }: ConsoleNote): AuditEntry => {
  const act = Option.getOrUndefined(readAct(text))
  if (act === undefined) {
    const detail = `note ${id} of the identity store cannot be read`
    return { ...atConsole, action: "console.note", outcome: "failed", who: undefined, on: undefined, detail }
  }
  const { action, at, credential, detail, on, who } = act
  return { ...atConsole, action, outcome: "succeeded", who, on, detail, credential, atMs: at }
}

const make = Effect.gen(function* () {
  const audit = yield* Audit
  const notes = yield* ConsoleNotes
  const store = yield* IdentityStore
  const supervisor = yield* Supervisor
  const believed = makeBelievedClock()
  let prunedAt: bigint | undefined
  let trouble: string | undefined

  const take = Effect.gen(function* () {
    while (true) {
      const left = yield* notes.read
      const last = left.at(-1)
      if (last === undefined) return
      yield* audit.durably(left.map(entryOf))
      yield* notes.forget(last.id)
    }
  })

  const prune = Effect.gen(function* () {
    const monotonic = yield* Clock.monotonicTimeNanos
    const { now } = believed(yield* Clock.currentTimeNanos, monotonic)
    if (prunedAt !== undefined && monotonic - prunedAt < Duration.toNanosUnsafe(pruneEvery)) return
    prunedAt = monotonic
    const nowMs = Number(now / 1_000_000n)
    for (let more = true; more;) more = yield* store.prune(nowMs)
  })

  const pass = Effect.andThen(take, prune).pipe(
    Effect.matchEffect({
      onFailure: ({ message }) => {
        if (message === trouble) return Effect.void
        trouble = message
        return Effect.logWarning(message)
      },
      onSuccess: () => {
        if (trouble === undefined) return Effect.void
        trouble = undefined
        return Effect.logInfo("the identity store is well again")
      }
    })
  )
  yield* supervisor.start({
    name: "IdentityKeeper",
    run: Effect.forever(Effect.andThen(pass, Effect.sleep(lookEvery))),
    restart: "permanent",
    limits: endlessLimits
  })
})

export const layer: Layer.Layer<never, never, Audit | ConsoleNotes | IdentityStore | Supervisor> =
  Layer.effectDiscard(make)
