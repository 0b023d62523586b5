/**
 * Computes scrypt and argon2id hashes off the event loop, a few at a time: those of the System API's password and of all
 * stored users together.
 *
 * Bounds: `atATime` hashes run, `waitingMax` wait, in lanes that are served by turns (FairTurns.ts), one for each user
 * whose password is asked for; the rest is refused with `TooManyVerifications`. A hash that has begun is waited for even
 * when its asker has gone: the thread cannot be taken back, and giving its place away would let clients that hang up
 * start more than `atATime`.
 */
import { argon2, randomBytes, scrypt } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { FairTurns } from "./FairTurns.ts"
import type { Argon2id, Scrypt, SlowForm } from "./SecretFormat.ts"

/** Half of the four threads Node has for this; the others keep the disk and name lookups going. */
const atATime = 2

/** At about 100 ms each and two at a time the last of them waits three seconds, as long as a client is patient. */
const waitingMax = 64

/** For whoever finds no place: those in line before are done by then. */
export const queueFullRetrySeconds = 3

/** OWASP's advice for each; about 70 and 400 ms on a slow core. */
export const argon2idCost: Argon2id = { _tag: "argon2id", m: 19_456, t: 2, p: 1 }
export const scryptCost: Scrypt = { _tag: "scrypt", ln: 15, r: 8, p: 3 }
const saltBytes = 16
const hashBytes = 32

export class TooManyVerifications extends Schema.TaggedError<TooManyVerifications>()(
  "TooManyVerifications",
  { waiting: Schema.Int },
  { httpApiStatus: 429 }
) {
  override get message() {
    return `too many passwords are being verified: ${this.waiting} are waiting already`
  }
}

export class SlowHash extends Context.Service<
  SlowHash,
  {
    /** Only in turn. */
    readonly derive: (
      cost: Scrypt | Argon2id,
      password: Uint8Array,
      salt: Uint8Array,
      length: number
    ) => Effect.Effect<Uint8Array>
    /** Runs the effect, which derives, when it is the lane's turn. */
    readonly inTurn: <A, E>(lane: string, effect: Effect.Effect<A, E>) => Effect.Effect<A, E | TooManyVerifications>
    /** A new password, for storing. */
    readonly seal: (
      lane: string,
      cost: Scrypt | Argon2id,
      password: Uint8Array
    ) => Effect.Effect<SlowForm, TooManyVerifications>
  }
>()("systemapi/services/auth/SlowHash") {
  static readonly layer = Layer.sync(SlowHash, () => {
    const turns = new FairTurns({
      atATime,
      waitingMax,
      refusal: (waiting) => new TooManyVerifications({ waiting })
    })
    return SlowHash.of({
      derive,
      inTurn: (lane, effect) => turns.run(lane, effect),
      seal: (lane, cost, password) =>
        turns.run(
          lane,
          Effect.suspend(() => {
            const salt = randomBytes(saltBytes)
            return Effect.map(derive(cost, password, salt, hashBytes), (hash) => ({ cost, salt, hash }))
          })
        )
    })
  })
}

const derive: SlowHash["Service"]["derive"] = (cost, password, salt, length) =>
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
