/**
 * The document of the Provisioning API's clients (test/fixtures/provisioning-api.md), taken apart: what it runs, what it
 * says is answered, and whether an answer is of that shape.
 */
import * as Effect from "effect/Effect"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { home } from "./build.ts"

export interface Block {
  readonly language: string
  readonly text: string
}

export const blocks: Effect.Effect<ReadonlyArray<Block>> = Effect.map(
  Effect.promise(() => readFile(join(home, "test/fixtures/provisioning-api.md"), "utf8")),
  (text) =>
    [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gmu)].map(([, language = "", block = ""]) => ({
      language,
      text: block
    }))
)

export const ofLanguage = (all: ReadonlyArray<Block>, language: string): ReadonlyArray<string> =>
  all.filter((block) => block.language === language).map(({ text }) => text)

/** A command, and the answer that is printed right behind it. */
export interface Printed {
  readonly command: string
  readonly answer: unknown
}

export const commands = (all: ReadonlyArray<Block>): ReadonlyArray<Printed> =>
  all.flatMap(({ language, text }, index) => {
    if (language !== "bash") return []
    const next = all[index + 1]
    const answer: unknown = next?.language === "json" ? JSON.parse(next.text) : undefined
    return [{ command: text, answer }]
  })

/** The scripts of a pipeline's steps: literal blocks of YAML (`|`), without their indentation. */
export const scripts = (yaml: string): ReadonlyArray<string> => {
  const found: Array<Array<string>> = []
  let indent: number | undefined
  for (const line of yaml.split("\n")) {
    const depth = line.length - line.trimStart().length
    if (indent !== undefined && depth < indent && line.trim() !== "") indent = undefined
    if (indent !== undefined) found.at(-1)?.push(line.slice(indent))
    const opened = /^ *(- )?(?:\w+: )?\|$/u.exec(line)
    if (opened === null) continue
    // A step's own dash counts for its keys' depth.
    indent = depth + 2
    found.push([])
  }
  return found.map((lines) => lines.join("\n"))
}

const uuid = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/u
const address = /^\d{1,3}(?:\.\d{1,3}){3}$/u
const forms = [uuid, time, address]

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/**
 * What of the answer is not of the printed shape, by its place: a member that is missing or stands elsewhere among the
 * printed ones, another type, a text of another form. Members beside the printed ones are no difference.
 */
export const differences = (printed: unknown, answer: unknown, place = "answer"): ReadonlyArray<string> => {
  if (isObject(printed)) {
    if (!isObject(answer)) return [`${place} is no object`]
    const wanted = Object.keys(printed)
    const found = Object.keys(answer).filter((name) => wanted.includes(name))
    if (found.join() !== wanted.join()) return [`${place} has ${found.join()}, not ${wanted.join()}`]
    return wanted.flatMap((name) => differences(printed[name], answer[name], `${place}.${name}`))
  }
  if (printed === null) return answer === null ? [] : [`${place} is not null`]
  if (typeof printed !== typeof answer) return [`${place} is a ${typeof answer}, not a ${typeof printed}`]
  if (typeof printed !== "string" || typeof answer !== "string") return []
  const form = forms.find((one) => one.test(printed))
  return form === undefined || form.test(answer) ? [] : [`${place} is ${JSON.stringify(answer)}, printed ${printed}`]
}
