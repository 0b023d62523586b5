/**
 * Pages of other origins that may use the APIs from a browser (Fetch standard, "CORS protocol"): those of `cors.origins`,
 * compared as browsers write them. No cookies are known here, so no credentials mode either: a page sends its
 * token itself. `null`, which any sandboxed page can send, is never among them; whoever is not gets no field of this.
 */
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { CorsConfig } from "../../services/config/IdentityConfig.ts"
import type { Incoming } from "../listener/Incoming.ts"

/** What our endpoints read and browsers do not send by themselves. */
const allowedHeaders = [
  "Authorization",
  "Content-Type",
  "Idempotency-Key",
  "If-Match",
  "If-None-Match",
  "Last-Event-ID",
  "X-Approval",
  "X-Bootstrap-Token",
  "X-Justification",
  "X-Request-Id"
].join(", ")

/** What our answers say in fields and browsers do not show by themselves. */
const exposedHeaders = [
  "ETag",
  "Link",
  "Location",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "WWW-Authenticate",
  "X-Approval",
  "X-Request-Id"
].join(", ")

/** The origin of a page that may ask; undefined where no page asks, or one that may not. */
export const allowedOrigin = ({ headers }: Incoming, { origins }: CorsConfig): string | undefined => {
  const { origin } = headers
  return origin !== undefined && origin !== "null" && origins.includes(origin) ? origin : undefined
}

/** For every answer, of errors too, so that the page can read what went wrong; caches keep answers to others apart. */
export const corsHeaders = (
  origin: string | undefined,
  vary: string | undefined
): Readonly<Record<string, string>> => ({
  vary: vary === undefined ? "Origin" : `${vary}, Origin`,
  ...(origin === undefined
    ? {}
    : { "access-control-allow-origin": origin, "access-control-expose-headers": exposedHeaders })
})

/** A browser asks ahead whether a page may; it cannot say who it is. */
export const isPreflight = ({ headers, method }: Incoming): boolean =>
  method === "OPTIONS" && headers["access-control-request-method"] !== undefined

export const preflightAnswer = (
  methods: ReadonlyArray<string>,
  { max_age_s: maxAge }: CorsConfig
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.empty({
    status: 204,
    headers: {
      "access-control-allow-methods": methods.join(", "),
      "access-control-allow-headers": allowedHeaders,
      "access-control-max-age": String(maxAge)
    }
  })
