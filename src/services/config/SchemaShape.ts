/**
 * Reads a schema as a description: which keys a place in the file knows, and the notes (`allowed`, `secret`, `live`)
 * that stand there. A union is read as the member that fits the kind of value found, as a reader of the file would.
 */
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import type { KeyPath } from "./Problem.ts"

export type Shape = SchemaAST.AST

/** Notes are on the decoded side: a key with a default has a wrapper on the side of the file. */
export const shapeOf = (schema: Schema.Top): Shape => SchemaAST.toType(schema.ast)

export const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Date)

const memberFor = (shape: Shape, value: unknown): Shape => {
  if (!SchemaAST.isUnion(shape)) return shape
  const fits = Array.isArray(value) ? SchemaAST.isArrays : isTable(value) ? SchemaAST.isObjects : undefined
  return (fits === undefined ? undefined : shape.types.find((member) => fits(member))) ?? shape
}

/** The names a table knows; undefined where any name goes. */
export const namesOf = (shape: Shape, value: unknown): ReadonlyArray<string> | undefined => {
  const table = memberFor(shape, value)
  if (!SchemaAST.isObjects(table) || table.indexSignatures.length > 0) return undefined
  return table.propertySignatures.map((property) => String(property.name))
}

export const childOf = (shape: Shape, value: unknown, part: string | number): Shape | undefined => {
  const parent = memberFor(shape, value)
  if (typeof part === "number") return SchemaAST.isArrays(parent) ? parent.rest[0] : undefined
  if (!SchemaAST.isObjects(parent)) return undefined
  return parent.propertySignatures.find((property) => property.name === part)?.type ?? parent.indexSignatures[0]?.type
}

export const valueAt = (value: unknown, path: KeyPath): unknown => {
  let here = value
  for (const part of path) {
    if (typeof part === "number") here = Array.isArray(here) ? here[part] : undefined
    else here = isTable(here) ? here[part] : undefined
  }
  return here
}

export interface NotesAt {
  readonly allowed: string
  /** Here or anywhere above. */
  readonly secret: boolean
}

export const notesAt = (shape: Shape, value: unknown, path: KeyPath): NotesAt => {
  let here: Shape | undefined = shape
  let found = value
  let secret = isSecret(shape)
  for (const part of path) {
    here = here === undefined ? undefined : childOf(here, found, part)
    found = valueAt(found, [part])
    secret ||= here !== undefined && isSecret(here)
  }
  const allowed = here === undefined ? undefined : SchemaAST.resolve(here)?.["allowed"]
  return { allowed: typeof allowed === "string" ? allowed : "another value", secret }
}

/** Whether a credential of the service manager may stand here in place of a path. */
export const mayBeCredential = (shape: Shape): boolean => SchemaAST.resolve(shape)?.["credential"] === true

const isSecret = (shape: Shape): boolean => SchemaAST.resolve(shape)?.["secret"] === true

/** The names of a section's keys that a reload may change. */
export const liveNames = (shape: Shape): ReadonlySet<string> => {
  const live = SchemaAST.isObjects(shape)
    ? shape.propertySignatures.filter((property) => SchemaAST.resolve(property.type)?.["live"] === true)
    : []
  return new Set(live.map((property) => String(property.name)))
}
