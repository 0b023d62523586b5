/**
 * Computes scrypt and argon2id hashes off the event loop, a few at a time.
 *
 * Bounds: `atATime` hashes run, `waitingMax` wait, the rest is refused with `TooManyVerifications`. A hash that has
 * begun is waited for even when its asker has gone: the thread cannot be taken back, and giving its place away would
 * let clients that hang up start more than `atATime`.
 */
import { argon2, scrypt } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type { Argon2id, Scrypt } from "./SecretFormat.ts"

/** Half of the four threads Node has for this; the others keep the disk and name lookups going. */
const atATime = 2

/** At about 100 ms each and two at a time the last of them waits three seconds, as long as a client is patient. */
const waitingMax = 64

export class TooManyVerifications extends Schema.TaggedError<TooManyVerifications>()(
  "TooManyVerifications",
  { waiting: Schema.Int },
  { httpApiStatus: 429 }
) {
  override get message() {
    return `too many passwords are being verified: ${this.waiting} are waiting already`
  }
}

export interface SlowHash {
  readonly derive: (
    cost: Scrypt | Argon2id,
    password: Uint8Array,
    salt: Uint8Array,
    length: number
  ) => Effect.Effect<Uint8Array>
  /** Runs the effect, which derives, in its turn. */
  readonly inTurn: <A, E>(effect: Effect.Effect<A, E>) => Effect.Effect<A, E | TooManyVerifications>
}

export const make: Effect.Effect<SlowHash> = Effect.gen(function* () {
  const turns = yield* Semaphore.make(atATime)
  let asking = 0
  return {
    derive,
    inTurn: <A, E>(effect: Effect.Effect<A, E>) =>
      Effect.suspend((): Effect.Effect<A, E | TooManyVerifications> => {
        const waiting = Math.max(0, asking - atATime)
        if (waiting >= waitingMax) return Effect.fail(new TooManyVerifications({ waiting }))
        asking += 1
        return Effect.ensuring(
          turns.withPermit(effect),
          Effect.sync(() => void (asking -= 1))
        )
      })
  }
})

const derive: SlowHash["derive"] = (cost, password, salt, length) =>
  Effect.uninterruptible(
    Effect.callback((resume) => {
      const done = (cause: Error | null, hash: Uint8Array) =>
        // Costs are checked when they are read: what fails here is the machine's memory or a bug.
        resume(cause === null ? Effect.succeed(hash) : Effect.die(cause))
      if (cost._tag === "scrypt") {
        const N = 2 ** cost.ln
        // OpenSSL counts a little more than N * r * 128 bytes.
        const maxmem = 128 * cost.r * (N + cost.p + 2) + 1_048_576
        scrypt(password, salt, length, { N, r: cost.r, p: cost.p, maxmem }, done)
      } else {
        const { m: memory, p: parallelism, t: passes } = cost
        argon2("argon2id", { message: password, nonce: salt, memory, parallelism, passes, tagLength: length }, done)
      }
    })
  )
