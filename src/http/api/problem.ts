/**
 * The shape of errors outside the System API: that of the Provisioning API's contract (`code` is a text), and the members
 * of RFC 9457 beside it. Each API has its own words for what a status means there, under a name of its own.
 */
import * as Schema from "effect/Schema"

export const problems =
  (shape: string) =>
  <const Status extends number>(status: Status, description: string) =>
    Schema.Struct({
      error: Schema.String.annotate({ description: "What is wrong, as a word: UNAUTHORIZED, VALIDATION_ERROR" }),
      message: Schema.String,
      code: Schema.Literal(`${status}`),
      type: Schema.Literal("about:blank"),
      title: Schema.String,
      status: Schema.Literal(status),
      detail: Schema.String
    }).annotate({ identifier: `${shape}${status}`, httpApiStatus: status, description })
