/** What our endpoints declare beyond their shapes. */
import * as Context from "effect/Context"

/** A GET that changes something: kept for clients of the original, never answered to HEAD. */
export const SideEffects = Context.Reference<boolean>("systemapi/http/SideEffects", { defaultValue: () => false })

interface Annotatable<Self> {
  readonly annotate: (key: typeof SideEffects, value: boolean) => Self
}

export const hasSideEffects = <Self extends Annotatable<Self>>(endpoint: Self): Self =>
  endpoint.annotate(SideEffects, true)
