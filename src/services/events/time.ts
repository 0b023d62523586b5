/** Times as people and programs give them, to nanoseconds since the UNIX epoch. */

const rfc3339 = /^(\d{4}-\d{2}-\d{2})[Tt ](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})$/u
const unixSeconds = /^(\d{1,10})(?:\.(\d{1,9}))?$/u
const unixMillis = /^\d{13}$/u

/** The store keeps times in 64 bits, which end in the year 2262. */
const latest = 2n ** 63n - 1n

/**
 * RFC 3339, or UNIX time in seconds (up to ten digits, fraction allowed) or milliseconds (thirteen); undefined when it
 * is none of these, before 1970, or later than can be stored.
 */
export const parseTime = (text: string): bigint | undefined => {
  const nanos = read(text)
  return nanos === undefined || nanos < 0n || nanos > latest ? undefined : nanos
}

const read = (text: string): bigint | undefined => {
  if (unixMillis.test(text)) return BigInt(text) * 1_000_000n
  const unix = unixSeconds.exec(text)
  if (unix !== null) return BigInt(unix[1] ?? 0) * 1_000_000_000n + fraction(unix[2])
  const parts = rfc3339.exec(text)
  if (parts === null) return undefined
  const [, date, time, digits, zone = "Z"] = parts
  // Date.parse takes the 31st of February for the 3rd of March.
  if (new Date(`${date}T00:00:00Z`).toJSON()?.slice(0, 10) !== date) return undefined
  const millis = Date.parse(`${date}T${time}${zone.toUpperCase()}`)
  return Number.isNaN(millis) ? undefined : BigInt(millis) * 1_000_000n + fraction(digits)
}

const fraction = (digits: string | undefined): bigint => BigInt((digits ?? "").padEnd(9, "0"))
