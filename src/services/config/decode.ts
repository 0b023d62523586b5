/**
 * Decodes a part of the document and says everything that is wrong with it, in the file's own terms: the key, what was
 * found there and what is allowed. The words come from the schema's notes; the schema library only says where.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import { describe, type KeyPath, type Problem } from "./Problem.ts"
import { notesAt, shapeOf, valueAt } from "./SchemaShape.ts"

/** `path` is where in the document the value stands. */
export const decode = <S extends Schema.Top & { readonly DecodingServices: never }>(
  schema: S,
  value: unknown,
  path: KeyPath
): Result.Result<S["Type"], ReadonlyArray<Problem>> =>
  Result.mapError(Schema.decodeUnknownResult(schema, { errors: "all" })(value), (error) => {
    const shape = shapeOf(schema)
    const places = new Map<string, KeyPath>()
    collect(error.issue, [], places)
    return [...places.values()].map((place) => {
      const notes = notesAt(shape, value, place)
      const found = describe(valueAt(value, place), notes.secret)
      return { path: [...path, ...place], text: `found ${found}, allowed: ${notes.allowed}` }
    })
  })

/** The deepest places of an issue; several checks that fail at one place are one problem. */
const collect = (issue: SchemaIssue.Issue, path: KeyPath, into: Map<string, KeyPath>): void => {
  switch (issue._tag) {
    case "Pointer":
      return collect(
        issue.issue,
        [...path, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))],
        into
      )
    case "Filter":
    case "Encoding":
      return collect(issue.issue, path, into)
    case "Composite":
    case "AnyOf":
      if (issue.issues.length === 0) break
      for (const inner of issue.issues) collect(inner, path, into)
      return
    default:
      break
  }
  into.set(JSON.stringify(path), path)
}

/** What a flag or a variable of the environment says, by the rules of the key that it stands for. */
export const decodeOutside = <S extends Schema.Top & { readonly DecodingServices: never }>(
  schema: S,
  value: unknown,
  name: string
): Result.Result<S["Type"], ReadonlyArray<Problem>> =>
  Result.mapError(decode(schema, value, [name]), (problems) =>
    problems.map((problem) => ({ ...problem, outside: true as const }))
  )
