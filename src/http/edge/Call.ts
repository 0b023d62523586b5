/** One request on its way through the edge: what a handler needs to know of it. */
import * as Option from "effect/Option"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"

export class Call {
  readonly request: HttpServerRequest
  readonly id: string
  /** Client address; empty where there is none, as on a UNIX socket. */
  readonly address: string
  /** Who asks, once that is known: `admin`, or undefined while no secret is set. */
  who: string | undefined
  /** Of the secret that let this request in; only while it is in force may the request replace it. */
  secretVersion = 0
  params: Readonly<Record<string, string | undefined>> = {}
  /** The path pattern that matched; what metrics count by, so that callers cannot make new series. */
  route = "none"
  private parsedQuery: URLSearchParams | undefined

  constructor(request: HttpServerRequest, id: string) {
    this.request = request
    this.id = id
    this.address = Option.getOrElse(request.remoteAddress, () => "")
  }

  get path(): string {
    const url = this.request.url
    const end = url.indexOf("?")
    return end === -1 ? url : url.slice(0, end)
  }

  /** As browsers parse it (WHATWG URL): a bare `%` and `;` are text, invalid UTF-8 becomes U+FFFD, nothing fails. */
  get query(): URLSearchParams {
    if (this.parsedQuery === undefined) {
      const start = this.request.url.indexOf("?")
      this.parsedQuery = new URLSearchParams(start === -1 ? "" : this.request.url.slice(start + 1))
    }
    return this.parsedQuery
  }

  header(name: string): string | undefined {
    return this.request.headers[name]
  }
}
