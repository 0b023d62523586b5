import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import { makeRouter, type Match } from "../../../src/http/edge/Router.ts"
import type { GuardedRoute } from "../../../src/http/edge/routes.ts"
import { toText } from "../../harness/text.ts"

const route = (method: GuardedRoute["method"], path: `/${string}`, sideEffects = false): GuardedRoute => ({
  method,
  path,
  sideEffects,
  access: "health:read",
  rate: "read",
  audited: false,
  needs: () => undefined,
  handler: () => Effect.succeed(HttpServerResponse.empty())
})
const find = makeRouter([
  route("GET", "/"),
  route("GET", "/logs"),
  route("GET", "/new", true),
  route("GET", "/actions"),
  route("GET", "/actions/:name", true),
  route("POST", "/actions/:name"),
  route("POST", "/upload/:file")
])

const told = (match: Match) => {
  switch (match._tag) {
    case "route":
      return [`${match.route.method} ${match.route.path}`, ...Object.values(match.params)]
    case "allowed":
      return match.methods
    case "none":
      return "none"
  }
}

describe("the router", () => {
  const cases: ReadonlyArray<readonly [string, string, ReadonlyArray<string> | "none"]> = [
    ["GET", "/", ["GET /"]],
    ["GET", "/?a=b", ["GET /"]],
    ["GET", "/logs", ["GET /logs"]],
    ["GET", "/logs?tail=1", ["GET /logs"]],
    ["GET", "/logs?a=%zz&b=;#?", ["GET /logs"]],
    ["HEAD", "/logs", ["GET /logs"]],
    ["HEAD", "/new", ["GET", "OPTIONS"]],
    ["POST", "/logs", ["GET", "HEAD", "OPTIONS"]],
    ["OPTIONS", "/logs", ["GET", "HEAD", "OPTIONS"]],
    ["PATCH", "/actions/x", ["GET", "OPTIONS", "POST"]],
    ["HEAD", "/actions/x", ["GET", "OPTIONS", "POST"]],
    ["GET", "/upload/x", ["OPTIONS", "POST"]],
    ["GET", "/actions/x", ["GET /actions/:name", "x"]],
    ["POST", "/actions/x", ["POST /actions/:name", "x"]],
    ["GET", "/actions/a%20b%C3%A9", ["GET /actions/:name", "a bé"]],
    ["GET", "/actions/a%2fb", ["GET /actions/:name", "a/b"]],
    ["GET", "/actions/..%2f..%2fetc", ["GET /actions/:name", "../../etc"]],
    ["GET", "/actions/%00", ["GET /actions/:name", "\u0000"]],
    ["GET", "/actions/a;b", ["GET /actions/:name", "a;b"]],
    ["GET", "/actions/a+b", ["GET /actions/:name", "a+b"]],
    ["GET", "/actions/%zz", "none"],
    ["GET", "/actions/%ff", "none"],
    ["GET", "/actions/a/b", "none"],
    ["GET", "/actions/", ["GET /actions/:name", ""]],
    ["GET", "//actions/x", "none"],
    ["GET", "/logs/", "none"],
    ["GET", "/LOGS", "none"],
    ["GET", "//", "none"],
    ["GET", "/logs;x", "none"],
    ["GET", "/nowhere", "none"],
    ["GET", "", "none"],
    ["OPTIONS", "*", ["GET", "HEAD", "OPTIONS"]]
  ]
  for (const [method, url, expected] of cases) {
    it(`${method} ${url} is ${JSON.stringify(expected)}`, () => {
      assert.deepStrictEqual(told(find(method, url)), expected)
    })
  }

  it.effect.prop(
    "gives a handler the very name that a client encoded",
    [
      Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 0x10ffff }))).check(
        Schema.isMinLength(1),
        Schema.isMaxLength(30)
      )
    ],
    ([points]) =>
      Effect.sync(() => {
        const name = toText(points)
        assert.deepStrictEqual(told(find("POST", `/upload/${encodeURIComponent(name)}?x`)), [
          "POST /upload/:file",
          name
        ])
      })
  )

  it.effect.prop("takes any text for a path without failing", [Schema.String, Schema.String], ([method, path]) =>
    Effect.sync(() => {
      for (const url of [path, `/${path}`, `/actions/${path}`, `/actions/%${path}`]) find(method, url)
    })
  )
})
