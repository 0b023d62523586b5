/**
 * The id of an operation's child, from what the parent calls it: asking for it again, after a restart too, finds the one
 * that is there, and whoever looks at the parent knows which of its children is which.
 */
import { createHash } from "node:crypto"

/** A UUID of version 8 (RFC 9562): its bits are ours, here those of a SHA-256. */
export const childId = (parent: string, name: string): string => {
  const bytes = createHash("sha256").update(`${parent}\n${name}`).digest().subarray(0, 16)
  bytes.writeUInt8(0x80 | (bytes.readUInt8(6) & 0x0f), 6)
  bytes.writeUInt8(0x80 | (bytes.readUInt8(8) & 0x3f), 8)
  const hex = bytes.toString("hex")
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}
