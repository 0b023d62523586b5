/**
 * Between the parsers and the handler: requests of one HTTP/1 connection reach the handler one after another, in the
 * order in which they came, so that two events sent down one connection keep their order; streams of HTTP/2 run side
 * by side. What no handler should see (no Host, an unknown version or expectation, too many fields, CONNECT) is answered here.
 *
 * Bounds: `pipelined` requests wait per connection and `pipelinedInAll` over all; a client that sends more loses its
 * connection. `streams` run per HTTP/2 connection (the engine keeps that) and `streamsInAll` over all; one more is
 * refused unseen, as RFC 9113 has it, and its client may ask again.
 */
import type * as Http from "node:http"
import * as Http2 from "node:http2"
import type { Duplex, Readable } from "node:stream"
import {
  chunkedHttp10,
  connectRefused,
  hostMissing,
  type Refusal,
  throughHttp1,
  throughHttp2,
  tooManyHeaders,
  unknownCoding,
  unknownExpectation,
  unknownVersion
} from "./Answers.ts"
import { type Connection, type Http1Exchange, type Http2Exchange, Progress } from "./Connection.ts"
import type { Connections } from "./Connections.ts"
import { hasBody } from "./Incoming.ts"
import type { ListenerLimits } from "./Limits.ts"
import { dropUnread } from "./UnreadBody.ts"

/** Answers a request of a connection. What it returns is called when the client leaves before the answer is complete. */
export type Handler = (
  request: Http.IncomingMessage | Http2.Http2ServerRequest,
  response: Http.ServerResponse | Http2.Http2ServerResponse,
  connection: Connection
) => (() => void) | undefined

/** `continue`: the client waits for a `100 Continue` before it sends the body; `unknown`: for something else. */
type Expectation = "none" | "continue" | "unknown"

export const attachHttp1 = (
  server: Http.Server,
  connections: Connections,
  limits: ListenerLimits,
  handler: Handler
): void => {
  const objection = (request: Http.IncomingMessage, expectation: Expectation): Refusal | undefined => {
    if (request.rawHeaders.length > limits.headerFields * 2) return tooManyHeaders(limits.headerFields)
    if (request.httpVersion !== "1.1" && request.httpVersion !== "1.0") return unknownVersion
    const coding = request.headers["transfer-encoding"]
    if (coding !== undefined) {
      if (request.httpVersion === "1.0") return chunkedHttp10
      if (coding.toLowerCase() !== "chunked") return unknownCoding
    }
    if (request.headers.host === undefined && request.httpVersion === "1.1") return hostMissing
    return expectation === "unknown" ? unknownExpectation : undefined
  }

  const start = (connection: Connection, exchange: Http1Exchange): void => {
    connection.current = exchange
    if (exchange.refusal !== undefined) return throughHttp1(exchange.response, exchange.refusal)
    if (connection.certificate?.isEnd === true) connection.markLast()
    exchange.abandon = handler(exchange.request, exchange.response, connection)
  }

  const receive = (expectation: Expectation) => (request: Http.IncomingMessage, response: Http.ServerResponse) => {
    const connection = connections.of(request.socket)
    if (connection === undefined || connection.last || connection.endingSince !== undefined) return
    if (connection.socket.writableEnded) return
    const exchange: Http1Exchange = {
      request,
      response,
      since: undefined,
      awaitsContinue: false,
      abandon: undefined,
      refusal: objection(request, expectation)
    }
    if (expectation === "continue") holdContinue(exchange)
    // What may follow the last answer are requests; the others are read when it is their turn.
    if (hasBody(request) || !response.shouldKeepAlive) dropUnread(connection, exchange, connections.clock)
    response.on("close", () => {
      if (connection.current !== exchange) return
      if (!response.writableEnded) exchange.abandon?.()
      connections.endExchange(connection, exchange)
      // An answer that said that it is the last one is the last: what was sent behind its request is not looked at.
      const next = connection.socket.writableEnded ? undefined : connections.next(connection)
      if (next === undefined) connections.finish(connection)
      else start(connection, next)
    })
    connections.begin(connection)
    if (connection.current === undefined) return start(connection, exchange)
    if (connections.wait(connection, exchange)) return
    connections.counts.overrun += 1
    connection.destroy()
  }

  server.on("request", receive("none"))
  server.on("checkContinue", receive("continue"))
  server.on("checkExpectation", receive("unknown"))
  server.on("connect", (request: Http.IncomingMessage, socket: Duplex) => {
    connections.of(request.socket)?.refuse(connectRefused, connections.clock.now())
    // Node has let go of the socket; what the client still sends is dropped until the connection ends.
    socket.resume()
  })
}

/**
 * Sends `100 Continue` when the body is first asked for, and not before: a request that is refused by its headers
 * alone costs the client no upload. Where it is never sent, the connection ends with the answer, because whether the
 * body comes after it is the client's secret.
 */
const holdContinue = (exchange: Http1Exchange): void => {
  const { request, response } = exchange
  const { shouldKeepAlive } = response
  exchange.awaitsContinue = true
  response.shouldKeepAlive = false
  onFirstRead(request, () => {
    exchange.awaitsContinue = false
    if (response.headersSent) return
    response.shouldKeepAlive = shouldKeepAlive
    response.writeContinue()
  })
}

const onFirstRead = (body: Readable, act: () => void): void => {
  const read = body._read.bind(body)
  body._read = (size) => {
    body._read = read
    act()
    read(size)
  }
}

export const attachHttp2 = (
  server: Http2.Http2Server,
  sessions: WeakMap<Http2.Http2Session, Connection>,
  connections: Connections,
  handler: Handler
): void => {
  const receive =
    (
      answer: (
        request: Http2.Http2ServerRequest,
        response: Http2.Http2ServerResponse,
        connection: Connection
      ) => ReturnType<Handler>
    ) =>
    (request: Http2.Http2ServerRequest, response: Http2.Http2ServerResponse): void => {
      const session = request.stream.session
      const connection = session === undefined ? undefined : sessions.get(session)
      if (connection === undefined) return request.stream.close()
      const exchange: Http2Exchange = {
        request,
        response,
        since: undefined,
        body: new Progress(),
        respondingSince: undefined
      }
      if (!connections.beginStream(connection, exchange)) {
        return request.stream.close(Http2.constants.NGHTTP2_REFUSED_STREAM)
      }
      let abandon: ReturnType<Handler>
      response.on("close", () => {
        if (!response.writableEnded) abandon?.()
        connections.endStream(connection, exchange)
      })
      if (connection.certificate?.isEnd === true) connection.markLast()
      abandon = answer(request, response, connection)
    }

  server.on("request", receive(handler))
  server.on(
    "checkContinue",
    receive((request, response, connection) => {
      onFirstRead(request, () => {
        if (!response.headersSent) response.writeContinue()
      })
      return handler(request, response, connection)
    })
  )
  const refuse = (refusal: Refusal) =>
    receive((_, response) => {
      throughHttp2(response, refusal)
      return undefined
    })
  server.on("checkExpectation", refuse(unknownExpectation))
  server.on("connect", refuse(connectRefused))
}
