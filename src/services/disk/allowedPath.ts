/**
 * Whether a caller may ask about a path: only of folders in the configured roots, by the name that is left when every link is
 * resolved. Whoever may not is told the same whether there is something or not, also where a link in a root leads out of it.
 *
 * Nothing outside of the roots is looked at but what links within them lead to.
 */
import * as fs from "node:fs/promises"
import { posix } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { hasErrno } from "../errno.ts"
import { isWithin } from "../host/mounts.ts"

export class PathRefused extends Data.TaggedError("PathRefused")<{
  readonly why: "not-allowed" | "missing" | "not-a-folder"
}> {}

/** PATH_MAX. */
const pathMax = 4096

/** What is asked of the file system; a test has its own. */
export interface PathFiles {
  readonly realpath: (path: string) => Promise<string>
  readonly isFolder: (path: string) => Promise<boolean>
  readonly isLink: (path: string) => Promise<boolean>
}

export const pathFiles: PathFiles = {
  realpath: (path) => fs.realpath(path),
  isFolder: async (path) => (await fs.stat(path)).isDirectory(),
  isLink: async (path) => (await fs.lstat(path)).isSymbolicLink()
}

/** The folder's canonical name. */
export const allowedFolder = Effect.fnUntraced(function* (
  roots: ReadonlyArray<string>,
  asked: string,
  files: PathFiles = pathFiles
) {
  const decided = yield* Effect.promise(() => decide(roots, asked, files))
  if (typeof decided === "string") return decided
  return yield* new PathRefused(decided)
})

type Refused = Pick<PathRefused, "why">

const notAllowed: Refused = { why: "not-allowed" }
const missing: Refused = { why: "missing" }
const notAFolder: Refused = { why: "not-a-folder" }

const decide = async (roots: ReadonlyArray<string>, asked: string, files: PathFiles): Promise<string | Refused> => {
  if (!asked.startsWith("/") || asked.includes("\0") || Buffer.byteLength(asked) > pathMax) return notAllowed
  const path = withoutEnd(posix.normalize(asked))
  const canonical = await canonicalRoots(roots, files)
  const allows = (name: string) => canonical.some((root) => isWithin(root, name))
  if (!roots.some((root) => isWithin(withoutEnd(posix.normalize(root)), path)) && !allows(path)) return notAllowed
  try {
    const real = await files.realpath(path)
    if (!allows(real)) return notAllowed
    return (await files.isFolder(real)) ? real : notAFolder
  } catch (cause) {
    if (hasErrno(cause, "ENOTDIR")) return (await leadsOut(path, allows, files)) ? notAllowed : notAFolder
    if (!hasErrno(cause, "ENOENT")) return notAllowed
    return (await leadsOut(path, allows, files)) ? notAllowed : missing
  }
}

const withoutEnd = (path: string): string => (path.length > 1 && path.endsWith("/") ? path.slice(0, -1) : path)

const canonicalRoots = async (roots: ReadonlyArray<string>, files: PathFiles): Promise<ReadonlyArray<string>> => {
  const found: Array<string> = []
  for (const root of roots) {
    // One that is not there has nothing in it.
    const real = await files.realpath(root).catch(() => undefined)
    if (real !== undefined) found.push(real)
  }
  return found
}

/** Whether of a name that leads to nothing the part that there is leads out of the roots, or is a link to who knows where. */
const leadsOut = async (path: string, allows: (name: string) => boolean, files: PathFiles): Promise<boolean> => {
  for (let name = path; name !== "/"; name = posix.dirname(name)) {
    try {
      return !allows(await files.realpath(name))
    } catch {
      if (await files.isLink(name).catch(() => false)) return true
    }
  }
  return !allows("/")
}
