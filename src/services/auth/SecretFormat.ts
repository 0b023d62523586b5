/**
 * The forms the stored secret has in its file, and their codec. The original's form is 64 lowercase hex digits,
 * sha256(secret + salt of the config); ours beside it are PHC strings, which carry algorithm, cost, salt and hash:
 * `$argon2id$v=19$m=19456,t=2,p=1$SALT$HASH` and `$scrypt$ln=15,r=8,p=3$SALT$HASH`. No form ends with a newline.
 *
 * Bounds: cost parameters, salt and hash read from a file are limited, so that a wrong file cannot ask for all memory.
 * What is not accepted is described by its shape, never by its content: it may be the secret itself.
 */
import * as Result from "effect/Result"

export interface Scrypt {
  readonly _tag: "scrypt"
  /** Logarithm of N to the base 2. */
  readonly ln: number
  readonly r: number
  readonly p: number
}

export interface Argon2id {
  readonly _tag: "argon2id"
  /** KiB. */
  readonly m: number
  readonly t: number
  readonly p: number
}

export interface SlowForm {
  readonly cost: Scrypt | Argon2id
  readonly salt: Uint8Array
  readonly hash: Uint8Array
}

export type StoredSecret =
  | { readonly _tag: "none" }
  | { readonly _tag: "sha256"; readonly digest: Uint8Array }
  | ({ readonly _tag: "slow" } & SlowForm)

/** A PHC string with the largest salt and hash is below 250 bytes; the rest is for telling what was found instead. */
export const storedBytesMax = 1024

/** Twice what OWASP's costliest advice needs (128 MiB); two hashes of this size may run at a time. */
const memoryKiBMax = 262_144
const timeMax = 16
const parallelMax = 16
const saltBytes = { min: 8, max: 64 }
const hashBytes = { min: 16, max: 64 }

export const allowedForms =
  "an empty file (no secret set yet), 64 lowercase hex digits, or a PHC string of argon2id or scrypt, without a newline"

const hexForm = /^[0-9a-f]{64}$/u
const number = "(0|[1-9][0-9]{0,8})"
const base64 = "([A-Za-z0-9+/]+)"
const argon2Form = new RegExp(`^\\$argon2id\\$v=19\\$m=${number},t=${number},p=${number}\\$${base64}\\$${base64}$`, "u")
const scryptForm = new RegExp(`^\\$scrypt\\$ln=${number},r=${number},p=${number}\\$${base64}\\$${base64}$`, "u")

/** The failure is the shape of what was found. */
export const parseStored = (bytes: Uint8Array): Result.Result<StoredSecret, string> => {
  if (bytes.length === 0) return Result.succeed({ _tag: "none" })
  const text = Buffer.from(bytes).toString("latin1")
  if (hexForm.test(text)) return Result.succeed({ _tag: "sha256", digest: Buffer.from(text, "hex") })
  const slow = parseSlow(text)
  return slow === undefined ? Result.fail(shapeOf(text)) : Result.succeed(slow)
}

export const encodeStored = (stored: StoredSecret): string => {
  switch (stored._tag) {
    case "none":
      return ""
    case "sha256":
      return Buffer.from(stored.digest).toString("hex")
    case "slow": {
      const { cost, hash, salt } = stored
      const parameters =
        cost._tag === "scrypt"
          ? `$scrypt$ln=${cost.ln},r=${cost.r},p=${cost.p}`
          : `$argon2id$v=19$m=${cost.m},t=${cost.t},p=${cost.p}`
      return `${parameters}$${unpadded(salt)}$${unpadded(hash)}`
    }
  }
}

const parseSlow = (text: string): StoredSecret | undefined => {
  const argon2 = argon2Form.exec(text)
  const match = argon2 ?? scryptForm.exec(text)
  if (match === null) return undefined
  const [first, second, third] = [Number(match[1]), Number(match[2]), Number(match[3])]
  const cost: Scrypt | Argon2id =
    argon2 === null
      ? { _tag: "scrypt", ln: first, r: second, p: third }
      : { _tag: "argon2id", m: first, t: second, p: third }
  const salt = fromUnpadded(match[4], saltBytes)
  const hash = fromUnpadded(match[5], hashBytes)
  if (!isAffordable(cost) || salt === undefined || hash === undefined) return undefined
  return { _tag: "slow", cost, salt, hash }
}

const isAffordable = (cost: Scrypt | Argon2id): boolean => {
  if (cost.p < 1 || cost.p > parallelMax) return false
  return cost._tag === "scrypt"
    ? cost.ln >= 1 && cost.ln <= 24 && cost.r >= 1 && (2 ** cost.ln * cost.r * 128) / 1024 <= memoryKiBMax
    : cost.t >= 1 && cost.t <= timeMax && cost.m >= 8 * cost.p && cost.m <= memoryKiBMax
}

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64").replaceAll("=", "")

/** Only the one way of writing these bytes is accepted. */
const fromUnpadded = (text: string | undefined, size: typeof saltBytes): Uint8Array | undefined => {
  const bytes = Buffer.from(text ?? "", "base64")
  return bytes.length >= size.min && bytes.length <= size.max && unpadded(bytes) === text ? bytes : undefined
}

const shapeOf = (text: string): string => {
  const size = `${text.length} bytes`
  const trimmed = text.replace(/[\r\n\t ]+$/u, "")
  if (trimmed !== text) {
    const known = hexForm.test(trimmed) || parseSlow(trimmed) !== undefined
    return `${size} ending with a newline or space${known ? ", which is all that is wrong" : ""}`
  }
  if (/^[0-9a-f]+$/iu.test(text)) {
    return `${size} of hex digits${/[A-F]/u.test(text) ? ", some in upper case" : ""}`
  }
  if (text.startsWith("$argon2id$") || text.startsWith("$scrypt$")) {
    return `${size} that begin as a PHC string, with a part that is malformed or out of range`
  }
  return /^[\x20-\x7e]+$/u.test(text) ? `${size} of plain text` : `${size} that are not plain text`
}
