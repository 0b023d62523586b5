import { assert, describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { docsPage } from "../../../src/http/api/docsPage.ts"
import {
  type Endpoint,
  identityEndpoints,
  provisioningEndpoints,
  statusEndpoints,
  systemEndpoints
} from "../../../src/http/api/endpoints.ts"
import { IdentityApi } from "../../../src/http/api/identity/IdentityApi.ts"
import { openApi } from "../../../src/http/api/openapi.ts"
import { ProvisioningApi } from "../../../src/http/api/provisioning/ProvisioningApi.ts"
import { SystemApi } from "../../../src/http/api/SystemApi.ts"
import { isStatus, isVersioned } from "../../../src/http/edge/errorBody.ts"
import { makeApp } from "../../harness/app.ts"
import { makeIdentityApp, somebody } from "../../harness/identityApp.ts"
import { admitted, makeTestEdge, user } from "../edge/support.ts"

interface Operation {
  readonly method: string
  readonly path: string
  readonly summary: string
  readonly description: string
  readonly permission: unknown
  readonly security: unknown
  readonly statuses: ReadonlyArray<string>
  readonly text: string
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null
const entries = (value: unknown) => (isObject(value) ? Object.entries(value) : [])
const operations: ReadonlyArray<Operation> = entries(openApi()["paths"]).flatMap(([path, item]) =>
  entries(item).map(([method, value]) => {
    const operation = isObject(value) ? value : {}
    return {
      method: method.toUpperCase(),
      path,
      summary: String(operation["summary"]),
      description: String(operation["description"]),
      permission: operation["x-permission"],
      security: operation["security"],
      statuses: entries(operation["responses"]).map(([status]) => status),
      text: JSON.stringify(operation)
    }
  })
)
const endpoints: ReadonlyArray<Endpoint> = [systemEndpoints, identityEndpoints, provisioningEndpoints].flatMap(
  (groups) => Object.values(groups).flatMap((group): ReadonlyArray<Endpoint> => Object.values(group))
)
const operationOf = ({ method, path }: Endpoint): Operation | undefined => {
  const written = path.replaceAll(/:(\w+)/gu, "{$1}")
  return operations.find((operation) => operation.method === method && operation.path === written)
}

describe("the contract", () => {
  it("has the endpoints that are routed, and no others", () => {
    const lines = (group: string, its: Readonly<Record<string, { readonly method: string; readonly path: string }>>) =>
      Object.entries(its).map(([name, { method, path }]) => `${group}.${name} ${method} ${path}`)
    for (const [{ groups }, routed] of [
      [SystemApi, systemEndpoints],
      [IdentityApi, identityEndpoints],
      [ProvisioningApi, provisioningEndpoints]
    ] as const) {
      assert.deepStrictEqual(
        Object.entries(groups).flatMap(([name, group]) => lines(name, group.endpoints)),
        Object.entries(routed).flatMap(([name, group]) => lines(name, group))
      )
    }
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

  it("says of each operation who may call it, by what, and what the edge answers otherwise", () => {
    for (const endpoint of endpoints) {
      const { access, method, path, sideEffects } = endpoint
      const operation = operationOf(endpoint)
      const told = `${method} ${path}`
      assert.strictEqual(operation?.permission, access, told)
      const { description = "", security, statuses = [] } = operation ?? {}
      assert.include(statuses, "429", told)
      if (access === "public") {
        assert.include(description, "Open to everybody.", told)
        assert.deepStrictEqual(security, [], told)
        continue
      }
      assert.include(statuses, "401", told)
      if (access === "authenticated") assert.include(description, "everybody who says who they are", told)
      else assert.include(description, `Needs ${access}.`, told)
      if (access !== "authenticated" || sideEffects || method !== "GET") assert.include(statuses, "403", told)
      // Without a password the System API is open; nothing of the others ever is.
      const ways = [{ basic: [] }, { bearer: [] }, { certificate: [] }]
      assert.deepStrictEqual(security, path.startsWith("/v1/") ? ways : [{}, ...ways], told)
    }
  })

  it("says every status that an endpoint answers itself", () => {
    const statusesOf = (method: string, path: string) =>
      operations.find((operation) => operation.method === method && operation.path === path)?.statuses ?? []
    assert.include(statusesOf("GET", "/api/v1/actions/{action}"), "405")
    assert.includeMembers([...statusesOf("POST", "/api/v1/set-basic-auth")], ["409", "429"])
    assert.includeMembers([...statusesOf("POST", "/v1/auth/login")], ["400", "401", "413", "415", "429", "503"])
    assert.includeMembers([...statusesOf("PATCH", "/v1/users/{user}")], ["404", "409"])
  })

  it("has for each API the errors that its clients know", () => {
    for (const { path, text } of operations) {
      const [own, other] = isStatus(path)
        ? [/\/schemas\/StatusProblem4/u, /\/schemas\/(?!Status)\w+4\d\d"/u]
        : isVersioned(path)
          ? [/\/schemas\/\w*Problem4/u, /\/schemas\/Error4/u]
          : [/\/schemas\/Error4/u, /Problem4/u]
      assert.match(text, own, path)
      assert.notMatch(text, other, path)
    }
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
      assert.match(statuses.join(), /20[0124]/u, path)
    }
  })

  it.effect("and the routes hold the same paths and methods", () =>
    Effect.gen(function* () {
      const system = yield* makeApp({ config: "[general]\npprof = true\n" })
      const identity = yield* makeIdentityApp()
      const admin = somebody("admin", ["*"])
      const edgeOf = (groups: Readonly<Record<string, Readonly<Record<string, Endpoint>>>>) =>
        makeTestEdge({
          outcome: admitted(user("ann", "*")),
          routes: Object.values(groups)
            .flatMap((group) => Object.values(group))
            .map((endpoint) => ({ ...endpoint, handler: () => Effect.die(new Error("not asked")) }))
        })
      const provisioning = yield* edgeOf(provisioningEndpoints)
      const machine = yield* edgeOf(statusEndpoints)
      const optionsOf = (path: string) => {
        if (isStatus(path)) return machine.ask(path, { method: "OPTIONS" })
        if (!isVersioned(path)) return system.call(path, { method: "OPTIONS" })
        return /^\/v1\/(?:auth|users|roles|tokens|audit|approvals)\b|^\/\./u.test(path)
          ? identity.call(path, { as: admin, method: "OPTIONS" })
          : provisioning.ask(path, { method: "OPTIONS" })
      }
      const allowed = new Map<string, Array<string>>()
      for (const { method, path } of operations) allowed.set(path, [...(allowed.get(path) ?? []), method])
      for (const [path, methods] of allowed) {
        const { headers, status } = yield* optionsOf(path.replaceAll(/\{\w+\}/gu, "x"))
        assert.strictEqual(status, 204, path)
        const served = (headers["allow"] ?? "")
          .split(", ")
          .filter((method) => method !== "OPTIONS" && method !== "HEAD")
        assert.deepStrictEqual(served, methods.toSorted(), path)
      }
    })
  )
})

const entities: Readonly<Record<string, string>> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot", "'": "#39" }

describe("the docs page", () => {
  it("has every operation, and needs nothing from anywhere", () => {
    const page = docsPage()
    for (const { description, method, path, summary } of operations) {
      assert.include(
        page,
        description.replaceAll(/[&<>"']/gu, (c) => `&${entities[c] ?? ""};`)
      )
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
