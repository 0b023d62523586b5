/**
 * A request as a listener hands it on: what HTTP/1 and HTTP/2 have in common, read from Node's own objects and copied
 * nowhere. The body is a stream that is read once, by whoever wants it; one that does not reach its end fails.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import type { IncomingHttpHeaders, IncomingMessage } from "node:http"
import { constants, Http2ServerRequest } from "node:http2"
import type { Peer } from "../../services/auth/Peer.ts"
import type { ShownCertificate } from "./ShownCertificate.ts"

/** The client left, or broke the protocol, within the body. */
export class BodyBroken extends Schema.TaggedError<BodyBroken>()("BodyBroken", {}) {
  override get message() {
    return "the body ended early"
  }
}

export interface Incoming {
  readonly method: string
  /** Path and query. */
  readonly url: string
  /** By lower-case name. */
  readonly headers: IncomingHttpHeaders
  /** Of the client; empty where there is none, as on a UNIX socket. */
  readonly address: string
  /** The client's certificate, judged when this is read; undefined where none was shown. */
  readonly peer: Peer | undefined
  /** Whether a field was sent more than once; `headers` then has one of them, or all in one text. */
  readonly isRepeated: (name: string) => boolean
  readonly body: Stream.Stream<Uint8Array, BodyBroken>
}

export class NodeIncoming implements Incoming {
  readonly method: string
  readonly url: string
  readonly headers: IncomingHttpHeaders
  readonly address: string
  readonly #source: IncomingMessage | Http2ServerRequest
  readonly #certificate: ShownCertificate | undefined
  #bodyBytes = 0

  constructor(source: IncomingMessage | Http2ServerRequest, certificate?: ShownCertificate) {
    this.#source = source
    this.#certificate = certificate
    this.method = (source.method ?? "").toUpperCase()
    this.url = targetOf(source.url ?? "")
    this.headers = source.headers
    this.address = source.socket.remoteAddress ?? ""
  }

  get peer(): Peer | undefined {
    return this.#certificate?.peer
  }

  isRepeated(name: string): boolean {
    const { rawHeaders } = this.#source
    let count = 0
    for (let i = 0; i < rawHeaders.length; i += 2) {
      const field = rawHeaders[i]
      // Nearly all are told apart by their length.
      if (field?.length === name.length && field.toLowerCase() === name) count += 1
    }
    return count > 1
  }

  get body(): Stream.Stream<Uint8Array, BodyBroken> {
    const source = this.#source
    const isHttp2 = source instanceof Http2ServerRequest
    if (!isHttp2 && !hasBody(source)) return Stream.empty
    const chunks = NodeStream.fromReadable<Uint8Array, BodyBroken>({
      evaluate: () => source,
      onError: () => new BodyBroken(),
      // What is left of it is for the listener to drop, after the answer.
      closeOnDone: false
    })
    const counted = Stream.mapArray(chunks, (some) => {
      for (const { length } of some) this.#bodyBytes += length
      return some
    })
    return isHttp2 ? Stream.concat(counted, Stream.fromEffectDrain(wholeOrBroken(source))) : counted
  }

  /** Bytes of the body that nobody has read yet, as far as its length was told. */
  get unreadBytes(): number {
    return this.#source.complete ? 0 : Number(this.headers["content-length"] ?? 0) - this.#bodyBytes
  }
}

/** A request of HTTP/1 has a body if and only if it says so (RFC 9112, section 6). */
export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined

/** As sent to a proxy, a target is a whole URL (RFC 9112, section 3.2.2); its path is what is meant here. */
const targetOf = (url: string): string => {
  if (url.startsWith("/") || !/^https?:\/\//iu.test(url)) return url
  const target = URL.parse(url)
  return target === null ? url : target.pathname + target.search
}

/**
 * Node ends the body of an HTTP/2 stream that broke off as if it were whole. The protocol engine knows better, once it
 * is through with the frame that brought the end.
 */
const wholeOrBroken = ({ stream }: Http2ServerRequest): Effect.Effect<void, BodyBroken> =>
  Effect.callback((resume) => {
    setImmediate(() => {
      const isWhole = stream.state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE
      resume(isWhole ? Effect.void : Effect.fail(new BodyBroken()))
    })
  })
