/** The contract as OpenAPI 3.1, made on the first request: serving must not pay for it at start-up. */
import * as OpenApi from "effect/http-api/OpenApi"
import { SystemApi } from "./SystemApi.ts"

/** Basic, optional: everything is open until a secret is set. */
const security = [{}, { basic: [] }]

export const openApi = (): Record<string, unknown> => {
  const { components, paths, ...rest } = OpenApi.fromApi(SystemApi)
  return {
    ...rest,
    paths: Object.fromEntries(
      Object.entries(paths).map(([path, item]) => [
        path,
        Object.fromEntries(Object.entries(item).map(([method, operation]) => [method, { ...operation, security }]))
      ])
    ),
    components: { ...components, securitySchemes: { basic: { type: "http", scheme: "basic" } } }
  }
}
