/** How the lists of the identity API are read page by page. */
import * as Schema from "effect/Schema"

export const pageParams = (key: string) => ({
  limit: Schema.optionalKey(
    Schema.String.annotate({ description: "At most this many, 1 to 10000; 1000 if not given" })
  ),
  cursor: Schema.optionalKey(
    Schema.String.annotate({ description: `X-Next-Cursor of the page before: only those with a greater ${key}` })
  )
})
