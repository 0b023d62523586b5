/**
 * `Prefer: respond-async, wait=5` (RFC 7240), and `?async=1` for clients that set no fields: whether the caller wants to be
 * answered before what it asks for is done, and how long it would wait for that. A preference that is not understood is
 * none, as the RFC has it; of one that is given twice the first counts.
 */
import * as Result from "effect/Result"
import type { Call } from "../edge/Call.ts"
import type { HttpFailure } from "../edge/HttpFailure.ts"
import { flagParam, waitSecondsMax } from "./operationParams.ts"

export interface AsyncPreference {
  /** How long to wait for the end; 0: not at all. */
  readonly waitSeconds: number
  /** What of it was followed, as `Preference-Applied` says it; undefined where it did not come as a preference. */
  readonly applied: string | undefined
}

/** More than this is not read. */
const preferencesMax = 32

/** `name`, `name=token`, `name="text"`; parameters behind a semicolon mean nothing here. */
const preference =
  /^[ \t]*([\w!#$%&'*+.^`|~-]+)(?:[ \t]*=[ \t]*(?:"([^"\\]*)"|([\w!#$%&'*+.^`|~-]+)))?[ \t]*(?:;.*)?$/su

const preferencesOf = (field: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const text of field.split(",", preferencesMax)) {
    const match = preference.exec(text)
    if (match === null) continue
    const [, name = "", quoted, token] = match
    const known = name.toLowerCase()
    if (!found.has(known)) found.set(known, quoted ?? token ?? "")
  }
  return found
}

/** Undefined: the caller waits for the end, as ever. */
export const asyncPreference = (call: Call): Result.Result<AsyncPreference | undefined, HttpFailure> =>
  Result.map(flagParam(call.query, "async", false), (asked) => {
    const preferences = preferencesOf(call.header("prefer") ?? "")
    const isPreferred = preferences.has("respond-async")
    if (!isPreferred && !asked) return undefined
    const wait = preferences.get("wait") ?? ""
    const waitSeconds = /^\d{1,9}$/u.test(wait) ? Math.min(Number(wait), waitSecondsMax) : 0
    const applied = [
      ...(isPreferred ? ["respond-async"] : []),
      ...(preferences.has("wait") && waitSeconds > 0 ? [`wait=${waitSeconds}`] : [])
    ].join(", ")
    return { waitSeconds, applied: applied === "" ? undefined : applied }
  })
