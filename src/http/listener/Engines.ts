/**
 * The node servers behind one address. The one in front accepts sockets and ends TLS; it knows no HTTP. Each admitted
 * socket is handed to one of two engines that never listen themselves: `node:http` for HTTP/1 (plain, or over TLS
 * without `h2`), `node:http2` for `h2`. So HTTP/1 has one set of limits wherever it comes from, and every connection
 * is counted before a protocol sees it. Time-outs of the engines are off: Deadlines keeps them all.
 *
 * Bounds: those of Limits, and nghttp2's own on floods of resets, settings, pings and invalid frames. A fault of one
 * socket ends that socket.
 */
import { constants } from "node:crypto"
import * as Http from "node:http"
import * as Http2 from "node:http2"
import * as Net from "node:net"
import * as Tls from "node:tls"
import type { TlsVersion } from "../../services/config/Config.ts"
import type { Bundle } from "../../services/tls/ClientTrust.ts"
import { forParserFault } from "./Answers.ts"
import type { Connection } from "./Connection.ts"
import type { Connections } from "./Connections.ts"
import { attachHttp1, attachHttp2, type Handler } from "./Exchanges.ts"
import type { ListenerLimits } from "./Limits.ts"
import { resume } from "./RawTarget.ts"
import { SecureResponse } from "./SecureResponse.ts"
import { type ClientCertificates, ShownCertificate } from "./ShownCertificate.ts"

/** PEM texts; the certificate may be followed by its chain. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** How a listener speaks TLS. */
export interface Security {
  readonly certificate: Certificate
  readonly minVersion: TlsVersion
  /** Undefined: clients are not asked for certificates. */
  readonly clients: ClientCertificates | undefined
  /** Wall time in milliseconds, for the dates of certificates. */
  readonly now: () => number
}

/** The front server, which is the one that listens. */
export interface Front {
  readonly server: Net.Server
  /** For the connections from now on, with the CAs that are in force now; throws as `makeFront`. */
  readonly setCertificate: (certificate: Certificate) => void
}

/** Peers that vanish without a word (a laptop closed on an event stream) are found by TCP within some minutes. */
const tcpKeepAliveMs = 60_000

/** Frames that break the protocol, after which a session is closed; a sound client sends none. */
const invalidFramesMax = 100

/**
 * A connection that asks for a certificate resumes no session: what a ticket brings back is the verdict of another day,
 * without the certificates that were sent along, so that it could not be judged anew. Nor may another certificate be
 * shown halfway through.
 */
const judgedAnew = constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION

const contextOf = (
  { cert, key }: Certificate,
  minVersion: TlsVersion,
  bundle: Bundle | undefined
): Tls.SecureContextOptions => ({
  cert,
  key,
  minVersion: `TLSv${minVersion}`,
  ...(bundle === undefined ? {} : { ca: bundle.pem, secureOptions: judgedAnew })
})

/** Throws what OpenSSL says when certificate and key do not belong together or are none. */
export const makeFront = (
  connections: Connections,
  limits: ListenerLimits,
  security: Security | undefined,
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
  if (security === undefined) {
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
    return { server, setCertificate: () => {} }
  }
  const { certificate, clients, minVersion, now } = security
  const http2 = makeHttp2(connections, limits, handler)
  let bundle = clients?.trust().bundle
  const secure = Tls.createServer({
    ...socketOptions,
    ...contextOf(certificate, minVersion, bundle),
    requestCert: clients !== undefined,
    rejectUnauthorized: clients?.required === true,
    ALPNProtocols: ["h2", "http/1.1"],
    handshakeTimeout: limits.headerMs
  })
  const handshakes = new Map<string, { readonly connection: Connection; readonly bundle: Bundle | undefined }>()
  // Runs before TLS takes the socket: the listener added first is called first.
  secure.prependListener("connection", (socket: Net.Socket) => {
    const connection = connections.admit(socket, false)
    if (connection === undefined) return
    const peer = peerOf(socket)
    const handshake = { connection, bundle }
    handshakes.set(peer, handshake)
    socket.once("close", () => {
      if (handshakes.get(peer) === handshake) handshakes.delete(peer)
    })
  })
  secure.on("tlsClientError", (_, socket) => {
    connections.counts.handshakesFailed += 1
    socket.destroy()
  })
  secure.on("secureConnection", (socket) => {
    const peer = peerOf(socket)
    const handshake = handshakes.get(peer)
    handshakes.delete(peer)
    // Without a peer the socket was reset in the meantime, or was turned away.
    if (handshake === undefined) {
      socket.destroy()
      return
    }
    const { connection } = handshake
    socket.on("error", () => {})
    if (clients !== undefined && handshake.bundle !== undefined) {
      const certificate = ShownCertificate.of(socket, handshake.bundle, clients, now)
      connection.certificate = certificate
      // What TLS does not know: that it has been revoked.
      if (clients.required && (certificate === undefined || certificate.isEnd)) {
        connections.counts.handshakesFailed += 1
        socket.destroy()
        return
      }
    }
    if (socket.alpnProtocol === "h2") {
      connections.open(connection, socket, "http2")
      http2(connection, socket)
    } else {
      connections.open(connection, socket, "http1")
      http1.emit("connection", socket)
    }
  })
  return {
    server: secure,
    setCertificate: (next) => {
      const after = clients?.trust().bundle
      secure.setSecureContext(contextOf(next, minVersion, after))
      bundle = after
    }
  }
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
    // Of one that ends nothing is looked at any more; each further byte is the same fault again.
    if (connection?.endingSince !== undefined || connection?.lastWords !== undefined) return
    const refusal = forParserFault(fault, limits.headerBytes)
    if (connection === undefined || refusal === undefined || !socket.writable) {
      socket.destroy()
      return
    }
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
