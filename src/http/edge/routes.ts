/**
 * Binds the endpoints of a contract's group to handlers: each endpoint has exactly one, by its name, or it does not
 * compile. A handler answers a whole response: the endpoints of the original are texts, streams and odd statuses, and
 * going through Effect's typed HttpApi handlers costs a third of the throughput of the small ones.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import { SideEffects } from "../api/endpoint.ts"
import type { Call } from "./Call.ts"
import type { HttpFailure } from "./HttpFailure.ts"

export type Handler = (call: Call) => Effect.Effect<HttpServerResponse, HttpFailure>

/** What is read of an HttpApiEndpoint here; its shapes are for the documents and for clients. */
interface Endpoint {
  readonly method: string
  readonly path: string
  readonly annotations: Context.Context<never>
}

interface Group {
  readonly endpoints: Readonly<Record<string, Endpoint>>
}

export type Handlers<G extends Group> = { readonly [Name in keyof G["endpoints"]]: Handler }

export interface Route {
  readonly method: string
  readonly path: `/${string}`
  readonly handler: Handler
  /** HEAD must not be answered by running it. */
  readonly sideEffects: boolean
}

export const bind = <G extends Group>(group: G, handlers: Handlers<G>): ReadonlyArray<Route> =>
  Object.entries(group.endpoints).map(([name, endpoint]) => {
    const handler: Handler | undefined = handlers[name]
    const { path } = endpoint
    if (handler === undefined || !isPath(path)) throw new Error(`endpoint ${name} ${path} cannot be bound`)
    return {
      method: endpoint.method,
      path,
      handler,
      sideEffects: Context.get(endpoint.annotations, SideEffects)
    }
  })

const isPath = (path: string): path is `/${string}` => path.startsWith("/")
