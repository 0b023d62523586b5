/**
 * Request ids: what a caller sends as X-Request-Id when it is harmless text, else one of our own. Ours are unique over
 * restarts by a random prefix and within one by a counter: a UUID per request costs more than the rest of a small one.
 */
import { randomBytes } from "node:crypto"

const harmless = /^[\w.:-]{1,64}$/u

export const makeRequestIds = (): ((given: string | ReadonlyArray<string> | undefined) => string) => {
  const prefix = randomBytes(6).toString("base64url")
  let count = 0
  return (given) => (typeof given === "string" && harmless.test(given) ? given : `${prefix}-${(count++).toString(36)}`)
}
