/**
 * Decides who a request comes from by its `Authorization` header: the user is `admin`, the password the stored secret.
 *
 * The order, which keeps guessing slow without locking the right password out; only in the slow formats, and only until
 * the right password has come once since the start, a flood from its own network can make it wait:
 * 1. no secret set: open, whatever credentials come;
 * 2. no credentials: unauthorized, which is no failure (clients ask so whether they need any);
 * 3. what microseconds can tell (the sha256 form, or a password just accepted): right is let in whatever the budget,
 *    wrong is charged to the address and answered "unauthorized" within the budget, "limited" beyond it;
 * 4. else a slow hash must tell: an address over its budget is answered "limited" without one, so that a flood cannot
 *    burn the processor. The charge comes first and is taken back when the password was right.
 *
 * Another user name than `admin` takes the same way as a wrong password. Steps 1 to 3 run without suspending.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type BasicCredentials, parseBasic } from "./Authorization.ts"
import { BasicSecret } from "./BasicSecret.ts"
import { type Charge, FailureThrottle } from "./FailureThrottle.ts"
import { queueFullRetrySeconds } from "./SlowHash.ts"

export type Outcome =
  /** `secretVersion` is for `BasicSecret.set`: only while that secret is in force may it be replaced. */
  | { readonly _tag: "open"; readonly secretVersion: number }
  | { readonly _tag: "admin"; readonly secretVersion: number }
  | { readonly _tag: "unauthorized" }
  | { readonly _tag: "limited"; readonly retryAfterSeconds: number }

export interface Attempt {
  readonly authorization: string | undefined
  /** What it says, where somebody has read it already. */
  readonly credentials?: BasicCredentials | undefined
  /** Of the client; empty where there is none, as on a UNIX socket. */
  readonly address: string
}

export class BasicAuth extends Context.Service<
  BasicAuth,
  {
    /** Decides when it is called, not when the effect runs; what needs no slow hash is an effect already done. */
    readonly authenticate: (attempt: Attempt) => Effect.Effect<Outcome>
  }
>()("systemapi/services/auth/BasicAuth") {
  static readonly layer = Layer.effect(
    BasicAuth,
    Effect.gen(function* () {
      const secret = yield* BasicSecret
      const throttle = yield* FailureThrottle

      const verifySlowly = Effect.fnUntraced(function* (credentials: BasicCredentials, address: string) {
        const charge = yield* throttle.admit(address)
        if (charge.limited) return limited(charge.retryAfterSeconds)
        const secretVersion = secret.version()
        const right = yield* secret
          .verify(credentials.password)
          .pipe(Effect.catchTag("TooManyVerifications", () => Effect.undefined))
        if (right === true && isAdmin(credentials.user)) {
          yield* throttle.forgive(address)
          return admin(secretVersion)
        }
        if (right !== undefined) return unauthorized
        yield* throttle.forgive(address)
        return limited(queueFullRetrySeconds)
      })

      return BasicAuth.of({
        authenticate: ({ address, authorization, credentials: read }) => {
          const credentials = read ?? (authorization === undefined ? undefined : parseBasic(authorization))
          const verdict = secret.verifyNow(credentials?.password ?? nothing)
          if (verdict === "open") return Effect.succeed(open(secret.version()))
          if (authorization === undefined) return Effect.succeed(unauthorized)
          if (credentials === undefined) return Effect.map(throttle.failed(address), refusalOf)
          if (verdict === "unknown") return verifySlowly(credentials, address)
          return verdict === "right" && isAdmin(credentials.user)
            ? Effect.succeed(admin(secret.version()))
            : Effect.map(throttle.failed(address), refusalOf)
        }
      })
    })
  )
}

const nothing = new Uint8Array(0)
const adminUser = Buffer.from("admin")

/** The name is public: how long this takes tells nothing. */
export const isAdmin = (user: Uint8Array): boolean => adminUser.equals(user)

const unauthorized: Outcome = { _tag: "unauthorized" }
const open = (secretVersion: number): Outcome => ({ _tag: "open", secretVersion })
const admin = (secretVersion: number): Outcome => ({ _tag: "admin", secretVersion })
const limited = (retryAfterSeconds: number): Outcome => ({ _tag: "limited", retryAfterSeconds })
const refusalOf = (charge: Charge): Outcome => (charge.limited ? limited(charge.retryAfterSeconds) : unauthorized)
