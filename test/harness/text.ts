/** Text of any characters at all, control characters more often than chance would have it. */
import * as Schema from "effect/Schema"

const between = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Code points; `toText` makes well-formed text of them. */
export const AnyText = Schema.Array(Schema.Union([between(0, 0x10ffff), between(0, 0xa0), between(0x2020, 0x2030)]))

export const toText = (points: ReadonlyArray<number>): string => String.fromCodePoint(...points).toWellFormed()
