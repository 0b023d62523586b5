import { assert, describe, it } from "@effect/vitest"
import {
  type Access,
  type Endpoint,
  identityEndpoints,
  provisioningEndpoints,
  systemEndpoints
} from "../../../src/http/api/endpoints.ts"
import { permissionNeeded } from "../../../src/http/edge/Access.ts"
import type { Route } from "../../../src/http/edge/routes.ts"
import { permissions } from "../../../src/services/identity/Permission.ts"

const all: ReadonlyArray<Endpoint> = [
  ...Object.values(systemEndpoints),
  ...Object.values(identityEndpoints),
  ...Object.values(provisioningEndpoints)
].flatMap((group): ReadonlyArray<Endpoint> => Object.values(group))

describe("endpoints", () => {
  it("each say who may call them, or do not compile", () => {
    const rest = { method: "GET", path: "/x", sideEffects: false, rate: "read", audited: false } as const
    // @ts-expect-error without access
    const silent: Endpoint = rest
    // @ts-expect-error undefined is no access either
    const empty: Endpoint = { ...rest, access: undefined }
    // @ts-expect-error a permission that there is not
    const unknown: Endpoint = { ...rest, access: "events:destroy" }
    // @ts-expect-error a permission about a named thing, without the name
    const unnamed: Endpoint = { ...rest, access: "actions:run" }
    // @ts-expect-error a route is no way around it
    const route: Pick<Route, "access" | "method"> = { method: "OPTIONS" }
    // @ts-expect-error named by a parameter that the path does not have
    const misnamed: Access<"action"> = "actions:run:{file}"
    const named: Access<"action"> = "actions:run:{action}"
    assert.lengthOf([silent, empty, unknown, unnamed, route, misnamed, named], 7)
  })

  it("that are for everybody are these and no others", () => {
    assert.deepStrictEqual(
      all.filter(({ access }) => access === "public").map(({ method, path }) => `${method} ${path}`),
      ["POST /v1/auth/login", "POST /v1/auth/refresh", "GET /.well-known/jwks.json", "GET /health", "GET /v1/health"]
    )
  })

  it("ask for permissions that there are", () => {
    const known = Object.keys(permissions).map((name) => name.replace(/:(?:NAME|ID)$/u, ":x"))
    for (const { access, path } of all) {
      const params = Object.fromEntries([...path.matchAll(/:(\w+)/gu)].map(([, name = ""]) => [name, "x"]))
      const needed = permissionNeeded(access)(params)
      if (needed !== undefined) assert.include(known, needed, path)
    }
  })

  it("that change something are audited, but for events, which say themselves who recorded them", () => {
    assert.deepStrictEqual(
      all
        .filter(({ audited, method, sideEffects }) => (method !== "GET" || sideEffects) && !audited)
        .map(({ method, path }) => `${method} ${path}`),
      ["GET /api/v1/new_event", "POST /api/v1/events"]
    )
  })
})
