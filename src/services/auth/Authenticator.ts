/**
 * Decides who a request comes from: the one place where a password, a token, a certificate or a socket becomes a
 * principal. Which of these ways in there are is up to the listener.
 *
 * Credentials that were sent decide: wrong ones are refused even where the connection's certificate or socket would have
 * been enough, so that nobody acts under another name than the one given. A certificate that was shown and does not
 * stand, because it was revoked since, is refused whatever comes beside it.
 *
 * While the System API has no password it is open, as the original is: whoever is not let in by name is let in as
 * nobody, with the rights that `openGrants` lists, and what was wrong is told where those are not enough.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { AccessTokens } from "../identity/AccessTokens.ts"
import { CurrentRoles } from "../identity/CurrentRoles.ts"
import { IdentityStore } from "../identity/IdentityStore.ts"
import { Passwords } from "../identity/Passwords.ts"
import { PermissionSet } from "../identity/Permission.ts"
import type { Provider } from "../identity/Principal.ts"
import { openGrants } from "../identity/Roles.ts"
import { ServiceTokens } from "../identity/ServiceTokens.ts"
import { type Attempt, nothingShown, type Outcome, refused, type Surface } from "./Attempt.ts"
import { BasicAuth } from "./BasicAuth.ts"
import { makeBasicProvider } from "./basicProvider.ts"
import { BasicSecret } from "./BasicSecret.ts"
import { makeBearerProvider } from "./bearerProvider.ts"
import { certificateEntries } from "./certificates.ts"
import { makeCertificateProvider } from "./certificateProvider.ts"
import { nobody, socketPrincipal } from "./socketProvider.ts"

export type { Attempt, Outcome, Refusal, Surface } from "./Attempt.ts"
export { nobody } from "./socketProvider.ts"

const make = Effect.gen(function* () {
  const basic = yield* BasicAuth
  const clock = yield* Clock.Clock
  const config = yield* CurrentConfig
  const roles = yield* CurrentRoles
  const secret = yield* BasicSecret
  const byBasic = makeBasicProvider({
    basic,
    clock,
    roles,
    secret,
    identities: yield* IdentityStore,
    passwords: yield* Passwords,
    hasSecretFile: config.get().general.basic_auth_secret_path !== undefined
  })
  const byBearer = makeBearerProvider({
    roles,
    secret,
    accessTokens: yield* AccessTokens,
    serviceTokens: yield* ServiceTokens
  })
  const byCertificate = makeCertificateProvider({
    clock,
    roles,
    secret,
    entryOf: certificateEntries(() => config.get().certificates)
  })

  const byHeader = (attempt: Attempt, authorization: string): Effect.Effect<Outcome> => {
    switch (schemeOf(authorization)) {
      case "basic":
        return offers(attempt.surface, "basic") ? byBasic(attempt) : basicNotOffered
      case "bearer":
        return offers(attempt.surface, "bearer") ? byBearer(attempt) : bearerNotOffered
      default:
        return unknownScheme
    }
  }

  const decide = (attempt: Attempt): Effect.Effect<Outcome> => {
    const { authorization, peer, surface } = attempt
    if (authorization !== undefined) return byHeader(attempt, authorization)
    if (peer !== undefined && offers(surface, "certificate")) return Effect.succeed(byCertificate(peer.certificate))
    if (offers(surface, "socket")) return admitted(socketPrincipal(surface, roles.get(), clock))
    if (offers(surface, "none")) return admitted(nobody(roles.get().grants(surface.roles), surface.roles))
    return nothing
  }

  const admitted = (principal: ReturnType<typeof nobody>): Effect.Effect<Outcome> =>
    Effect.succeed({ _tag: "admitted", principal, secretVersion: secret.version() })

  const asNobody = (attempt: Attempt, outcome: Outcome): Outcome => {
    if (outcome._tag === "admitted" || !offers(attempt.surface, "basic")) return outcome
    if (secret.verifyNow(noPassword) !== "open") return outcome
    return { _tag: "admitted", principal: openToAll, secretVersion: secret.version(), otherwise: outcome }
  }

  return Authenticator.of({
    authenticate: (attempt) => {
      const { peer } = attempt
      if (peer?._tag === "refused") {
        return Effect.succeed(refused("certificate", peer.reason, peer.certificate.subject))
      }
      return Effect.mapEager(decide(attempt), (outcome) => asNobody(attempt, outcome))
    }
  })
})

export class Authenticator extends Context.Service<
  Authenticator,
  {
    /** Decides when it is called, not when the effect runs; what needs no waiting is an effect already done. */
    readonly authenticate: (attempt: Attempt) => Effect.Effect<Outcome>
  }
>()("systemapi/services/auth/Authenticator") {
  static readonly layer = Layer.effect(Authenticator, make)
}

const noPassword = new Uint8Array(0)

const openToAll = nobody(new PermissionSet(openGrants), [])

const nothing: Effect.Effect<Outcome> = Effect.succeed(nothingShown)
const basicNotOffered: Effect.Effect<Outcome> = Effect.succeed(refused("basic", "this listener takes no passwords"))
const bearerNotOffered: Effect.Effect<Outcome> = Effect.succeed(refused("bearer", "this listener takes no tokens"))
const unknownScheme: Effect.Effect<Outcome> = Effect.succeed(refused("none", "a scheme that is not known here"))

const offers = ({ providers }: Surface, provider: Provider): boolean => providers.includes(provider)

const schemeOf = (authorization: string): string => {
  const end = authorization.indexOf(" ")
  return (end === -1 ? authorization : authorization.slice(0, end)).toLowerCase()
}
