/**
 * The claims of our tokens (RFC 7519, RFC 9068), read after the signature was found right. Types, issuer, audience and
 * times are all checked; of a claim that is there twice the last counts, as the RFC allows. By hand and not by a Schema,
 * since every request passes here.
 */
import { userNamePattern } from "./IdentityStore.ts"
import { timeOfId } from "./timedId.ts"

export interface Claims {
  readonly sub: string
  readonly jti: string
  readonly sid: string
  /** UNIX milliseconds. */
  readonly issuedAt: number
  /** When its login began. */
  readonly loginAt: number
  readonly expiresAt: number
}

export type Checked =
  | { readonly _tag: "valid"; readonly claims: Claims }
  | { readonly _tag: "invalid"; readonly reason: string; readonly claimed: string | undefined }

/**
 * How far clocks may differ: daemons of one machine share theirs, which NTP may set back between issue and use. A clock
 * set back by more has tokens refused as not valid yet until it has caught up.
 */
export const clockLeewayMs = 5000

export const invalid = (reason: string, claimed?: string): Extract<Checked, { readonly _tag: "invalid" }> => ({
  _tag: "invalid",
  reason,
  claimed
})

export interface Expected {
  readonly issuer: string
  readonly audience: string
}

/** What a token says, in the right types, or why it says nothing; the same whenever it is asked. */
export type Said =
  | {
      readonly _tag: "said"
      readonly claims: Claims
      readonly iss: unknown
      readonly aud: unknown
      /** UNIX milliseconds. */
      readonly notBefore: number
    }
  | Extract<Checked, { readonly _tag: "invalid" }>

export const readClaims = (payload: string): Said => {
  const claims = parseObject(payload)
  if (claims === undefined) return invalid("its claims are no JSON object")
  const { aud, exp, iat, iss, jti, nbf, sid, sub } = claims
  if (typeof sub !== "string" || typeof jti !== "string" || typeof sid !== "string") {
    return invalid("it lacks sub, jti or sid")
  }
  if (!isTime(exp)) return invalid("it lacks exp", sub)
  if (!isTime(iat)) return invalid("it lacks iat", sub)
  if (nbf !== undefined && !isTime(nbf)) return invalid("its nbf is no time", sub)
  // The id has the millisecond, which the revocation of earlier tokens asks for.
  const issuedAt = timeOfId(jti)
  if (issuedAt === undefined || Math.floor(issuedAt / 1000) !== iat) return invalid("its jti is none of ours", sub)
  return {
    _tag: "said",
    claims: { sub, jti, sid, issuedAt, loginAt: timeOfId(sid) ?? issuedAt, expiresAt: exp * 1000 },
    iss,
    aud,
    notBefore: Math.max(nbf ?? 0, iat) * 1000
  }
}

/** Whether what it says is true here and now. */
export const checkClaims = (said: Said, { audience, issuer }: Expected, nowMs: number): Checked => {
  if (said._tag === "invalid") return said
  const { aud, claims, iss, notBefore } = said
  const { expiresAt, sub } = claims
  if (iss !== issuer) return invalid("it is of another issuer", sub)
  if (aud !== audience && !(Array.isArray(aud) && aud.includes(audience))) {
    return invalid("it is for somebody else", sub)
  }
  if (nowMs >= expiresAt + clockLeewayMs) return invalid("it has expired", sub)
  if (notBefore > nowMs + clockLeewayMs) return invalid("it is not valid yet", sub)
  return { _tag: "valid", claims }
}

/** Whose a token says it is that was not verified; for the audit log. */
export const claimedBy = (payload: string): string | undefined => {
  const sub = parseObject(payload)?.["sub"]
  return typeof sub === "string" && userNamePattern.test(sub) ? sub : undefined
}

/** The last second that a date of four digits for its year can name: later ones are no times for what follows. */
const timeMax = 253_402_300_799

const isTime = (value: unknown): value is number => typeof value === "number" && value >= 0 && value <= timeMax

const parseObject = (text: string): Readonly<Record<string, unknown>> | undefined => {
  try {
    const value: unknown = JSON.parse(text)
    return isRecord(value) ? value : undefined
  } catch {
    return undefined
  }
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)
