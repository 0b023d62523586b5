/** A request as a listener would hand it on, made of a web `Request`: no socket, and its client never leaves. */
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as Stream from "effect/Stream"
import { BodyBroken, type Incoming } from "../../src/http/listener/Incoming.ts"

export const incoming = (target: string, init: RequestInit = {}): Incoming => {
  const request = HttpServerRequest.fromWeb(new Request(`http://localhost${target}`, init))
  return {
    method: request.method,
    url: request.url,
    headers: { ...request.headers },
    address: "",
    peer: undefined,
    isRepeated: () => false,
    body: init.body === undefined ? Stream.empty : Stream.mapError(request.stream, () => new BodyBroken())
  }
}
