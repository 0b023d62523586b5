/** The query parameters of operations, read strictly: what is not understood is named, with what is allowed. */
import * as Result from "effect/Result"
import { type OperationStatus, operationStatuses } from "../../services/operations/Operation.ts"
import type { OperationQuery } from "../../services/operations/Operations.ts"
import { type HttpFailure, invalid } from "../edge/HttpFailure.ts"

/** An answer's worth; who wants more follows the cursor. */
const limitDefault = 100
const limitMax = 1000

/** Longer waits end in proxies; who waits asks again. */
export const waitSecondsMax = 300

/** Longer than kinds and ids of principals are. */
const filterLengthMax = 256

type Parsed<A> = Result.Result<A, HttpFailure>

const wrong = (name: string, found: string, allowed: string): Result.Result<never, HttpFailure> =>
  Result.fail(invalid(`${name}: found ${JSON.stringify(found.slice(0, 100))}, allowed: ${allowed}`))

export const integerParam = (
  query: URLSearchParams,
  name: string,
  [min, max]: readonly [number, number],
  otherwise: number
): Parsed<number> => {
  const text = query.get(name)
  if (text === null) return Result.succeed(otherwise)
  const value = /^\d{1,15}$/u.test(text) ? Number(text) : Number.NaN
  return value >= min && value <= max ? Result.succeed(value) : wrong(name, text, `an integer from ${min} to ${max}`)
}

const flags: ReadonlyMap<string, boolean> = new Map([
  ["1", true],
  ["true", true],
  ["0", false],
  ["false", false]
])

export const flagParam = (query: URLSearchParams, name: string, otherwise: boolean): Parsed<boolean> => {
  const text = query.get(name)
  if (text === null) return Result.succeed(otherwise)
  const value = flags.get(text)
  return value === undefined ? wrong(name, text, [...flags.keys()].join(", ")) : Result.succeed(value)
}

export const choiceParam = <const A extends string, B>(
  query: URLSearchParams,
  name: string,
  choices: ReadonlyArray<A>,
  otherwise: B
): Parsed<A | B> => {
  const text = query.get(name)
  if (text === null) return Result.succeed(otherwise)
  const chosen = choices.find((choice) => choice === text)
  return chosen === undefined ? wrong(name, text, choices.join(", ")) : Result.succeed(chosen)
}

const statusesParam = (query: URLSearchParams): Parsed<ReadonlyArray<OperationStatus> | null> => {
  const text = query.get("status")
  if (text === null) return Result.succeed(null)
  const chosen: Array<OperationStatus> = []
  for (const name of new Set(text.split(","))) {
    const status = operationStatuses.find((one) => one === name)
    if (status === undefined) return wrong("status", name, `${operationStatuses.join(", ")}, separated by commas`)
    chosen.push(status)
  }
  return Result.succeed(chosen)
}

const textParam = (query: URLSearchParams, name: string): Parsed<string | null> => {
  const text = query.get(name)
  return text === null || (text !== "" && text.length <= filterLengthMax)
    ? Result.succeed(text)
    : wrong(name, text, `1 to ${filterLengthMax} characters`)
}

/** The cursor of a page is the seq of its last entry. */
export const parseOperationQuery = (query: URLSearchParams): Parsed<OperationQuery> =>
  Result.gen(function* () {
    return {
      statuses: yield* statusesParam(query),
      kind: yield* textParam(query, "kind"),
      who: yield* textParam(query, "who"),
      before: query.has("cursor") ? yield* integerParam(query, "cursor", [1, Number.MAX_SAFE_INTEGER], 1) : null,
      limit: yield* integerParam(query, "limit", [1, limitMax], limitDefault)
    }
  })
