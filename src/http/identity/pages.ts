/** Lists of the identity API, a page at a time: by a key, those after the cursor, at most so many. */
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { Call } from "../edge/Call.ts"
import type { HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { invalid } from "./failures.ts"

/** Some 200 KiB of users. */
const limitDefault = 1000
const limitMax = 10_000

export const page = <A>(
  call: Call,
  all: Iterable<A>,
  keyOf: (entry: A) => string,
  render: (entry: A) => unknown
): Effect.Effect<HttpServerResponse.HttpServerResponse, HttpFailure> => {
  const given = call.query.get("limit") ?? String(limitDefault)
  const limit = /^\d{1,5}$/u.test(given) ? Number(given) : 0
  if (limit < 1 || limit > limitMax) {
    return Effect.fail(invalid(`limit: found ${JSON.stringify(given.slice(0, 100))}, allowed: 1 to ${limitMax}`))
  }
  const cursor = call.query.get("cursor") ?? ""
  const rest = [...all]
    .map((entry) => [keyOf(entry), entry] as const)
    .filter(([key]) => key > cursor)
    .sort(([a], [b]) => (a < b ? -1 : 1))
  const shown = rest.slice(0, limit)
  const response = jsonResponse(shown.map(([, entry]) => render(entry)))
  const last = shown.at(-1)
  return Effect.succeed(
    rest.length > limit && last !== undefined
      ? HttpServerResponse.setHeader(response, "x-next-cursor", last[0])
      : response
  )
}
