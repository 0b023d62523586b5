/**
 * Binds the endpoints of a contract's group to handlers: each endpoint has exactly one, by its name, or it does not
 * compile. A handler answers a whole response: the endpoints of the original are texts, streams and odd statuses, and
 * going through Effect's typed HttpApi handlers costs a third of the throughput of the small ones.
 */
import * as Effect from "effect/Effect"
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

/** The same, of handlers whose code is loaded when the first of them is asked: a start does without it. */
export const bindAtFirstUse = <G extends Group>(group: G, load: () => Promise<Handlers<G>>): ReadonlyArray<Route> => {
  let loading: Promise<Handlers<G>> | undefined
  let loaded: Handlers<G> | undefined
  const handlers = Effect.promise(async () => (loaded = await (loading ??= load())))
  return Object.entries(group).map(([name, endpoint]) => {
    const answer = (all: Handlers<G>, call: Call) => {
      const handler: Handler | undefined = all[name]
      return handler === undefined
        ? Effect.die(new Error(`endpoint ${name} ${endpoint.path} has no handler`))
        : handler(call)
    }
    const handler: Handler = (call) =>
      loaded === undefined ? Effect.flatMap(handlers, (all) => answer(all, call)) : answer(loaded, call)
    return { ...endpoint, handler }
  })
}
