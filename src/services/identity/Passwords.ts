/**
 * Passwords of stored users: argon2id, a few at a time, and what was found out is known again by keyed digests under a
 * key of this process. A digest is of user, stored hash and password: it is forgotten with the user's password.
 *
 * The order of a verification, the same whether there is such a user, it is disabled, or has no password:
 * 1. the user's password last accepted is right, in microseconds, whatever flood runs;
 * 2. a password found wrong lately is wrong again, in microseconds; it is charged as a failure;
 * 3. else a slow hash must tell, admitted by FailureThrottle, in the lane of the user's name (SlowHash.ts). For who is no
 *    user a dummy of the same cost is computed;
 * 4. `doubtful`, while the budget of the network, the user or all is spent: whatever comes of it, the answer is `LoginLimited`
 *    at the end of `heldMs`, and only a right password is answered sooner. Since nothing else can be told, nothing is
 *    computed for who is no user. A hash that takes longer still makes a right password known: a retry meets step 1.
 *
 * So a flood of whatever names and passwords from one network leaves the others their right password, cold as well, also
 * where they come from the same address. What remains: the right password of a user that was not accepted since the start (or fell out of
 * the `acceptedMax`) is refused with the others while its own network tries random passwords for that very
 * user faster than the pair's budget; nobody could tell it from the others without a hash for each of them. So is one
 * that loses its place among as many users under attack as may wait (SlowHash.ts), until the next try. And whoever
 * watches how busy the processor is during a flood of their own learns a little about which names are known.
 *
 * Bounds: `acceptedMax`, `wrongMax`, `heldMax` answers held back, of which the oldest is given when one more comes.
 */
import { randomBytes, timingSafeEqual } from "node:crypto"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { type Admission, FailureThrottle } from "../auth/FailureThrottle.ts"
import { HmacSha256 } from "../auth/HmacSha256.ts"
import { passwordBytesMax, passwordFault } from "../auth/passwordFault.ts"
import { RecentMap } from "../auth/RecentMap.ts"
import { encodeStored, parseStored, type SlowForm } from "../auth/SecretFormat.ts"
import { argon2idCost, queueFullRetrySeconds, SlowHash } from "../auth/SlowHash.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { IdentityStore, type IdentityUnavailable, type Snapshot, type User, userNamePattern } from "./IdentityStore.ts"
import { standingOf } from "./standing.ts"

/** Too many wrong passwords, or too many that are being verified (HTTP 429). */
export class LoginLimited extends Schema.TaggedError<LoginLimited>()("LoginLimited", {
  retryAfterSeconds: Schema.Int
}) {
  override get message() {
    return "Too many wrong credentials"
  }
}

/** A password that cannot be set (HTTP 400); says why, never what was given. */
export class PasswordRefused extends Schema.TaggedError<PasswordRefused>()("PasswordRefused", {
  reason: Schema.String
}) {
  override get message() {
    return `the password was not taken: ${this.reason}`
  }
}

/** Users that come with a password again and again; the others have a hash computed now and then. */
const acceptedMax = 1024

/** Of scripts that have an old password; only what cost a hash comes in, some thirty a second. */
const wrongMax = 1024

/** Some five times what a hash in a lane of its own takes; short for a person. */
const heldMs = 500

/** Half a second of a thousand wrong logins each; with their connections some 50 MiB. */
const heldMax = 512

/** For all names that nobody can have. */
const noName = "?"

export type PasswordVerdict =
  | { readonly _tag: "right"; readonly user: User }
  | { readonly _tag: "wrong"; readonly reason: string }

type Answer = Effect.Effect<PasswordVerdict, LoginLimited | IdentityUnavailable>

interface Held {
  readonly answer: Deferred.Deferred<PasswordVerdict, LoginLimited>
  readonly refusal: LoginLimited
}

/** A password that is asked for, with what the snapshot says of its user. */
interface Asked {
  readonly user: User | undefined
  readonly hash: string
  readonly digest: string
  /** Why it is wrong, if it is. */
  readonly reason: string
}

export class Passwords extends Context.Service<
  Passwords,
  {
    /** Decides when it is called, by the snapshot of now; what needs no slow hash is an effect already done. */
    readonly verify: (user: string, password: Uint8Array, address: string, snapshot?: Snapshot | undefined) => Answer
    /** For storing: a PHC string. */
    readonly hash: (password: Uint8Array) => Effect.Effect<Redacted.Redacted, PasswordRefused | LoginLimited>
  }
