/**
 * What `dist/systemapi.js` is: runs the bundle beside it, `systemapi.main.js`, from its compiled form,
 * `systemapi.main.bin`, which the build made by starting the daemon once. Without it a third of a start is compiling.
 *
 * The compiled form is taken only with the very text it was made of, told by the line that both begin with (V8 itself
 * compares no more than the length), and V8 takes it only where the same version of V8 made it. In every other case the
 * bundle is compiled as any program is: slower, and otherwise the same.
 */
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { join } from "node:path"
import { Script } from "node:vm"

const file = join(__dirname, "systemapi.main.js")

/** The build writes ASCII only: one byte for each character, here and in V8. */
const source = readFileSync(file, "latin1")

const compiledOf = (text: string): Buffer | undefined => {
  const identity = text.slice(0, text.indexOf("\n") + 1)
  try {
    const bytes = readFileSync(join(__dirname, "systemapi.main.bin"))
    return bytes.toString("latin1", 0, identity.length) === identity ? bytes.subarray(identity.length) : undefined
  } catch {
    return undefined
  }
}

const cachedData = compiledOf(source)
const script = new Script(source, cachedData === undefined ? { filename: file } : { filename: file, cachedData })
script.runInThisContext()(createRequire(file), file)
