/**
 * `systemapi-config.toml(5)`, made of the configuration's JSON Schema: every key that a file may have, what it takes, its
 * default and what it is for.
 */
import * as Schema from "effect/Schema"
import { example, heading, item, page, paragraph, subheading, text } from "./roff.ts"

/** Of JSON Schema what ours has. */
interface Shape {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: ReadonlyArray<unknown>
  readonly minimum?: number
  readonly maximum?: number
  readonly properties?: Readonly<Record<string, Shape>>
  readonly additionalProperties?: Shape | boolean
  readonly items?: Shape
  readonly anyOf?: ReadonlyArray<Shape>
  readonly $ref?: string
}

const Shape = Schema.Struct({
  type: Schema.optionalKey(Schema.String),
  description: Schema.optionalKey(Schema.String),
  default: Schema.optionalKey(Schema.Unknown),
  const: Schema.optionalKey(Schema.Unknown),
  enum: Schema.optionalKey(Schema.Array(Schema.Unknown)),
  minimum: Schema.optionalKey(Schema.Finite),
  maximum: Schema.optionalKey(Schema.Finite),
  properties: Schema.optionalKey(
    Schema.Record(
      Schema.String,
      Schema.suspend((): Schema.Codec<Shape> => Shape)
    )
  ),
  additionalProperties: Schema.optionalKey(
    Schema.Union([Schema.Boolean, Schema.suspend((): Schema.Codec<Shape> => Shape)])
  ),
  items: Schema.optionalKey(Schema.suspend((): Schema.Codec<Shape> => Shape)),
  anyOf: Schema.optionalKey(Schema.Array(Schema.suspend((): Schema.Codec<Shape> => Shape))),
  $ref: Schema.optionalKey(Schema.String)
})

const Document = Schema.Struct({
  properties: Schema.Record(Schema.String, Shape),
  $defs: Schema.optionalKey(Schema.Record(Schema.String, Shape))
})

/** Bounds that only say what JSON's numbers can hold say nothing. */
const isBound = (value: number | undefined): value is number =>
  value !== undefined && Math.abs(value) < Number.MAX_SAFE_INTEGER

const range = ({ maximum, minimum }: Shape): string => {
  if (isBound(minimum) && isBound(maximum)) return ` from ${minimum} to ${maximum}`
  if (isBound(minimum)) return ` of at least ${minimum}`
  return isBound(maximum) ? ` of at most ${maximum}` : ""
}

const toml = (value: unknown): string => JSON.stringify(value)

/** What a value may be, in words. */
const kind = (shape: Shape): string => {
  if (shape.enum !== undefined) return shape.enum.map(toml).join(" or ")
  if (shape.const !== undefined) return toml(shape.const)
  if (shape.anyOf !== undefined) return [...new Set(shape.anyOf.map(kind))].join(", or ")
  switch (shape.type) {
    case "string":
      return "text"
    case "boolean":
      return "true or false"
    case "array":
      return shape.items === undefined ? "a list" : `a list, each ${kind(shape.items)}`
    case "integer":
    case "number":
      return `${shape.type === "integer" ? "an integer" : "a number"}${range(shape)}`
    case "object":
      return "a table"
    default:
      return "a value"
  }
}

const isPlain = (value: unknown): boolean =>
  value !== undefined && (typeof value !== "object" || (Array.isArray(value) && value.length === 0))

/** The tables in a shape, by how their head is written. */
const tables = (name: string, shape: Shape): ReadonlyArray<readonly [string, Shape]> => {
  const below = Object.entries(shape.properties ?? {}).flatMap(([key, value]) => tables(`${name}.${key}`, value))
  const here = shape.properties === undefined ? [] : [[`[${name}]`, shape] as const]
  const named = typeof shape.additionalProperties === "object" ? tables(`${name}.NAME`, shape.additionalProperties) : []
  const listed =
    shape.items === undefined ? [] : tables(name, shape.items).map(([head, of]) => [twice(head, name), of] as const)
  const any = (shape.anyOf ?? []).flatMap((member) => tables(name, member))
  return [...here, ...below, ...named, ...listed, ...any]
}

/** A list of tables has each head in two pairs of brackets. */
const twice = (head: string, name: string): string => (head === `[${name}]` ? `[[${name}]]` : head)

const described = ([head, shape]: readonly [string, Shape]): ReadonlyArray<string> => [
  subheading(head),
  ...Object.entries(shape.properties ?? {}).map(([key, value]) => {
    const allowed = `Allowed: ${kind(value)}.`
    const usual = isPlain(value.default) ? ` Default: ${toml(value.default)}.` : ""
    return item(key, ...[value.description ?? "", `${allowed}${usual}`].filter((line) => line !== ""))
  })
]

/** A section whose names are the user's own, with a short form for each. */
const named = (name: string, shape: Shape): ReadonlyArray<string> => {
  const member = typeof shape.additionalProperties === "object" ? shape.additionalProperties : undefined
  if (member === undefined) return []
  return [
    subheading(`[${name}]`),
    item("NAME", ...[member.description ?? "", `Allowed: ${kind(member)}.`].filter((line) => line !== ""))
  ]
}

export const configPage = (schema: unknown, date: string, version: string): string => {
  const { properties } = Schema.decodeUnknownSync(Document)(schema)
  return page({
    name: "systemapi-config.toml",
    section: 5,
    date,
    version,
    summary: "configuration of systemapi",
    parts: [
      heading("synopsis"),
      "/etc/systemapi/systemapi\\-config.toml",
      heading("description"),
      text(
        "A TOML file. Every key may be left out, unless it says otherwise; those of [[lists]] and of tables that you name yourself count for each of them."
      ),
      paragraph("What is wrong with a file is told, with line and key, by"),
      example("systemapi config check /etc/systemapi/systemapi-config.toml"),
      paragraph(
        "Where the path of a secret is asked for, credential:NAME means the credential of that name that systemd has passed (LoadCredential= of the unit)."
      ),
      heading("keys"),
      ...Object.entries(properties).flatMap(([name, shape]) => [
        ...named(name, shape),
        ...tables(name, shape).flatMap(described)
      ]),
      heading("see also"),
      ".BR systemapi (1)"
    ]
  })
}
