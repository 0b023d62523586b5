/** A flag that may be left out, and is then undefined. */
import * as Flag from "effect/cli/Flag"
import * as Option from "effect/Option"

export const orUndefined = <A>(flag: Flag.Flag<A>) => Flag.map(Flag.optional(flag), Option.getOrUndefined)
