/**
 * Finds the route of a request, and what else its path allows: 404, 405 with Allow, OPTIONS and HEAD come from here.
 * Paths match as they are: no folding of case, of duplicate or of trailing slashes, so that there is one name for each
 * resource. Percent-encoding is decoded in parameters.
 */
import * as FindMyWay from "effect/http/FindMyWay"
import type { GuardedRoute } from "./routes.ts"

export type Match =
  | {
      readonly _tag: "route"
      readonly route: GuardedRoute
      readonly params: Readonly<Record<string, string | undefined>>
    }
  | { readonly _tag: "allowed"; readonly methods: ReadonlyArray<string> }
  | { readonly _tag: "none" }

/** Longer than any configured name may be. */
const paramLengthMax = 1024

const treeOptions = {
  caseSensitive: true,
  ignoreDuplicateSlashes: false,
  ignoreTrailingSlash: false,
  maxParamLength: paramLengthMax
}

/** What one path pattern has to offer. */
interface Resource {
  readonly routes: Map<string, GuardedRoute>
  readonly methods: Set<string>
}

const noParams: Readonly<Record<string, string | undefined>> = {}

export const makeRouter = (routes: ReadonlyArray<GuardedRoute>): ((method: string, url: string) => Match) => {
  const tree = FindMyWay.make<Resource>(treeOptions)
  /** Paths without parameters, as nearly everyone writes them: one look-up, where the tree takes twenty times that. */
  const exact = new Map<string, Resource>()
  const resources = new Map<string, Resource>()
  for (const route of routes) {
    const { method, path } = route
    let resource = resources.get(path)
    if (resource === undefined) {
      resource = { routes: new Map(), methods: new Set(["OPTIONS"]) }
      resources.set(path, resource)
      // Found by its path alone, so under one method: each of them would cost a millisecond at every start.
      tree.on("GET", path, resource)
      if (!path.includes(":")) exact.set(path, resource)
    }
    resource.routes.set(method, route)
    resource.methods.add(method)
    if (method === "GET" && !route.sideEffects) {
      resource.routes.set("HEAD", route)
      resource.methods.add("HEAD")
    }
  }

  return (method, url) => {
    const path = pathOf(url)
    const known = exact.get(path)
    // FindMyWay would look for the path of what looks like a whole URL; those that are have been read (Incoming.ts).
    if (known === undefined && !path.startsWith("/") && path !== "*") return { _tag: "none" }
    const found = known === undefined ? tree.find("GET", plain(path)) : { handler: known, params: noParams }
    if (found === undefined) return { _tag: "none" }
    const route = found.handler.routes.get(method)
    return route === undefined
      ? { _tag: "allowed", methods: [...found.handler.methods].sort() }
      : { _tag: "route", route, params: found.params }
  }
}

/** Without the query, which others read. */
const pathOf = (url: string): string => {
  const end = url.indexOf("?")
  return end === -1 ? url : url.slice(0, end)
}

/**
 * `;` and `#` end a path for FindMyWay, so that `/logs;x` would be another name of `/logs`; here they are characters
 * like any other.
 */
const plain = (path: string): string =>
  path.includes(";") || path.includes("#") ? path.replaceAll(";", "%3B").replaceAll("#", "%23") : path
