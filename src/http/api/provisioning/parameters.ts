/** What the endpoints of the Provisioning API take beside their bodies. */
import * as Schema from "effect/Schema"
import { pageParams } from "../identity/pageParams.ts"

export const idempotent = {
  "idempotency-key": Schema.optionalKey(
    Schema.String.annotate({
      description:
        "1 to 255 visible ASCII characters of one's own choice. The same key with the same request is answered as before, " +
        "with Idempotent-Replayed: true, and nothing is done again"
    })
  )
}

export const dryRun = {
  check_mode: Schema.optionalKey(
    Schema.Literals(["true", "false", "1", "0"]).annotate({
      description: "A dry run: the operation tells what would be done, and changes nothing"
    })
  )
}

export const listParams = (key: string) => ({
  workspace: Schema.optionalKey(Schema.String.annotate({ description: "Only those of this workspace" })),
  ...pageParams(key)
})
