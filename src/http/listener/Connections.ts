/**
 * The table of open connections of one listener: how many there may be, which one makes room when there are too many,
 * and what became of all of them. The connections without a request are kept in the order in which they became so:
 * the first of them has been of no use for longest, and is the one to go.
 *
 * Bounds: `connections` entries, and `lingering` refused sockets beside them. On failure of one connection only that
 * one is removed.
 */
import type * as Net from "node:net"
import { allConnectionsBusy, asBytes, type Refusal } from "./Answers.ts"
import { bytesTaken, Connection, type Http1Exchange, type Http2Exchange } from "./Connection.ts"
import type { ListenerLimits } from "./Limits.ts"
import { LoopClock } from "./LoopClock.ts"

export interface TimedOut {
  header: number
  body: number
  request: number
  write: number
  response: number
  idle: number
}

export interface ListenerStats {
  /** Open now, and how many of those have a request in hand. */
  readonly open: number
  readonly busy: number
  /** Since the start: accepted; turned away because all were busy; closed to make room for another. */
  readonly accepted: number
  readonly refused: number
  readonly evicted: number
  /** Requests that were no HTTP, and handshakes that came to nothing. */
  readonly malformed: number
  readonly handshakesFailed: number
  /** Connections closed because they pipelined without measure. */
  readonly overrun: number
  /** HTTP/2 streams open now, and those refused because too many were. */
  readonly streams: number
  readonly streamsRefused: number
  readonly requests: number
  readonly timedOut: Readonly<TimedOut>
}

type Counts = { -readonly [K in Exclude<keyof ListenerStats, "open" | "busy" | "streams" | "timedOut">]: number } & {
  readonly timedOut: TimedOut
}

export class Connections {
  readonly all = new Set<Connection>()
  readonly clock: LoopClock
  /** Longest idle first. */
  readonly idle = new Set<Connection>()
  readonly counts: Counts = {
    accepted: 0,
    refused: 0,
    evicted: 0,
    malformed: 0,
    handshakesFailed: 0,
    overrun: 0,
    streamsRefused: 0,
    requests: 0,
    timedOut: { header: 0, body: 0, request: 0, write: 0, response: 0, idle: 0 }
  }
  /** Pipelined requests over all connections that wait for an earlier answer. */
  pipelined = 0
  /** HTTP/2 streams over all connections. */
  streams = 0
  stopping = false
  /** Called whenever the last connection has closed. */
  onEmpty: () => void = () => {}

  readonly #limits: ListenerLimits
  readonly #bySocket = new WeakMap<Net.Socket, Connection>()
  #lingering = 0

  constructor(limits: ListenerLimits) {
    this.#limits = limits
    this.clock = new LoopClock(2 * limits.checkMs)
  }

  stats(): ListenerStats {
    const { timedOut, ...counts } = this.counts
    return {
      open: this.all.size,
      busy: this.all.size - this.idle.size,
      streams: this.streams,
      ...counts,
      timedOut: { ...timedOut }
    }
  }

  of(socket: Net.Socket): Connection | undefined {
    return this.#bySocket.get(socket)
  }

