/**
 * Signs and verifies the tokens of logins. What is verified at every request, HS256, is computed here and at once;
 * the rest (EdDSA, signing, making keys) is jose's, which is loaded when it is first needed.
 *
 * Of a token nothing is looked at before its header was found to be one of ours (SigningKeys.ts). Where no key can sign,
 * one is made and stored: of several daemons that do so at a time the last one's signs, and all know all of them. Bounds:
 * `tokenCharsMax` of a token, and the store's of keys. Never: a key or a token in a log or an error.
 */
import { type KeyObject, randomBytes, timingSafeEqual } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Semaphore from "effect/Semaphore"
import type { HmacSha256 } from "../auth/HmacSha256.ts"
import { RecentMap } from "../auth/RecentMap.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { checkClaims, type Checked, claimedBy, clockLeewayMs, invalid, readClaims, type Said } from "./claims.ts"
import { IdentityStore, IdentityUnavailable, type SigningKey, type Snapshot } from "./IdentityStore.ts"
import { headerOf, type KeyRing, makeKeyRing, type ReadyKey, type TokenKind } from "./SigningKeys.ts"
import { makeTimedId } from "./timedId.ts"

/** Ours are some 500, with many roles 2,000. */
const tokenCharsMax = 4096

/** Tokens whose claims are at hand, decoded once however often they come; signature, times and all else are looked at each time. */
const readMax = 1024

export interface ToSign {
  readonly kind: TokenKind
  readonly user: string
  readonly session: string
  readonly lifeSeconds: number
  readonly more?: Readonly<Record<string, unknown>>
}

export class Jwts extends Context.Service<
  Jwts,
  {
    /** Signature, header and claims, of a token of this kind. Decides when it is called; of HS256 already done. */
    readonly verify: (kind: TokenKind, token: string, snapshot: Snapshot) => Effect.Effect<Checked>
    readonly sign: (token: ToSign) => Effect.Effect<string, IdentityUnavailable>
    readonly keys: Effect.Effect<ReadonlyArray<ReadyKey>, IdentityUnavailable>
    /** Its kid. */
    readonly rotate: Effect.Effect<string, IdentityUnavailable>
  }
>()("systemapi/services/identity/Jwts") {
  static readonly layer = Layer.effect(
    Jwts,
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const config = yield* CurrentConfig
      const store = yield* IdentityStore
      const making = yield* Semaphore.make(1)
      const read = new RecentMap<Said>(readMax)
      let stored: Snapshot["keys"] | undefined
      let configured = config.get().auth
      let ring: KeyRing = makeKeyRing([], configured)

      const ringOf = ({ keys }: Snapshot): KeyRing => {
        const { auth } = config.get()
        if (keys !== stored || auth !== configured) {
          ring = makeKeyRing(keys, auth)
          stored = keys
          configured = auth
        }
        return ring
      }

      /** Of a token whose signature was found right just now. */
      const claimsOf = (payload: string): Checked => {
        let said = read.get(payload)
        if (said === undefined) {
          said = readClaims(textOf(payload))
          read.set(payload, said)
        }
        const { jwt_audience: audience, jwt_issuer: issuer } = config.get().auth
        return checkClaims(said, { audience, issuer }, clock.currentTimeMillisUnsafe())
      }

      const addKey = Effect.gen(function* () {
        const { jwt_algorithm: alg, refresh_token_expiry_s, token_expiry_s } = config.get().auth
        const createdAt = yield* Clock.currentTimeMillis
        const key = yield* alg === "HS256" ? Effect.sync(() => newSecret(createdAt)) : newKeyPair(createdAt)
        const longest = Math.max(token_expiry_s, refresh_token_expiry_s) * 1000
        yield* store.addKey(key, createdAt + longest + clockLeewayMs)
        return key.kid
      })

      const signer = Effect.flatMap(store.fresh, (snapshot): Effect.Effect<ReadyKey, IdentityUnavailable> => {
        const known = ringOf(snapshot).signer
        if (known !== undefined) return Effect.succeed(known)
        const unreadable = Effect.fail(new IdentityUnavailable({ reason: "no key can sign tokens", full: false }))
        return making.withPermit(
          Effect.gen(function* () {
            const key = ringOf(yield* store.fresh).signer
            if (key !== undefined) return key
            yield* addKey
            return ringOf(yield* store.fresh).signer ?? (yield* unreadable)
          })
        )
      })

      return Jwts.of({
        verify: (kind, token, snapshot) => {
          const parts = partsOf(token)
          if (parts === undefined) return Effect.succeed(invalid("it is no token of ours"))
          const known = ringOf(snapshot).byHeader.get(parts.header)
          const { payload } = parts
          if (known === undefined) return Effect.succeed(invalid(headerFault(parts.header), claimant(payload)))
          const { key } = known
          if (known.kind !== kind) return Effect.succeed(invalid("it is of another kind", claimant(payload)))
          if (key.expiresAt !== undefined && clock.currentTimeMillisUnsafe() >= key.expiresAt) {
            return Effect.succeed(invalid("its key has expired", claimant(payload)))
          }
          const { verifying } = key
          if (verifying.alg === "HS256") {
            return Effect.succeed(isSignedBy(verifying.hmac, parts) ? claimsOf(payload) : forged(payload))
          }
          if (!isCanonical(parts.signature)) return Effect.succeed(forged(payload))
          const signed = isSignedByPair(verifying.publicKey, token)
          return Effect.map(signed, (right) => (right ? claimsOf(payload) : forged(payload)))
        },
        sign: Effect.fnUntraced(function* ({ kind, lifeSeconds, more, session, user }) {
          const key = yield* signer
          const { jwt_audience: aud, jwt_issuer: iss } = config.get().auth
          const now = yield* Clock.currentTimeMillis
          const iat = Math.floor(now / 1000)
          const claims = {
            sub: user,
            ...more,
            iss,
            aud,
            iat,
            exp: iat + lifeSeconds,
            jti: makeTimedId(now),
            sid: session
          }
          const { SignJWT } = yield* jose
          return yield* Effect.promise(() =>
            new SignJWT(claims).setProtectedHeader(headerOf(key, kind)).sign(key.signing)
          )
        }),
        keys: Effect.map(store.fresh, (snapshot) => ringOf(snapshot).keys),
        rotate: making.withPermit(addKey)
      })
    })
  )
}

