/**
 * Ids of tokens and logins: UUIDs of version 7 (RFC 9562), unique by 74 random bits, which carry the millisecond they
 * were made in. A JWT tells its time of issue in whole seconds, too coarse to tell a login right after a password was
 * changed from one right before.
 */
import { randomBytes } from "node:crypto"

const timedIdPattern = /^([0-9a-f]{8})-([0-9a-f]{4})-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u

export const makeTimedId = (nowMs: number): string => {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(nowMs, 0, 6)
  bytes.writeUInt8(0x70 | (bytes.readUInt8(6) & 0x0f), 6)
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8)
  const hex = bytes.toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** UNIX milliseconds; undefined: it is no such id. */
export const timeOfId = (id: string): number | undefined => {
  const match = timedIdPattern.exec(id)
  return match === null ? undefined : Number.parseInt(`${match[1]}${match[2]}`, 16)
}
