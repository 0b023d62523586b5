/**
 * The part of a client's address that tells one client from another. An IPv6 host commonly has a whole /64 to choose
 * addresses from, so that much is one client; an IPv4 address, also one mapped into IPv6, stands for itself. Anything
 * else (a UNIX socket has no address) is kept as it is, cut to a bounded length. Never fails.
 */
import { ipBytes } from "./IpAddress.ts"

/** The longest text of an address with a zone is shorter. */
const keyMax = 64

export const networkOf = (address: string): string => {
  const bytes = ipBytes(address)
  if (bytes === undefined) return address.slice(0, keyMax)
  if (bytes.length === 4) return bytes.join(".")
  const isMapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
  return isMapped ? bytes.subarray(12).join(".") : `${Buffer.from(bytes.subarray(0, 8)).toString("hex")}/64`
}
