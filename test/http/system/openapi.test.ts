import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { docsPage } from "../../../src/http/api/docsPage.ts"
import { systemEndpoints } from "../../../src/http/api/endpoints.ts"
import { openApi } from "../../../src/http/api/openapi.ts"
import { SystemApi } from "../../../src/http/api/SystemApi.ts"
import { makeApp } from "../../harness/app.ts"

interface Operation {
  readonly method: string
  readonly path: string
  readonly summary: string
  readonly statuses: ReadonlyArray<string>
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null
const entries = (value: unknown) => (isObject(value) ? Object.entries(value) : [])
const operations: ReadonlyArray<Operation> = entries(openApi()["paths"]).flatMap(([path, item]) =>
  entries(item).map(([method, operation]) => ({
    method: method.toUpperCase(),
    path,
    summary: String(isObject(operation) ? operation["summary"] : ""),
    statuses: isObject(operation) ? entries(operation["responses"]).map(([status]) => status) : []
  }))
)

describe("the contract", () => {
  it("has the endpoints that are routed, and no others", () => {
    const lines = (group: string, its: Readonly<Record<string, { readonly method: string; readonly path: string }>>) =>
      Object.entries(its).map(([name, { method, path }]) => `${group}.${name} ${method} ${path}`)
    assert.deepStrictEqual(
      Object.entries(SystemApi.groups).flatMap(([name, group]) => lines(name, group.endpoints)),
      Object.entries(systemEndpoints).flatMap(([name, group]) => lines(name, group))
    )
  })
})

describe("the OpenAPI document", () => {
  it("is the golden one; run with -u to accept a change, and read the diff", async () => {
    await expect(`${JSON.stringify(openApi(), null, 2)}\n`).toMatchFileSnapshot("../../golden/openapi.json")
  })

  it.effect("is what is served", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const { headers, status, text } = yield* call("/openapi.json")
      assert.deepStrictEqual([status, headers["content-type"]], [200, "application/json"])
      assert.deepStrictEqual(JSON.parse(text), JSON.parse(JSON.stringify(openApi())))
      assert.match(JSON.parse(text).openapi, /^3\.1\./u)
    })
  )

  it("says every status that the edge and the endpoints answer", () => {
    const statusesOf = (method: string, path: string) =>
      operations.find((operation) => operation.method === method && operation.path === path)?.statuses ?? []
    for (const { path, statuses } of operations) assert.include(statuses, "429", path)
    for (const [method, path] of [
      ["GET", "/api/v1/new_event"],
      ["GET", "/api/v1/actions/{action}"],
      ...operations.filter(({ method }) => method === "POST").map(({ method, path }) => [method, path] as const)
    ] as const) {
      assert.include(statusesOf(method, path), "403", path)
    }
    assert.notInclude(statusesOf("GET", "/livez"), "403")
    assert.include(statusesOf("GET", "/api/v1/actions/{action}"), "405")
    assert.includeMembers([...statusesOf("POST", "/api/v1/set-basic-auth")], ["409", "429"])
  })

  it("holds every shape it refers to", () => {
    const text = JSON.stringify(openApi())
    const names = new Set([...text.matchAll(/"#\/components\/schemas\/(\w+)"/gu)].map(([, name]) => name))
    assert.isAbove(names.size, 10)
    const components = openApi()["components"]
    const defined = entries(isObject(components) ? components["schemas"] : {}).map(([name]) => name)
    assert.includeMembers(defined, [...names])
  })

  it("names each operation, and once", () => {
    assert.isAbove(operations.length, 15)
    for (const { path, statuses, summary } of operations) {
      assert.notInclude(["", "undefined"], summary, path)
      assert.include(statuses, "401", path)
      assert.match(statuses.join(), /200/u, path)
    }
  })

  it.effect("and the routes hold the same paths and methods", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp({ config: "[general]\npprof = true\n" })
      const allowed = new Map<string, Array<string>>()
      for (const { method, path } of operations) allowed.set(path, [...(allowed.get(path) ?? []), method])
      for (const [path, methods] of allowed) {
        const { headers, status } = yield* call(path.replaceAll(/\{\w+\}/gu, "x"), { method: "OPTIONS" })
        assert.strictEqual(status, 204, path)
        const served = (headers["allow"] ?? "")
          .split(", ")
          .filter((method) => method !== "OPTIONS" && method !== "HEAD")
        assert.deepStrictEqual(served, methods.toSorted(), path)
      }
    })
  )
})

describe("the docs page", () => {
  it("has every operation, and needs nothing from anywhere", () => {
    const page = docsPage()
    for (const { method, path, summary } of operations) {
      assert.include(page, `<span class="method">${method}</span> <code>${path}</code>`)
      assert.include(page, `<strong>${summary.replaceAll("'", "&#39;")}.</strong>`)
    }
    assert.notMatch(page, /(?:https?:)?\/\/[a-z]/iu)
    assert.notMatch(page, /<script|<link|<img|<iframe|@import|url\(/iu)
    assert.notMatch(page, /undefined|\[object/u)
  })

  it.effect("is served with a policy that lets nothing else in", () =>
    Effect.gen(function* () {
      const { call } = yield* makeApp()
      const { headers, text } = yield* call("/docs")
      assert.strictEqual(headers["content-type"], "text/html; charset=utf-8")
      assert.strictEqual(headers["content-security-policy"], "default-src 'none'; style-src 'unsafe-inline'")
      assert.strictEqual(text, docsPage())
    })
  )
})