const jose = Effect.promise(() => import("jose"))

const textOf = (segment: string): string => Buffer.from(segment, "base64url").toString()

const claimant = (payload: string): string | undefined => claimedBy(textOf(payload))

const forged = (payload: string): Checked => invalid("its signature is wrong", claimant(payload))

interface Parts {
  readonly header: string
  readonly payload: string
  readonly signature: string
  /** Header and payload as they were sent. */
  readonly signed: string
}

const partsOf = (token: string): Parts | undefined => {
  if (token.length > tokenCharsMax) return undefined
  const first = token.indexOf(".")
  const second = token.indexOf(".", first + 1)
  if (first < 1 || second === -1 || token.includes(".", second + 1)) return undefined
  return {
    header: token.slice(0, first),
    payload: token.slice(first + 1, second),
    signature: token.slice(second + 1),
    signed: token.slice(0, second)
  }
}

/** As text, so that of the ways of writing the signature in base64 only ours counts. */
const isSignedBy = (hmac: HmacSha256, { signature, signed }: Parts): boolean => {
  const given = Buffer.from(signature)
  const wanted = Buffer.from(hmac.of(signed))
  return given.length === wanted.length && timingSafeEqual(given, wanted)
}

/** Whether it is written in that way; jose takes others too. */
const isCanonical = (signature: string): boolean =>
  Buffer.from(signature, "base64url").toString("base64url") === signature

const isSignedByPair = (publicKey: KeyObject, token: string): Effect.Effect<boolean> =>
  Effect.flatMap(jose, ({ compactVerify }) =>
    Effect.promise(() =>
      compactVerify(token, publicKey, { algorithms: ["EdDSA"] }).then(
        () => true,
        () => false
      )
    )
  )

/** What is wrong with a header that is none of ours, for the audit log; of its content no more than a known algorithm. */
const headerFault = (header: string): string => {
  const text = textOf(header)
  if (/"alg"\s*:\s*"none"/iu.test(text)) return "it is not signed"
  return /"kid"/u.test(text) ? "its header or its key is none of ours" : "its header names no key"
}

const newSecret = (createdAt: number): SigningKey => ({
  kid: randomBytes(16).toString("base64url"),
  alg: "HS256",
  jwk: Redacted.make(JSON.stringify({ kty: "oct", k: randomBytes(32).toString("base64url") })),
  createdAt,
  retiredAt: undefined,
  expiresAt: undefined
})

const newKeyPair = (createdAt: number): Effect.Effect<SigningKey> =>
  Effect.flatMap(jose, ({ calculateJwkThumbprint, exportJWK, generateKeyPair }) =>
    Effect.promise(async () => {
      const { privateKey } = await generateKeyPair("EdDSA", { extractable: true })
      const jwk = await exportJWK(privateKey)
      return {
        kid: await calculateJwkThumbprint(jwk),
        alg: "EdDSA",
        jwk: Redacted.make(JSON.stringify(jwk)),
        createdAt,
        retiredAt: undefined,
        expiresAt: undefined
      } as const
    })
  )
