/**
 * Where a program is, as a shell finds it: a name without `/` is looked up in PATH. Starts nothing: so one that is not
 * installed costs a few looks at folders, and one that is, is started the quick way, by its path.
 */
import * as Effect from "effect/Effect"
import { access, constants } from "node:fs/promises"
import { join } from "node:path"

/** A PATH has ten folders; one of a thousand is a mistake, and not ours to walk. */
const foldersMax = 64

const isProgram = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false
  )

const find = async (program: string, searchPath: string): Promise<string | undefined> => {
  if (program.includes("/")) return (await isProgram(program)) ? program : undefined
  for (const folder of searchPath.split(":", foldersMax)) {
    // An empty entry means the current directory, where no tool of the machine is.
    if (!folder.startsWith("/")) continue
    const path = join(folder, program)
    if (await isProgram(path)) return path
  }
  return undefined
}

export const findProgram = (program: string, searchPath: string): Effect.Effect<string | undefined> =>
  Effect.promise(() => find(program, searchPath))