  /** Takes in an accepted socket, or turns it away when every connection is busy. */
  admit(raw: Net.Socket, saysHttp: boolean): Connection | undefined {
    // A reset between two requests is nobody's business; the protocol engines add their own listeners.
    raw.on("error", () => {})
    if (this.all.size >= this.#limits.connections && !this.#evict()) {
      this.counts.refused += 1
      this.#turnAway(raw, saysHttp ? allConnectionsBusy : undefined)
      return undefined
    }
    this.counts.accepted += 1
    const connection = new Connection(raw, this.clock.now())
    this.all.add(connection)
    this.idle.add(connection)
    raw.once("close", () => this.#forget(connection))
    return connection
  }

  /** The connection is ready for HTTP, spoken over this socket: the accepted one or the TLS socket around it. */
  open(connection: Connection, socket: Net.Socket, protocol: "http1" | "http2"): void {
    connection.protocol = protocol
    connection.socket = socket
    connection.idleBytes = connection.socket.bytesRead
    this.#bySocket.set(socket, connection)
    socket.once("end", () => {
      connection.halfClosedSince = this.clock.now()
    })
  }

  begin(connection: Connection): void {
    this.counts.requests += 1
    this.idle.delete(connection)
  }

  /** The answer to an exchange of HTTP/1 is over. */
  endExchange(connection: Connection, exchange: Http1Exchange): void {
    connection.current = undefined
    connection.respondingSince = undefined
    connection.draining = exchange.request
  }

  /** Without an exchange in hand the connection is idle again, or ends. */
  finish(connection: Connection): void {
    if (connection.busy || !this.all.has(connection)) return
    connection.idle()
    this.idle.add(connection)
    // Ending already: the answer that was the last has said so.
    if (connection.endingSince !== undefined) return
    if (connection.lastWords !== undefined) {
      connection.endingSince = this.clock.now()
      connection.socket.end(asBytes(connection.lastWords))
    } else if (connection.last || this.stopping) {
      connection.end(this.clock.now())
    }
  }

  wait(connection: Connection, exchange: Http1Exchange): boolean {
    if (connection.waiting.length >= this.#limits.pipelined || this.pipelined >= this.#limits.pipelinedInAll)
      return false
    connection.waiting.push(exchange)
    this.pipelined += 1
    return true
  }

  next(connection: Connection): Http1Exchange | undefined {
    const exchange = connection.waiting.shift()
    if (exchange !== undefined) this.pipelined -= 1
    return exchange
  }

  /** False: there are too many over all connections. */
  beginStream(connection: Connection, exchange: Http2Exchange): boolean {
    if (this.streams >= this.#limits.streamsInAll) {
      this.counts.streamsRefused += 1
      return false
    }
    connection.streams.add(exchange)
    this.streams += 1
    this.begin(connection)
    return true
  }

  endStream(connection: Connection, exchange: Http2Exchange): void {
    if (connection.streams.delete(exchange)) this.streams -= 1
    this.finish(connection)
  }

  /** Ends what is idle now; the busy ones end with the answers they have in hand. */
  stop(): void {
    this.stopping = true
    const now = this.clock.now()
    if (this.all.size === 0) return this.onEmpty()
    for (const connection of this.all) {
      if (connection.busy) connection.markLast()
      else if (connection.session !== undefined) connection.end(now)
      // Said to nobody: a client that keeps connections for later would not close its side before it needs one.
      else if (connection.endingSince === undefined) connection.destroy()
    }
  }

  destroyAll(): void {
    for (const connection of this.all) {
      this.#forget(connection)
      connection.destroy()
    }
  }

  #evict(): boolean {
    const [longest] = this.idle
    if (longest === undefined) return false
    this.counts.evicted += 1
    this.#forget(longest)
    longest.destroy()
    return true
  }

  #forget(connection: Connection): void {
    this.idle.delete(connection)
    this.pipelined -= connection.waiting.length
    connection.waiting.length = 0
    if (this.all.delete(connection) && this.all.size === 0) this.onEmpty()
  }

  #turnAway(raw: Net.Socket, refusal: Refusal | undefined): void {
    if (refusal === undefined || this.#lingering >= this.#limits.lingering) {
      raw.destroy()
      return
    }
    this.#lingering += 1
    const timer = setTimeout(() => raw.destroy(), this.#limits.lingerMs)
    raw.once("close", () => {
      this.#lingering -= 1
      clearTimeout(timer)
    })
    // Read and dropped: a request left unread would turn the close into a reset, and the answer would be lost.
    raw.resume()
    raw.end(asBytes(refusal))
  }
}

/** Bytes this connection's peer has taken, and whether any wait for it. */
export const outgoing = (connection: Connection): { readonly waiting: boolean; readonly taken: number } => {
  let waiting = connection.socket.writableLength > 0
  for (const { response } of connection.streams) waiting ||= response.stream.bufferSize > 0
  return { waiting, taken: bytesTaken(connection.raw) }
}
