/**
 * The keys that tokens are signed and verified with, made ready from what the store and the configuration hold. A token
 * is known by its header, which must be, byte for byte, one that we write for one of these keys: so no header chooses an
 * algorithm, brings a key along, or means another kind of token.
 *
 * `auth.jwt_secret` signs where it is configured and the algorithm is HS256; else the last key of the algorithm that
 * was made and has not been retired. All others verify until they expire. A stored key that cannot be read is none.
 */
import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from "node:crypto"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { HmacSha256 } from "../auth/HmacSha256.ts"
import type { AuthConfig } from "../config/IdentityConfig.ts"
import type { SigningKey } from "./IdentityStore.ts"

/** Media types (`typ`) of the access token (RFC 9068) and the refresh token: never taken for one another. */
export type TokenKind = "at+jwt" | "rt+jwt"

export interface ReadyKey {
  readonly kid: string
  readonly signing: KeyObject
  /** UNIX milliseconds. */
  readonly expiresAt: number | undefined
  readonly verifying:
    | { readonly alg: "HS256"; readonly hmac: HmacSha256 }
    | { readonly alg: "EdDSA"; readonly publicKey: KeyObject }
}

export interface KeyRing {
  /** Undefined: there is none yet. */
  readonly signer: ReadyKey | undefined
  readonly keys: ReadonlyArray<ReadyKey>
  /** By the first segment of the token. */
  readonly byHeader: ReadonlyMap<string, { readonly key: ReadyKey; readonly kind: TokenKind }>
}

const kinds: ReadonlyArray<TokenKind> = ["at+jwt", "rt+jwt"]

export const headerOf = ({ kid, verifying }: ReadyKey, typ: TokenKind) => ({ alg: verifying.alg, typ, kid })

const Oct = Schema.fromJsonString(Schema.Struct({ kty: Schema.Literal("oct"), k: Schema.NonEmptyString }))
const Okp = Schema.fromJsonString(
  Schema.Struct({
    kty: Schema.Literal("OKP"),
    crv: Schema.Literal("Ed25519"),
    x: Schema.NonEmptyString,
    d: Schema.NonEmptyString
  })
)
const readOct = Schema.decodeUnknownOption(Oct)
const readOkp = Schema.decodeUnknownOption(Okp)

export const makeKeyRing = (
  stored: ReadonlyArray<SigningKey>,
  { jwt_algorithm: alg, jwt_secret: secret }: Pick<AuthConfig, "jwt_algorithm" | "jwt_secret">
): KeyRing => {
  const active = stored.findLast((key) => key.alg === alg && key.retiredAt === undefined)
  const ready = stored.flatMap((key) => readyKey(key) ?? [])
  const configured = secret === undefined ? undefined : configuredKey(secret)
  const keys = configured === undefined ? ready : [configured, ...ready]
  const byHeader = new Map(
    keys.flatMap((key) =>
      kinds.map(
        (kind) => [Buffer.from(JSON.stringify(headerOf(key, kind))).toString("base64url"), { key, kind }] as const
      )
    )
  )
  return {
    signer: configured?.verifying.alg === alg ? configured : ready.find(({ kid }) => kid === active?.kid),
    keys,
    byHeader
  }
}

const readyKey = ({ alg, expiresAt, jwk, kid }: SigningKey): ReadyKey | undefined => {
  const text = Redacted.value(jwk)
  if (alg === "HS256") {
    const oct = Option.getOrUndefined(readOct(text))
    return oct === undefined ? undefined : secretKey(kid, Buffer.from(oct.k, "base64url"), expiresAt)
  }
  const okp = Option.getOrUndefined(readOkp(text))
  if (okp === undefined) return undefined
  try {
    const signing = createPrivateKey({ key: okp, format: "jwk" })
    return { kid, signing, verifying: { alg, publicKey: createPublicKey(signing) }, expiresAt }
  } catch {
    return undefined
  }
}

const secretKey = (kid: string, bytes: Uint8Array, expiresAt: number | undefined): ReadyKey => ({
  kid,
  signing: createSecretKey(bytes),
  verifying: { alg: "HS256", hmac: new HmacSha256(bytes) },
  expiresAt
})

/**
 * Its id is told by every token: what a token's signature does not tell of the secret, the id does not either.
 */
const configuredKey = (secret: Redacted.Redacted): ReadyKey => {
  const bytes = Buffer.from(Redacted.value(secret))
  const kid = new HmacSha256(bytes).of("systemapi: id of auth.jwt_secret").slice(0, 22)
  return secretKey(kid, bytes, undefined)
}
