/**
 * What becomes of a body that nobody wanted to its end, once the answer is out: it is read and dropped, so that the
 * connection can be used again, up to `drainedBytesMax`; after that the connection ends. A connection that ends is
 * never simply destroyed while its client is sending, be it a body or a request that nobody will look at: that would turn
 * the close into a reset, and the answer be lost.
 */
import type { Connection, Http1Exchange } from "./Connection.ts"
import type { LoopClock } from "./LoopClock.ts"

/** Reading this much is cheaper for both sides than a new connection. */
export const drainedBytesMax = 256 * 1024

export const dropUnread = (connection: Connection, { request, response }: Http1Exchange, clock: LoopClock): void => {
  // Before Node's own listener, which drops all of a body that was not begun and nothing of one that was, and destroys
  // the socket when the answer is the last.
  response.prependListener("finish", () => {
    if (isLast(response)) {
      Object.assign(response, { _last: false })
      connection.end(clock.now())
    }
    if (request.complete || request.destroyed) return
    let bytes = 0
    request.on("data", ({ length }: Buffer) => {
      bytes += length
      if (bytes <= drainedBytesMax) return
      request.pause()
      connection.end(clock.now())
    })
    request.resume()
  })
}

/** Whether Node closes the connection after this answer; it has no public name for what it decided. */
const isLast = (response: Http1Exchange["response"]): boolean => Reflect.get(response, "_last") === true
