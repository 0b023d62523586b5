/** What a caller gives an action, as JSON. */
import * as Schema from "effect/Schema"

export const ActionInput = Schema.Struct({
  args: Schema.optionalKey(Schema.Record(Schema.String, Schema.Union([Schema.String, Schema.Int, Schema.Boolean])))
}).annotate({ identifier: "ActionInput" })
