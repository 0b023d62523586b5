/**
 * What the provisioning program says: lines of stdout that are JSON objects are understood, everything else is output to
 * be read by people.
 *
 *   {"progress": 0.5, "message": "…"}   how far it is
 *   {"result": {…}}                     what came of it; else the last object that is none of these
 *   {"error": "…"}                      it has failed, whatever its exit code; or {"error": {"message": "…"}}
 *
 * A result may go over several lines, as Nushell writes it, when it comes last and begins with a line of its own.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

export interface Progress {
  readonly fraction: number
  readonly text: string | null
}

export interface Answers {
  readonly result: Schema.JsonObject | undefined
  readonly error: string | undefined
  /** There were lines that say nothing to a program. */
  readonly hasText: boolean
}

/** What people read on one line. */
const textMax = 1024

const decodeObject = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.JsonObject))

/** Undefined: it tells no progress. */
export const progressOf = (line: string): Progress | undefined => {
  const object = objectOf(line)
  return object === undefined ? undefined : asProgress(object)
}

export const answersOf = (stdout: string): Answers => {
  let result: Schema.JsonObject | undefined
  let last: Schema.JsonObject | undefined
  let error: string | undefined
  let hasText = false
  for (const line of stdout.split("\n")) {
    const object = objectOf(line)
    if (object === undefined) {
      hasText ||= line.trim() !== ""
      continue
    }
    if (asProgress(object) !== undefined) continue
    const { error: told, result: given } = object
    if (told !== undefined && told !== null) error = errorText(told)
    else if (isObject(given)) result = given
    else last = object
  }
  return { result: result ?? last ?? (hasText ? objectAtEnd(stdout) : undefined), error, hasText }
}

const objectOf = (line: string): Schema.JsonObject | undefined => {
  const text = line.trim()
  // Most lines are text, and an exception for each of them costs more than a look at its ends.
  return text.startsWith("{") && text.endsWith("}") ? Result.getOrUndefined(decodeObject(text)) : undefined
}

/** From the last line that is a brace and no more, which is how an object that is written over several lines begins. */
const objectAtEnd = (stdout: string): Schema.JsonObject | undefined => {
  const at = stdout.lastIndexOf("\n{\n")
  const text = at === -1 ? stdout : stdout.slice(at)
  const object = objectOf(text)
  return isObject(object?.["result"]) ? object["result"] : object
}

const asProgress = ({ message, progress }: Schema.JsonObject): Progress | undefined =>
  typeof progress === "number" && progress >= 0 && progress <= 1
    ? { fraction: progress, text: typeof message === "string" ? clip(message) : null }
    : undefined

const errorText = (told: Schema.Json): string => {
  if (typeof told === "string") return clip(told)
  if (isObject(told) && typeof told["message"] === "string") return clip(told["message"])
  return clip(JSON.stringify(told))
}

const isObject = (value: Schema.Json | undefined): value is Schema.JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

export const clip = (text: string): string =>
  text.length > textMax ? `${text.slice(0, textMax).toWellFormed()}…` : text
