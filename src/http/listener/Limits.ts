/**
 * Every bound of a listener, with the reason for its default. They are numbers, times in milliseconds: Node's own
 * timers and counters are what they are compared with.
 */

export interface ListenerLimits {
  /** Bytes of one request's line and headers; more is answered 431 (over HTTP/2 the stream is refused). */
  readonly headerBytes: number
  /** Header fields of one request; more is answered 431. */
  readonly headerFields: number
  /** Bytes of unfinished headers over all connections; above it the longest-waiting of them are closed. */
  readonly headerBytesInAll: number
  /** From the connection, or the first byte of a later request, to the end of its headers. */
  readonly headerMs: number
  /** Without a byte of a body that is being read. */
  readonly bodyIdleMs: number
  /** From the end of the headers to the end of the body; 0 for none. */
  readonly requestMs: number
  /** In which a client must take `writeProgressBytes` of an answer that waits for it. */
  readonly writeIdleMs: number
  readonly writeProgressBytes: number
  /** From the first byte of an answer to its last; 0 for none. An event stream is cut by it as well. */
  readonly responseMs: number
  /** Between requests. */
  readonly keepAliveMs: number
  /** A client that has closed its sending side gets the answer to what it sent within this, and is then gone. */
  readonly halfClosedMs: number
  /** Open at a time. When full, the connection longest without a request makes room for a new one. */
  readonly connections: number
  /** Requests of one HTTP/1 connection that wait for the answer to an earlier one; more ends the connection. */
  readonly pipelined: number
  /** The same over all connections. */
  readonly pipelinedInAll: number
  /** HTTP/2 streams of one connection at a time. */
  readonly streams: number
  /** The same over all connections; one more is refused with REFUSED_STREAM, which a client may try again elsewhere. */
  readonly streamsInAll: number
  /** Bytes of request bodies one HTTP/2 connection may have on the way. */
  readonly streamWindowBytes: number
  /** How long a connection that was refused is still read, so that the answer is not lost to a reset. */
  readonly lingerMs: number
  /** Refused connections that linger at a time; above it they are closed at once. */
  readonly lingering: number
  /** How often deadlines are looked at: how late one may be noticed. */
  readonly checkMs: number
}

export const defaultLimits: ListenerLimits = {
  // Clients of the Go daemon may send what its net/http takes: 1 MiB and 4096 bytes of slack.
  headerBytes: 1024 * 1024 + 4096,
  // Node's own default, beyond which it would drop fields in silence.
  headerFields: 2000,
  // Sixty of the largest headers; without it 4096 connections could hold 4 GiB for ten seconds.
  headerBytesInAll: 64 * 1024 * 1024,
  // A header is one packet, or a few; ten seconds forgive the worst mobile link.
  headerMs: 10_000,
  // A body that pauses longer than this has lost its sender; the length of an upload is not limited.
  bodyIdleMs: 30_000,
  requestMs: 0,
  // A terminal held with Ctrl-S is forgiven a minute; a kibibyte a minute is slower than any link in use.
  writeIdleMs: 60_000,
  writeProgressBytes: 1024,
  responseMs: 0,
  // Above the minute after which the usual proxies and clients close an idle connection from their side.
  keepAliveMs: 65_000,
  // Enough for an answer that waits for a disk; a client that is gone costs no more than this.
  halfClosedMs: 2000,
  // A fraction of the descriptors systemd allows a service, and 64 times what operators use.
  connections: 4096,
  // One pipelined request costs about 4 KiB: 4 MiB for one connection, 64 MiB for all.
  pipelined: 1000,
  pipelinedInAll: 16_384,
  // What RFC 9113 recommends as the least is 100.
  streams: 128,
  // Each has a handler at work, as a busy connection of HTTP/1 has: twice as many as all of those, for event streams.
  streamsInAll: 8192,
  // A fast upload on a link of 100 ms: 2.5 MB/s, and 1 GiB if every connection were hostile.
  streamWindowBytes: 256 * 1024,
  // Some round trips of a bad link; a client that reads its answer closes long before.
  lingerMs: 1000,
  lingering: 256,
  checkMs: 1000
}
