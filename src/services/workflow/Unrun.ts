/**
 * What an activity answers when it must not be run. An activity without this is Effect's own: one that a restart has
 * interrupted is run again, one that would begin after an interruption is not begun.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import type { Json } from "../operations/Operation.ts"
import type { Entry } from "./Journal.ts"

export type EncodedExit = Exit.Exit<Json, Json>

export interface UnrunPolicy {
  /** It had begun and not ended when the daemon was ended, or when its fiber was; null: it may run again. */
  readonly interrupted: ((entry: Entry) => Effect.Effect<EncodedExit>) | null
  /** The execution was interrupted before it began; null: it begins all the same. */
  readonly barred: EncodedExit | null
}

export const Unrun: Context.Reference<UnrunPolicy | undefined> = Context.Reference<UnrunPolicy | undefined>(
  "systemapi/services/workflow/Unrun",
  { defaultValue: () => undefined }
)
