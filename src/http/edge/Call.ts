/** One request on its way through the edge: what a handler needs to know of it. */
import type { Surface } from "../../services/auth/Authenticator.ts"
import { anonymousId, type Principal } from "../../services/identity/Principal.ts"
import type { Incoming } from "../listener/Incoming.ts"
import type { GuardedRoute } from "./routes.ts"

export class Call {
  /** A guard that has read the body puts one in its place that has it. */
  request: Incoming
  readonly id: string
  /** The listener it came through. */
  readonly surface: Surface
  /** Who asks; undefined before that is known, and for what is open to everybody. */
  principal: Principal | undefined
  /** What the endpoint needs, with the name of the thing it is about. */
  permission: string | undefined
  /** Of the secret that let this request in; only while it is in force may the request replace it. */
  secretVersion = 0
  params: Readonly<Record<string, string | undefined>> = {}
  /** The path pattern that matched; what metrics count by, so that callers cannot make new series. */
  route = "none"
  /** Whether its handler was asked: everything that stands before it has let the request through. */
  entered = false
  /** Why it was refused, for the audit log. */
  refused: string | undefined
  /** The endpoint that was asked for, whether or not it may be had. */
  endpoint: GuardedRoute | undefined
  /** Fields that its answer gets beside those of whoever answers. */
  answerHeaders: Readonly<Record<string, string>> | undefined
  /** The page of another origin that asks, where such pages may. */
  origin: string | undefined
  private parsedQuery: URLSearchParams | undefined

  constructor(request: Incoming, id: string, surface: Surface) {
    this.request = request
    this.id = id
    this.surface = surface
  }

  /** Whom the log names; undefined for nobody in particular. */
  get who(): string | undefined {
    return this.principal === undefined || this.principal.id === anonymousId ? undefined : this.principal.id
  }

  /** Client address; empty where there is none, as on a UNIX socket. */
  get address(): string {
    return this.request.address
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
    const value = this.request.headers[name]
    return typeof value === "string" ? value : undefined
  }
}
