/** IP addresses as bytes: four for IPv4, sixteen for IPv6, a zone ("%eth0") left out; anything else is `undefined`. */
import { isIPv4, isIPv6 } from "node:net"

export const ipBytes = (address: string): Uint8Array | undefined => {
  if (isIPv4(address)) return Uint8Array.from(address.split("."), Number)
  if (!isIPv6(address)) return undefined
  const [before = "", after] = address.replace(/%.*$/u, "").split("::")
  const head = groupBytes(before)
  const tail = groupBytes(after ?? "")
  const bytes = new Uint8Array(16)
  bytes.set(head, 0)
  bytes.set(tail, 16 - tail.length)
  return bytes
}

/** Two bytes for each group, four for a dotted quad. */
const groupBytes = (groups: string): ReadonlyArray<number> =>
  groups === ""
    ? []
    : groups.split(":").flatMap((group) => {
        if (group.includes(".")) return group.split(".").map(Number)
        const value = Number.parseInt(group, 16)
        return [value >> 8, value & 0xff]
      })
