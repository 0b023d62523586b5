/**
 * The node servers behind one address. The one in front accepts sockets and ends TLS; it knows no HTTP. Each admitted
 * socket is handed to one of two engines that never listen themselves: `node:http` for HTTP/1 (plain, or over TLS
 * without `h2`), `node:http2` for `h2`. So HTTP/1 has one set of limits wherever it comes from, and every connection
 * is counted before a protocol sees it. Time-outs of the engines are off: Deadlines keeps them all.
 *
 * Bounds: those of Limits, and nghttp2's own on floods of resets, settings, pings and invalid frames. A fault of one
 * socket ends that socket.
 */
import * as Http from "node:http"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import * as Tls from "node:tls"
import { forParserFault } from "./Answers.ts"
import type { Connection } from "./Connection.ts"
import type { Connections } from "./Connections.ts"
import { attachHttp1, attachHttp2, type Handler } from "./Exchanges.ts"
import type { ListenerLimits } from "./Limits.ts"
import { resume } from "./RawTarget.ts"
import { SecureResponse } from "./SecureResponse.ts"

/** PEM texts; the certificate may be followed by its chain. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** The front server, which is the one that listens; `secure` is it again where it speaks TLS. */
export interface Front {
  readonly server: Net.Server
  readonly secure: Tls.Server | undefined
}

/** Peers that vanish without a word (a laptop closed on an event stream) are found by TCP within some minutes. */
const tcpKeepAliveMs = 60_000

/** As Go's and every distribution's default since years; 1.0 and 1.1 are forbidden by RFC 8996. */
const tlsVersionMin = "TLSv1.2"

/** Frames that break the protocol, after which a session is closed; a sound client sends none. */
const invalidFramesMax = 100

/** Throws what OpenSSL says when certificate and key do not belong together or are none. */
export const tlsOptions = ({ cert, key }: Certificate): Tls.SecureContextOptions => ({
  cert,
  key,
  minVersion: tlsVersionMin
})

/** Throws where the certificate cannot be used. */
export const makeFront = (
  connections: Connections,
  limits: ListenerLimits,
  certificate: Certificate | undefined,
  handler: Handler
): Front => {
  const http1 = makeHttp1(connections, limits, handler)
  const socketOptions = {
    // A client may close its sending side and wait for the answer.
    allowHalfOpen: true,
    noDelay: true,
    keepAlive: true,
    keepAliveInitialDelay: tcpKeepAliveMs
  }
  if (certificate === undefined) {
    const server = Net.createServer(socketOptions, (socket) => {
      const connection = connections.admit(socket, true)
      if (connection === undefined) return
      connections.open(connection, socket, "http1")
      // Whoever says nothing needs no parser: it is three quarters of what a silent connection would cost, and of memory
      // that is not given back afterwards. Nothing to read is the end of one that left without a word.
      socket.once("readable", () => {
        if (socket.readableLength > 0) http1.emit("connection", socket)
        else socket.destroy()
      })
    })
    return { server, secure: undefined }
  }
  const http2 = makeHttp2(connections, limits, handler)
  const secure = Tls.createServer({
    ...socketOptions,
    ...tlsOptions(certificate),
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: limits.headerMs
  })
  const handshakes = new Map<string, Connection>()
  // Runs before TLS takes the socket: the listener added first is called first.
  secure.prependListener("connection", (socket: Net.Socket) => {
    const connection = connections.admit(socket, false)
    if (connection === undefined) return
    const peer = peerOf(socket)
    handshakes.set(peer, connection)
    socket.once("close", () => {
      if (handshakes.get(peer) === connection) handshakes.delete(peer)
    })
  })
  secure.on("tlsClientError", (_, socket) => {
    connections.counts.handshakesFailed += 1
    socket.destroy()
  })
  secure.on("secureConnection", (socket) => {
    const peer = peerOf(socket)
    const connection = handshakes.get(peer)
    handshakes.delete(peer)
    // Without a peer the socket was reset in the meantime, or was turned away.
    if (connection === undefined) {
      socket.destroy()
      return
    }
    socket.on("error", () => {})
    if (socket.alpnProtocol === "h2") {
      connections.open(connection, socket, "http2")
      http2(connection, socket)
    } else {
      connections.open(connection, socket, "http1")
      http1.emit("connection", socket)
    }
  })
  return { server: secure, secure }
}

/**
 * Names a TCP connection. Node has no public way from a TLS socket to the socket it was accepted as; both have the
 * same peer.
 */
const peerOf = (socket: Net.Socket): string => `${socket.remoteAddress}|${socket.remotePort}|${socket.localAddress}`

const makeHttp1 = (connections: Connections, limits: ListenerLimits, handler: Handler): Http.Server => {
  const server = Http.createServer({
    ServerResponse: SecureResponse,
    maxHeaderSize: limits.headerBytes,
    // Checked with the other objections, where it is answered in JSON.
    requireHostHeader: false,
    headersTimeout: 0,
    requestTimeout: 0,
    keepAliveTimeout: 0,
    // A request that has no body gets no stream that must be read to its end.
    optimizeEmptyRequests: true
  })
  // One more than is allowed: Node drops what is above in silence, and we refuse it.
  server.maxHeadersCount = limits.headerFields + 1
  // Not in Node's documentation, old as its HTTP server; without it a client that has closed its sending side gets no
  // answer. Deadlines ends those that are gone.
  Object.assign(server, { httpAllowHalfOpen: true })
  server.on("clientError", (fault: Error, socket: Net.Socket) => {
    const connection = connections.of(socket)
    if (connection !== undefined && resume(fault, socket, connection, limits.headerBytes)) return
    const refusal = forParserFault(fault, limits.headerBytes)
    if (connection === undefined || refusal === undefined || !socket.writable) {
      socket.destroy()
      return
    }
    // A refused client is still read for a while, and each further byte is the same fault again.
    if (connection.endingSince !== undefined || connection.lastWords !== undefined) return
    connections.counts.malformed += 1
    connection.refuse(refusal, connections.clock.now())
  })
  attachHttp1(server, connections, limits, handler)
  return server
}

const makeHttp2 = (
  connections: Connections,
  limits: ListenerLimits,
  handler: Handler
): ((connection: Connection, socket: Tls.TLSSocket) => void) => {
  const sessions = new WeakMap<Http2.Http2Session, Connection>()
  let opening: Connection | undefined
  const server = Http2.createServer({
    settings: {
      enablePush: false,
      maxConcurrentStreams: limits.streams,
      maxHeaderListSize: limits.headerBytes,
      initialWindowSize: limits.streamWindowBytes
    },
    maxHeaderListPairs: limits.headerFields,
    maxSessionInvalidFrames: invalidFramesMax
  })
  server.on("session", (session) => {
    if (opening === undefined) return session.destroy()
    opening.session = session
    sessions.set(session, opening)
    session.setLocalWindowSize(limits.streamWindowBytes)
    if (connections.stopping) session.close()
  })
  server.on("sessionError", () => {
    connections.counts.malformed += 1
  })
  attachHttp2(server, sessions, connections, handler)
  return (connection, socket) => {
    // The session is announced before `emit` returns.
    opening = connection
    server.emit("connection", socket)
    opening = undefined
  }
}
