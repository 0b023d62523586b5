/**
 * Finds the route of a request, and what else its path allows: 404, 405 with Allow, OPTIONS and HEAD come from here.
 * Paths match as they are: no folding of case, of duplicate or of trailing slashes, so that there is one name for each
 * resource. Percent-encoding is decoded in parameters.
 */
import * as FindMyWay from "effect/http/FindMyWay"
import type { Route } from "./routes.ts"

export type Match =
  | { readonly _tag: "route"; readonly route: Route; readonly params: Readonly<Record<string, string | undefined>> }
  | { readonly _tag: "allowed"; readonly methods: ReadonlyArray<string> }
  | { readonly _tag: "none" }

/** Longer than any configured name may be. */
const paramLengthMax = 1024

const routerOptions = {
  caseSensitive: true,
  ignoreDuplicateSlashes: false,
  ignoreTrailingSlash: false,
  maxParamLength: paramLengthMax
}

export const makeRouter = (routes: ReadonlyArray<Route>): ((method: string, url: string) => Match) => {
  const byMethod = FindMyWay.make<Route>(routerOptions)
  const byPath = FindMyWay.make<Set<string>>(routerOptions)
  const methodsOf = new Map<string, Set<string>>()
  for (const route of routes) {
    byMethod.on(route.method, route.path, route)
    let methods = methodsOf.get(route.path)
    if (methods === undefined) {
      methods = new Set(["OPTIONS"])
      methodsOf.set(route.path, methods)
      byPath.all(route.path, methods)
    }
    methods.add(route.method)
    if (route.method === "GET" && !route.sideEffects) methods.add("HEAD")
  }

  return (method, url) => {
    const path = pathOf(url)
    const found = byMethod.find(method, path) ?? (method === "HEAD" ? byMethod.find("GET", path) : undefined)
    if (found !== undefined && !(method === "HEAD" && found.handler.sideEffects)) {
      return { _tag: "route", route: found.handler, params: found.params }
    }
    const allowed = byPath.find("GET", path)
    return allowed === undefined ? { _tag: "none" } : { _tag: "allowed", methods: [...allowed.handler].sort() }
  }
}

/**
 * Without the query, which others read. `;` and `#` end a path for FindMyWay, so that `/logs;x` would be another name of
 * `/logs`; here they are characters like any other.
 */
const pathOf = (url: string): string => {
  const end = url.indexOf("?")
  const path = end === -1 ? url : url.slice(0, end)
  return path.includes(";") || path.includes("#") ? path.replaceAll(";", "%3B").replaceAll("#", "%23") : path
}