>()("systemapi/services/identity/Passwords") {
  static readonly layer = Layer.effect(
    Passwords,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const slow = yield* SlowHash
      const store = yield* IdentityStore
      const throttle = yield* FailureThrottle
      const scope = yield* Effect.scope
      const keyed = new HmacSha256(randomBytes(32))
      const dummy: SlowForm = { cost: argon2idCost, salt: randomBytes(16), hash: randomBytes(32) }
      const accepted = new RecentMap<string>(acceptedMax)
      const wrong = new RecentMap<true>(wrongMax)
      const held = new Set<Held>()

      const asked = (snapshot: Snapshot, name: string, password: Uint8Array): Asked => {
        const standing = standingOf(snapshot, name, config.get().auth.development_users)
        const user = standing._tag === "good" ? standing.user : undefined
        const hash = user?.passwordHash === undefined ? "" : Redacted.value(user.passwordHash)
        const digest = keyed.of(`${name}\0${hash}\0`, password)
        const reason =
          standing._tag === "none"
            ? standing.reason
            : hash === ""
              ? "the user has no password"
              : "the password is wrong"
        return { user, hash, digest, reason }
      }

      /** What is known without a hash. */
      const known = (name: string, { digest, reason, user }: Asked): PasswordVerdict | undefined => {
        const last = accepted.get(name)
        if (user !== undefined && last !== undefined && isSame(last, digest)) return { _tag: "right", user }
        return wrong.get(digest) === undefined ? undefined : { _tag: "wrong", reason }
      }

      const hashed = (name: string, password: Uint8Array, remembersWrong: boolean) =>
        slow.inTurn(
          name,
          Effect.gen(function* () {
            // Again and again: while this one waited, others may have asked the same, or changed the password.
            while (true) {
              const now = asked(yield* store.fresh, name, password)
              const verdict = known(name, now)
              if (verdict !== undefined) return verdict
              const form = formOf(now.hash)
              const { cost, hash, salt } = form ?? dummy
              const isEqual = timingSafeEqual(yield* slow.derive(cost, password, salt, hash.length), hash)
              const { digest, user } = asked(yield* store.fresh, name, password)
              if (digest !== now.digest) continue
              if (isEqual && form !== undefined && user !== undefined) {
                accepted.set(name, digest)
                return { _tag: "right", user } as const
              }
              if (remembersWrong) wrong.set(digest, true)
              return { _tag: "wrong", reason: now.reason } as const
            }
          })
        )

      /** What the hash costs the budget is taken back unless the password was wrong. */
      const charged = (name: string, password: Uint8Array, address: string, admission: Admission): Answer => {
        const forgive = throttle.forgiveUser(address, name, admission)
        return hashed(name, password, admission._tag === "admitted").pipe(
          Effect.tap((verdict) => (verdict._tag === "right" ? forgive : Effect.void)),
          Effect.tapError(() => forgive),
          Effect.catchTag("TooManyVerifications", () =>
            Effect.fail(new LoginLimited({ retryAfterSeconds: queueFullRetrySeconds }))
          )
        )
      }

      const hold = (refusal: LoginLimited): Held => {
        const entry: Held = { answer: Deferred.makeUnsafe(), refusal }
        held.add(entry)
        if (held.size > heldMax) {
          for (const oldest of held) {
            held.delete(oldest)
            Deferred.doneUnsafe(oldest.answer, Effect.fail(oldest.refusal))
            break
          }
        }
        return entry
      }

      const verifySlowly = Effect.fnUntraced(function* (name: string, password: Uint8Array, address: string) {
        const admission = yield* throttle.admitUser(address, name)
        if (admission._tag === "admitted") return yield* charged(name, password, address, admission)
        const refusal = new LoginLimited({ retryAfterSeconds: admission.retryAfterSeconds })
        if (admission._tag === "limited") return yield* refusal
        const { hash } = asked(yield* store.fresh, name, password)
        const entry = hold(refusal)
        if (formOf(hash) !== undefined) {
          const rightOnly = Effect.tap(charged(name, password, address, admission), (verdict) =>
            verdict._tag === "right" ? Deferred.succeed(entry.answer, verdict) : Effect.void
          )
          yield* Effect.forkIn(Effect.ignore(rightOnly), scope)
        }
        return yield* Deferred.await(entry.answer).pipe(
          Effect.timeoutOrElse({ duration: heldMs, orElse: () => Effect.fail(refusal) }),
          Effect.ensuring(Effect.sync(() => void held.delete(entry)))
        )
      })

      const refuseKnown = (name: string, address: string, verdict: PasswordVerdict): Answer =>
        Effect.flatMapEager(throttle.failed(address, name), (charge): Answer =>
          charge.limited
            ? Effect.fail(new LoginLimited({ retryAfterSeconds: charge.retryAfterSeconds }))
            : Effect.succeed(verdict)
        )

      const verifyIn = (snapshot: Snapshot, given: string, password: Uint8Array, address: string): Answer => {
        const name = userNamePattern.test(given) ? given : noName
        if (password.length > passwordBytesMax) {
          return refuseKnown(name, address, { _tag: "wrong", reason: "the password is longer than any" })
        }
        const verdict = known(name, asked(snapshot, name, password))
        if (verdict === undefined) return verifySlowly(name, password, address)
        return verdict._tag === "right" ? Effect.succeed(verdict) : refuseKnown(name, address, verdict)
      }

      return Passwords.of({
        verify: (user, password, address, snapshot = store.current()) =>
          snapshot === undefined
            ? Effect.flatMap(store.fresh, (fresh) => verifyIn(fresh, user, password, address))
            : verifyIn(snapshot, user, password, address),
        hash: Effect.fn("Passwords.hash")(function* (password: Uint8Array) {
          const reason = passwordFault(password) ?? lengthFault(password, config.get().auth.password_min_length)
          if (reason !== undefined) return yield* new PasswordRefused({ reason })
          const form = yield* slow
            .seal(newLane, argon2idCost, password)
            .pipe(
              Effect.catchTag("TooManyVerifications", () =>
                Effect.fail(new LoginLimited({ retryAfterSeconds: queueFullRetrySeconds }))
              )
            )
          return Redacted.make(encodeStored({ _tag: "slow", ...form }))
        })
      })
    })
  )
}

/** Passwords that are to be stored wait here; no user's name has a colon. */
const newLane = "system:new"

const isSame = (a: string, b: string): boolean => timingSafeEqual(Buffer.from(a), Buffer.from(b))

/** Undefined: there is no hash, or none that can be computed. */
const formOf = (hash: string): SlowForm | undefined => {
  const parsed = parseStored(Buffer.from(hash))
  return Result.isSuccess(parsed) && parsed.success._tag === "slow" ? parsed.success : undefined
}

const lengthFault = (password: Uint8Array, min: number): string | undefined => {
  const { length } = [...new TextDecoder().decode(password)]
  return length < min ? `it has ${length} characters, ${min} are the least` : undefined
}
