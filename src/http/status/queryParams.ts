/**
 * Parameters of a query as FastAPI takes them, for whom the clients of the System Status Service were written: the same
 * texts are taken, and what is not is refused with the same members.
 */
import * as Effect from "effect/Effect"
import type { Call } from "../edge/Call.ts"
import type { HttpFailure } from "../edge/HttpFailure.ts"
import { invalidParameter } from "./failures.ts"

const flags: ReadonlyMap<string, boolean> = new Map([
  ...["true", "1", "yes", "on", "t", "y"].map((text) => [text, true] as const),
  ...["false", "0", "no", "off", "f", "n"].map((text) => [text, false] as const)
])

/** false where it is not given. */
export const flagParam = ({ query }: Call, name: string): Effect.Effect<boolean, HttpFailure> => {
  const given = query.get(name)
  const value = given === null ? false : flags.get(given.toLowerCase())
  return value === undefined
    ? Effect.fail(invalidParameter(name, "Input should be a valid boolean, unable to interpret input", "bool_parsing"))
    : Effect.succeed(value)
}

export interface IntegerRange {
  readonly least: number
  readonly most: number
  readonly otherwise: number
}

export const integerParam = (
  { query }: Call,
  name: string,
  { least, most, otherwise }: IntegerRange
): Effect.Effect<number, HttpFailure> => {
  const given = query.get(name)
  if (given === null) return Effect.succeed(otherwise)
  if (!/^[+-]?\d{1,15}$/u.test(given.trim())) {
    const msg = "Input should be a valid integer, unable to parse string as an integer"
    return Effect.fail(invalidParameter(name, msg, "int_parsing"))
  }
  const value = Number(given)
  if (value < least) {
    return Effect.fail(
      invalidParameter(name, `Input should be greater than or equal to ${least}`, "greater_than_equal")
    )
  }
  if (value > most) {
    return Effect.fail(invalidParameter(name, `Input should be less than or equal to ${most}`, "less_than_equal"))
  }
  return Effect.succeed(value)
}
