/**
 * Every deadline of a listener, kept by one look over all connections each `checkMs`: slow headers, a body that
 * stalls, an answer nobody takes, idle and half-closed connections, and refused ones that linger. Looking at counters
 * costs nothing per request, and treats HTTP/1, TLS and HTTP/2 alike. Nor does a request read the clock: what begins or
 * ends with one is dated by the first look at it, so that a deadline is noticed at most twice `checkMs` late.
 *
 * Bounds: the work of one look is proportional to the open connections and streams.
 */
import { bodyTimedOut, headersTimedOut, throughHttp2 } from "./Answers.ts"
import type { Connection, Http1Exchange, Http2Exchange } from "./Connection.ts"
import { type Connections, outgoing } from "./Connections.ts"
import type { ListenerLimits } from "./Limits.ts"

export interface Deadlines {
  /** Looks once. */
  readonly check: () => void
  readonly stop: () => void
}

export const watch = (connections: Connections, limits: ListenerLimits): Deadlines => {
  const { timedOut } = connections.counts

  /** A body nobody wants any more is read to its end, to keep the connection, for as long as a body may pause. */
  const checkDraining = (connection: Connection, body: Http1Exchange["request"], since: number, now: number): void => {
    if (body.complete) {
      connection.idle()
    } else if (now - since >= limits.bodyIdleMs) {
      timedOut.body += 1
      connection.destroy()
    }
  }

  const checkIdle = (connection: Connection, now: number): void => {
    // Nothing is in hand and nothing can follow; Node leaves some sessions of HTTP/2 in this state.
    if (connection.session !== undefined && connection.halfClosedSince !== undefined) return connection.destroy()
    const idleSince = (connection.idleSince ??= now)
    if (connection.draining !== undefined) return checkDraining(connection, connection.draining, idleSince, now)
    const unfinished = connection.unfinishedHeaderBytes
    if (unfinished > 0) connection.headerSince ??= connection.served ? now : idleSince
    if (connection.headerSince !== undefined) {
      if (now - connection.headerSince < limits.headerMs) return
      timedOut.header += 1
      connection.refuse(headersTimedOut, now)
    } else if (connection.served || connection.session !== undefined) {
      if (now - idleSince < limits.keepAliveMs) return
      timedOut.idle += 1
      connection.end(now)
    } else if (now - idleSince >= limits.headerMs) {
      // Nothing was said: a browser that connects ahead of need would take an answer for one to its next request.
      timedOut.header += 1
      connection.end(now)
    }
  }

  /** A body counts as stalled only while it is asked for: a handler that does not read is not the client's fault. */
  const bodyWanted = (request: Http1Exchange["request"] | Http2Exchange["request"]): boolean =>
    !request.complete && request.readableLength < request.readableHighWaterMark

  const overdue = (since: number, now: number, limit: number): boolean => limit > 0 && now - since >= limit

  const checkHttp1 = (connection: Connection, exchange: Http1Exchange, now: number): void => {
    const { request, response } = exchange
    if (response.headersSent) connection.respondingSince ??= now
    if (bodyWanted(request) && !exchange.awaitsContinue) {
      if (connection.body.still(connection.socket.bytesRead, now) >= limits.bodyIdleMs) {
        timedOut.body += 1
        return connection.refuse(bodyTimedOut, now)
      }
    } else {
      connection.body.reset(connection.socket.bytesRead, now)
    }
    exchange.since ??= now
    if (!request.complete && overdue(exchange.since, now, limits.requestMs)) {
      timedOut.request += 1
      connection.refuse(bodyTimedOut, now)
    } else if (overdue(connection.respondingSince ?? now, now, limits.responseMs)) {
      timedOut.response += 1
      connection.destroy()
    }
  }

  const checkHttp2 = (exchange: Http2Exchange, now: number): void => {
    const { request, response } = exchange
    if (response.headersSent) exchange.respondingSince ??= now
    exchange.since ??= now
    const window = request.stream.state.localWindowSize ?? 0
    if (!bodyWanted(request)) exchange.body.reset(window, now)
    const stalled = exchange.body.still(window, now) >= limits.bodyIdleMs
    if (stalled || (!request.complete && overdue(exchange.since, now, limits.requestMs))) {
      timedOut[stalled ? "body" : "request"] += 1
      if (response.headersSent) response.stream.close()
      else {
        // As long again for the answer to be taken.
        exchange.body.reset(window, now)
        throughHttp2(response, bodyTimedOut)
      }
    } else if (overdue(exchange.respondingSince ?? now, now, limits.responseMs)) {
      timedOut.response += 1
      response.stream.close()
    }
  }

  const checkBusy = (connection: Connection, now: number): void => {
    const { waiting, taken } = outgoing(connection)
    if (!waiting) connection.taken.reset(taken, now)
    if (connection.taken.still(taken, now, limits.writeProgressBytes) >= limits.writeIdleMs) {
      timedOut.write += 1
      connection.destroy()
    } else if (connection.halfClosedSince !== undefined && now - connection.halfClosedSince >= limits.halfClosedMs) {
      connection.destroy()
    } else {
      if (connection.current !== undefined) checkHttp1(connection, connection.current, now)
      for (const exchange of connection.streams) checkHttp2(exchange, now)
    }
  }

  const check = (): void => {
    const now = connections.clock.tick()
    let headerBytes = 0
    for (const connection of connections.all) {
      if (connection.endingSince !== undefined) {
        if (now - connection.endingSince >= limits.lingerMs) connection.destroy()
      } else if (connection.busy) {
        checkBusy(connection, now)
      } else {
        checkIdle(connection, now)
        headerBytes += connection.unfinishedHeaderBytes
      }
    }
    // Longest idle first, as everywhere when there is too much of something.
    for (const connection of connections.idle) {
      if (headerBytes <= limits.headerBytesInAll) break
      const unfinished = connection.unfinishedHeaderBytes
      if (unfinished === 0) continue
      headerBytes -= unfinished
      timedOut.header += 1
      connection.destroy()
    }
  }

  const timer = setInterval(() => {
    check()
  }, limits.checkMs)
  return { check, stop: () => clearInterval(timer) }
}
