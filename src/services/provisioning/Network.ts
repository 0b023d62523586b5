/**
 * An IPv4 network in the notation of RFC 4632, and the addresses in it that a server may have: all but that of the network
 * and its broadcast address, from the lowest on.
 */
import { isIPv4 } from "node:net"

export interface Network {
  /** The first address that may be given out, and the last. */
  readonly first: number
  readonly last: number
}

/** Larger ones are mistakes: 2^24 addresses. */
const prefixMin = 8
/** Smaller ones have no address between the two that are not given out. */
const prefixMax = 30

export const networkAllowed = `an IPv4 network whose prefix has ${prefixMin} to ${prefixMax} bits, as 10.0.0.0/24`

/** Undefined: it is none, or has bits of hosts. */
export const parseNetwork = (text: string): Network | undefined => {
  const [, address = "", bits = ""] = /^([\d.]{7,15})\/(\d{1,2})$/u.exec(text) ?? []
  const prefix = Number(bits)
  if (!isIPv4(address) || prefix < prefixMin || prefix > prefixMax) return undefined
  const size = 2 ** (32 - prefix)
  const base = numberOf(address)
  return base % size === 0 ? { first: base + 1, last: base + size - 2 } : undefined
}

/** The lowest that is not taken; undefined: all are. */
export const freeAddress = ({ first, last }: Network, taken: ReadonlySet<string>): string | undefined => {
  for (let number = first; number <= last; number += 1) {
    const address = addressOf(number)
    if (!taken.has(address)) return address
  }
  return undefined
}

const numberOf = (address: string): number => address.split(".").reduce((sum, byte) => sum * 256 + Number(byte), 0)

const addressOf = (number: number): string => [24, 16, 8, 0].map((bits) => (number >>> bits) & 0xff).join(".")
