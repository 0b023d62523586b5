import { assert, describe, it } from "@effect/vitest"
import { jsonSchema } from "../../../src/services/config/ConfigSchema.ts"
import { isTable, valueAt } from "../../../src/services/config/SchemaShape.ts"

const schema: unknown = JSON.parse(JSON.stringify(jsonSchema()))

/** Every schema of a named key, with the path of names that leads to it. */
const properties = (node: unknown, path: ReadonlyArray<string> = []): ReadonlyArray<readonly [string, unknown]> => {
  if (Array.isArray(node)) return node.flatMap((member) => properties(member, path))
  if (!isTable(node)) return []
  const named = isTable(node["properties"]) ? Object.entries(node["properties"]) : []
  return [
    ...named.flatMap(([name, child]): ReadonlyArray<readonly [string, unknown]> => [
      [[...path, name].join("."), child],
      ...properties(child, [...path, name])
    ]),
    ...["items", "additionalProperties", "anyOf", "allOf"].flatMap((key) => properties(node[key], path))
  ]
}

describe("the JSON Schema", () => {
  it("is of the 2020-12 dialect and knows every section", () => {
    assert.strictEqual(valueAt(schema, ["$schema"]), "https://json-schema.org/draft/2020-12/schema")
    assert.deepStrictEqual(Object.keys(Object(valueAt(schema, ["properties"]))), [
      "general",
      "store",
      "events",
      "pipes",
      "actions",
      "file_uploads",
      "limits",
      "listeners",
      "auth",
      "roles",
      "certificates",
      "cors",
      "rate_limits",
      "audit",
      "telemetry",
      "operations",
      "provisioning",
      "workflows",
      "server",
      "logging",
      "status",
      "units",
      "watch",
      "journal",
      "gpus",
      "disk"
    ])
  })

  it("refuses unknown keys, except where names are free", () => {
    assert.strictEqual(valueAt(schema, ["additionalProperties"]), false)
    assert.strictEqual(valueAt(schema, ["properties", "general", "additionalProperties"]), false)
    assert.strictEqual(valueAt(schema, ["properties", "pipes", "items", "additionalProperties"]), false)
    assert.isTrue(isTable(valueAt(schema, ["properties", "actions", "additionalProperties"])))
  })

  it("describes every key", () => {
    const keys = properties(schema)
    assert.isAbove(keys.length, 80)
    for (const [name, node] of keys) assert.isString(valueAt(node, ["description"]), name)
  })

  it("carries defaults and bounds", () => {
    const limit = valueAt(schema, ["properties", "limits", "properties", "max_connections"])
    assert.deepStrictEqual(
      ["type", "minimum", "maximum", "default"].map((key) => valueAt(limit, [key])),
      ["integer", 1, 100_000, 4096]
    )
    const address = valueAt(schema, ["properties", "general", "properties", "listen_addr"])
    assert.strictEqual(valueAt(address, ["default"]), "127.0.0.1:3535")
    assert.deepStrictEqual(
      valueAt(schema, ["properties", "general", "properties", "basic_auth_secret_format", "enum"]),
      ["sha256", "scrypt", "argon2id"]
    )
  })
})
