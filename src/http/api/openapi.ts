/** The contract as OpenAPI 3.1, made on the first request: serving must not pay for it at start-up. */
import * as OpenApi from "effect/http-api/OpenApi"
import { systemEndpoints } from "./endpoints.ts"
import { SystemApi } from "./SystemApi.ts"

/** Basic, optional: everything is open until a secret is set. */
const security = [{}, { basic: [] }]

/** What the edge answers before an endpoint is asked: too many wrong credentials. */
const everywhere = [429]

/** And where something would change: a request from another web site. */
const whereSomethingChanges = [403, ...everywhere]

/** `get /api/v1/new_event`, as OpenAPI writes paths. */
const changing: ReadonlySet<string> = new Set(
  Object.values(systemEndpoints).flatMap((group) =>
    Object.values(group)
      .filter(({ method, sideEffects }) => method === "POST" || sideEffects)
      .map(({ method, path }) => `${method.toLowerCase()} ${path.replaceAll(/:(\w+)/gu, "{$1}")}`)
  )
)

export const openApi = (): Record<string, unknown> => {
  const { components, paths, ...rest } = OpenApi.fromApi(SystemApi)
  const answer = (code: number) => ({
    description: components.schemas[`Error${code}`]?.["description"],
    content: { "application/json": { schema: { $ref: `#/components/schemas/Error${code}` } } }
  })
  const whole = (path: string, method: string, operation: unknown) => {
    if (!isOperation(operation)) return operation
    const codes = changing.has(`${method} ${path}`) ? whereSomethingChanges : everywhere
    const edge = Object.fromEntries(codes.map((code) => [code, answer(code)]))
    return { ...operation, responses: { ...operation.responses, ...edge }, security }
  }
  return {
    ...rest,
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, item]) => [
        path,
        Object.fromEntries(Object.entries(item).map(([method, operation]) => [method, whole(path, method, operation)]))
      ])
    ),
    components: { ...components, securitySchemes: { basic: { type: "http", scheme: "basic" } } }
  }
}

const isOperation = (value: unknown): value is { readonly responses: object } =>
  typeof value === "object" && value !== null && "responses" in value
