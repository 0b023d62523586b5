/**
 * Binds the endpoints of a contract's group to handlers: each endpoint has exactly one, by its name, or it does not
 * compile. A handler answers a whole response: the endpoints of the original are texts, streams and odd statuses, and
 * going through Effect's typed HttpApi handlers costs a third of the throughput of the small ones.
 */
import type * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type { Endpoint } from "../api/endpoints.ts"
import type { Call } from "./Call.ts"
import type { HttpFailure } from "./HttpFailure.ts"

export type Handler = (call: Call) => Effect.Effect<HttpServerResponse, HttpFailure>

type Group = Readonly<Record<string, Endpoint>>

export type Handlers<G extends Group> = { readonly [Name in keyof G]: Handler }

/** An endpoint, and what answers it. */
export interface Route extends Omit<Endpoint, "method"> {
  readonly method: Endpoint["method"] | "OPTIONS"
  readonly handler: Handler
}

/** A route with all that stands before its handler. */
export interface GuardedRoute extends Route {
  /** The permission that a call needs; undefined where being somebody is enough. */
  readonly needs: (params: Readonly<Record<string, string | undefined>>) => string | undefined
}

export const bind = <G extends Group>(group: G, handlers: Handlers<G>): ReadonlyArray<Route> =>
  Object.entries(group).map(([name, endpoint]) => {
    const handler: Handler | undefined = handlers[name]
    if (handler === undefined) throw new Error(`endpoint ${name} ${endpoint.path} has no handler`)
    return { ...endpoint, handler }
  })
