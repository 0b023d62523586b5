/**
 * `credential:NAME` in place of a path: the file that the service manager has put into $CREDENTIALS_DIRECTORY for this
 * service alone (LoadCredential=, SetCredentialEncrypted=). It stands wherever a file of a secret is named, which is noted on
 * the keys' schemas (`credential`); a key whose file the daemon writes cannot have one.
 *
 * What is not there is told with the names there are, and never with anything that they hold. Bounds: as much as the file has
 * keys; `namesShown` names in a message.
 */
import * as Effect from "effect/Effect"
import { readdir } from "node:fs/promises"
import { join } from "node:path"
import { type Environment, given } from "./environment.ts"
import { describe, type KeyPath, type Problem, quote } from "./Problem.ts"
import { childOf, isTable, mayBeCredential, type Shape } from "./SchemaShape.ts"

/** What there is to be had. */
export interface Credentials {
  readonly directory: string
  readonly names: ReadonlySet<string>
}

/**
 * `needed`: by a daemon, which cannot start without. `unseen`: by a command of whoever is not the service, and so may not see
 * them: they are left as they are, and told of.
 */
export type CredentialsUse = "needed" | "unseen"

const prefix = "credential:"

/** A file's name in one folder: never a way out of it. */
const namePattern = /^(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}$/u

const namesShown = 10

export const isCredential = (path: string): boolean => path.startsWith(prefix)

/** Undefined where the service manager has given none. */
export const readCredentials = (env: Environment): Effect.Effect<Credentials | undefined> => {
  const directory = given(env, "CREDENTIALS_DIRECTORY")
  if (directory === undefined) return Effect.undefined
  return Effect.promise(() =>
    readdir(directory).then(
      (names) => ({ directory, names: new Set(names) }),
      () => ({ directory, names: new Set<string>() })
    )
  )
}

export interface WithCredentials {
  /** With the paths of the files, where they are known. */
  readonly document: Readonly<Record<string, unknown>>
  readonly problems: ReadonlyArray<Problem>
  readonly warnings: ReadonlyArray<Problem>
}

export const withCredentials = (
  shape: Shape,
  document: Readonly<Record<string, unknown>>,
  credentials: Credentials | undefined,
  use: CredentialsUse
): WithCredentials => {
  const problems: Array<Problem> = []
  const warnings: Array<Problem> = []

  const pathOf = (text: string, path: KeyPath): string => {
    const name = text.slice(prefix.length)
    if (!namePattern.test(name)) {
      problems.push({
        path,
        text: `found ${quote(text)}, allowed: credential: and a name of letters, digits, ., _ and -`
      })
    } else if (credentials !== undefined) {
      if (credentials.names.has(name)) return join(credentials.directory, name)
      problems.push({ path, text: `found ${quote(text)}, but the service manager has given ${namesOf(credentials)}` })
    } else if (use === "needed") {
      problems.push({ path, text: `found ${quote(text)}, but there is no service manager that has given credentials` })
    } else {
      warnings.push({ path, text: `${quote(text)} is for the service alone to see, and was not looked at` })
    }
    return text
  }

  const walk = (here: Shape | undefined, value: unknown, path: KeyPath): unknown => {
    if (typeof value === "string") {
      if (here === undefined || !isCredential(value)) return value
      if (mayBeCredential(here)) return pathOf(value, path)
      if (/(?:^|_)path$/u.test(String(path.at(-1)))) {
        problems.push({
          path,
          text: `found ${describe(value, false)}, which is no place for a credential, allowed: a path`
        })
      }
      return value
    }
    const child = (part: string | number, inner: unknown) =>
      walk(here === undefined ? undefined : childOf(here, value, part), inner, [...path, part])
    if (Array.isArray(value)) return value.map((inner: unknown, index) => child(index, inner))
    if (!isTable(value)) return value
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, child(name, inner)]))
  }

  const walked = Object.fromEntries(
    Object.entries(document).map(([name, value]) => [name, walk(childOf(shape, document, name), value, [name])])
  )
  return { document: walked, problems, warnings }
}

const namesOf = ({ names }: Credentials): string => {
  const shown = [...names].sort().slice(0, namesShown)
  if (shown.length === 0) return "none"
  const more = names.size - shown.length
  return `only ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""}`
}
