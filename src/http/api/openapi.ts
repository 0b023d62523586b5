/**
 * The contract of all APIs as one OpenAPI 3.1 document, made on the first request: serving must not pay for it at
 * start-up. What the edge does before an endpoint is asked comes from the table of endpoints, as the edge's own rules do:
 * who may call it, what it takes for credentials, and what it answers where that is not enough.
 */
import * as OpenApi from "effect/http-api/OpenApi"
import {
  type Endpoint,
  identityEndpoints,
  provisioningEndpoints,
  statusEndpoints,
  systemEndpoints
} from "./endpoints.ts"
import { IdentityApi } from "./identity/IdentityApi.ts"
import { provisioningShape } from "./provisioning/errors.ts"
import { ProvisioningApi } from "./provisioning/ProvisioningApi.ts"
import { statusShape } from "./status/errors.ts"
import { StatusApi } from "./status/StatusApi.ts"
import { SystemApi } from "./SystemApi.ts"

type Json = Readonly<Record<string, unknown>>
type Groups = Readonly<Record<string, Readonly<Record<string, Endpoint>>>>

interface Part {
  readonly spec: OpenApi.OpenAPISpec
  readonly endpoints: ReadonlyMap<string, Endpoint>
  /** Name of an error's shape by its status. */
  readonly shape: string
  readonly security: ReadonlyArray<Json>
}

const ways = [{ basic: [] }, { bearer: [] }, { certificate: [] }]

const securitySchemes = {
  basic: {
    type: "http",
    scheme: "basic",
    description: "The password of the System API, whose user is admin, or a stored user's"
  },
  bearer: { type: "http", scheme: "bearer", description: "An access token, or a service token (sa_…)" },
  certificate: { type: "mutualTLS", description: "A client certificate that the configuration names" }
}

/** `get /v1/users/{user}`, as OpenAPI writes paths. */
const byOperation = (groups: Groups): ReadonlyMap<string, Endpoint> =>
  new Map(
    Object.values(groups)
      .flatMap((group) => Object.values(group))
      .map((endpoint) => [`${endpoint.method.toLowerCase()} ${endpoint.path.replaceAll(/:(\w+)/gu, "{$1}")}`, endpoint])
  )

/** What the edge answers before an endpoint is asked: who is this, may they, and not too often. */
const edgeStatuses = ({ access, method, sideEffects }: Endpoint): ReadonlyArray<number> => {
  if (access === "public") return [429]
  // Being somebody is enough, but for changes that another web site asks for.
  const refusable = access !== "authenticated" || sideEffects || method !== "GET"
  return refusable ? [401, 403, 429] : [401, 429]
}

const needOf = (access: Endpoint["access"]): string => {
  if (access === "public") return "Open to everybody."
  if (access === "authenticated") return "Open to everybody who says who they are."
  return `Needs ${access}.`
}

export const openApi = (): Record<string, unknown> => {
  const parts: ReadonlyArray<Part> = [
    {
      spec: OpenApi.fromApi(SystemApi),
      endpoints: byOperation(systemEndpoints),
      shape: "Error",
      // Open until a secret is set.
      security: [{}, ...ways]
    },
    {
      spec: OpenApi.fromApi(IdentityApi),
      endpoints: byOperation(identityEndpoints),
      shape: "Problem",
      security: ways
    },
    {
      spec: OpenApi.fromApi(ProvisioningApi),
      endpoints: byOperation(provisioningEndpoints),
      shape: provisioningShape,
      security: ways
    },
    {
      spec: OpenApi.fromApi(StatusApi),
      endpoints: byOperation(statusEndpoints),
      shape: statusShape,
      // Open to whoever reaches its own listener, and on the others until a secret is set.
      security: [{}, ...ways]
    }
  ]
  return {
    openapi: "3.1.0",
    info: {
      title: "systemapi",
      version: "1",
      description: "Everything that is served on a machine nobody may log into, and who may ask for it."
    },
    security: [],
    tags: parts.flatMap(({ spec }) => spec.tags),
    "x-tagGroups": parts.map(({ spec: { info, tags } }) => ({
      name: info.title,
      description: info.description,
      tags: tags.map(({ name }) => name)
    })),
    paths: Object.fromEntries(parts.flatMap(pathsOf)),
    components: {
      schemas: Object.assign({}, ...parts.map(({ spec }) => spec.components.schemas)),
      securitySchemes
    }
  }
}

const pathsOf = ({ endpoints, security, shape, spec }: Part): ReadonlyArray<readonly [string, Json]> => {
  const answer = (status: number) => ({
    description: spec.components.schemas[`${shape}${status}`]?.["description"],
    content: { "application/json": { schema: { $ref: `#/components/schemas/${shape}${status}` } } }
  })
  const whole = (path: string, method: string, operation: unknown) => {
    const endpoint = endpoints.get(`${method} ${path}`)
    if (endpoint === undefined || !isOperation(operation)) return operation
    const { access } = endpoint
    const { description } = operation
    return {
      ...operation,
      description: description === undefined ? needOf(access) : `${description} ${needOf(access)}`,
      responses: {
        ...operation.responses,
        ...Object.fromEntries(edgeStatuses(endpoint).map((status) => [status, answer(status)]))
      },
      security: access === "public" ? [] : security,
      "x-permission": access
    }
  }
  return Object.entries(spec.paths).map(([path, item]) => [
    path,
    Object.fromEntries(Object.entries(item).map(([method, operation]) => [method, whole(path, method, operation)]))
  ])
}

const isOperation = (value: unknown): value is { readonly responses: object; readonly description?: string } =>
  typeof value === "object" && value !== null && "responses" in value
