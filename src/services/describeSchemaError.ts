/** What is wrong with a value, for whoever sent it: one line, the place first. */
import type * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"

const format = SchemaIssue.makeFormatterStandardSchemaV1()

/** More says nothing more. */
const shownMax = 3

export const describeSchemaError = (error: Schema.SchemaError): string =>
  format(error.issue)
    .issues.slice(0, shownMax)
    .map(({ message, path = [] }) => {
      const place = path.map((part) => String(typeof part === "object" ? part.key : part)).join(".")
      const text = message.replaceAll(/\s+/gu, " ")
      return place === "" ? text : `${place}: ${text}`
    })
    .join("; ")
