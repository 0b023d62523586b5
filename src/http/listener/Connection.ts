/**
 * One accepted connection: what it is doing, since when, and how far its peer has come. It belongs to one listener's
 * table and is told by the protocol engines when a request begins and ends. Ending it in an orderly way, or at once,
 * is here too.
 *
 * Bounds: the requests that wait for an earlier answer are counted by whoever adds them; the rest is fixed in size.
 */
import type * as Http from "node:http"
import type * as Http2 from "node:http2"
import type * as Net from "node:net"
import { asBytes, type Refusal } from "./Answers.ts"
import type { ShownCertificate } from "./ShownCertificate.ts"

/** A request of HTTP/1 and its answer. */
export interface Http1Exchange {
  readonly request: Http.IncomingMessage
  readonly response: Http.ServerResponse
  /** In hand since the first look at it (Deadlines). */
  since: number | undefined
  /** The client waits for `100 Continue`, and nobody has asked for the body yet. */
  awaitsContinue: boolean
  /** Ends what the handler does, where the client left before it had its answer. */
  abandon: (() => void) | undefined
  /** What the listener answers in place of the handler, where the request turned out to be faulty. */
  refusal: Refusal | undefined
}

/** A request of HTTP/2 and its answer: one stream of several. */
export interface Http2Exchange {
  readonly request: Http2.Http2ServerRequest
  readonly response: Http2.Http2ServerResponse
  since: number | undefined
  readonly body: Progress
  respondingSince: number | undefined
}

/** A count and since when it has not moved. */
export class Progress {
  count = -1
  since = 0

  /** Milliseconds without movement; a step smaller than `least` is no movement. */
  still(count: number, now: number, least = 1): number {
    if (this.count < 0 || Math.abs(count - this.count) >= least) this.reset(count, now)
    return now - this.since
  }

  reset(count: number, now: number): void {
    this.count = count
    this.since = now
  }
}

/** `handshake`: TLS has not come to terms yet, so nothing can be said that the peer would understand. */
export type Protocol = "handshake" | "http1" | "http2"

export class Connection {
  /** The accepted socket: what is counted and destroyed. */
  readonly raw: Net.Socket
  /** What HTTP is spoken over: the accepted socket or the TLS socket around it. */
  socket: Net.Socket
  protocol: Protocol = "handshake"
  session: Http2.ServerHttp2Session | undefined
  /** What the client has shown of itself. */
  certificate: ShownCertificate | undefined

  current: Http1Exchange | undefined
  readonly waiting: Array<Http1Exchange> = []
  readonly streams = new Set<Http2Exchange>()

  /** Without a request since; of a request that ended, since the first look at it (Deadlines). */
  idleSince: number | undefined
  /** Bytes received until then: more of them are the start of a request. */
  idleBytes = 0
  headerSince: number | undefined
  served = false
  /** A request that has its answer while its body still comes: what arrives belongs to it. */
  draining: Http.IncomingMessage | undefined

  readonly body = new Progress()
  readonly taken = new Progress()
  respondingSince: number | undefined
  halfClosedSince: number | undefined

  /** The connection ends once the exchanges in hand have. */
  last = false
  /** What is said when it does: the fault was found behind requests that are still being answered. */
  lastWords: Refusal | undefined
  /** Since when nothing but the end is awaited. */
  endingSince: number | undefined

  constructor(raw: Net.Socket, now: number) {
    this.raw = raw
    this.socket = raw
    this.idleSince = now
  }

  get busy(): boolean {
    return this.current !== undefined || this.streams.size > 0
  }

  /** Bytes of a request that has no end of its headers yet. */
  get unfinishedHeaderBytes(): number {
    return this.busy || this.draining !== undefined || this.protocol !== "http1"
      ? 0
      : this.socket.bytesRead - this.idleBytes
  }

  idle(): void {
    this.served = true
    if (this.draining?.complete === true) this.draining = undefined
    this.idleSince = undefined
    this.idleBytes = this.socket.bytesRead
    this.headerSince = undefined
    this.respondingSince = undefined
  }

  /** After this the connection takes no further request and ends by itself. */
  markLast(): void {
    this.last = true
    const response = (this.waiting.at(-1) ?? this.current)?.response
    // Read when the headers are written: the answer then says that the connection closes.
    if (response?.headersSent === false) response.shouldKeepAlive = false
    this.session?.close()
  }

  /** Closes a connection that has nothing in hand; what it was last sent still arrives. */
  end(now: number): void {
    if (this.endingSince !== undefined) return
    this.endingSince = now
    if (this.session !== undefined) this.session.close()
    else if (this.protocol === "http1") this.socket.end()
    else this.raw.destroy()
  }

  /**
   * Answers a fault of the peer and ends the connection: at once where the faulty request is the one in hand, after
   * the answers before it otherwise. Never a second answer to one request.
   */
  refuse(refusal: Refusal, now: number): void {
    if (this.endingSince !== undefined || this.lastWords !== undefined) return
    if (this.protocol !== "http1" || this.draining?.complete === false) return this.destroy()
    const faulty = this.waiting.at(-1) ?? this.current
    if (faulty === undefined) {
      this.endingSince = now
      this.socket.end(asBytes(refusal))
    } else if (faulty.request.complete) {
      this.lastWords = refusal
      this.last = true
    } else if (faulty !== this.current) {
      faulty.refusal = refusal
      this.last = true
    } else if (faulty.response.headersSent) {
      this.destroy()
    } else {
      this.endingSince = now
      this.socket.end(asBytes(refusal))
    }
  }

  destroy(): void {
    this.session?.destroy()
    this.raw.destroy()
  }
}

/**
 * Bytes of ours the kernel has taken for this peer. Node has no public name for what waits below its own buffer; its
 * socket time-outs read the same two counters. Without them a large answer moves in steps of whole writes.
 */
export const bytesTaken = (raw: Net.Socket): number => {
  const handle: unknown = Reflect.get(raw, "_handle")
  if (typeof handle === "object" && handle !== null) {
    const written: unknown = Reflect.get(handle, "bytesWritten")
    const queued: unknown = Reflect.get(handle, "writeQueueSize")
    if (typeof written === "number" && typeof queued === "number") return written - queued
  }
  return raw.bytesWritten - raw.writableLength
}
