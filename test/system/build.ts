/**
 * Sees to it that `dist/` is what the sources say, once per test file and in only one process at a time: several test
 * files start at once, and a build empties the folder first. The kernel's lock (flock) is gone with its holder.
 */
import * as Effect from "effect/Effect"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const home = fileURLToPath(new URL("../..", import.meta.url))

/** Where one writes it into the command line. */
export const program = join(home, "bin/systemapi")

const lock = join(tmpdir(), `systemapi-build-${createHash("sha256").update(home).digest("hex").slice(0, 16)}.lock`)

/** Newer sources than the bundle, or no bundle: build. */
const script = `
  test -f dist/systemapi.js && test -z "$(find src scripts package.json -newer dist/systemapi.js -print -quit)" ||
    exec "$0" scripts/build.ts`

let built: Promise<void> | undefined

const build = (): Promise<void> =>
  new Promise((resolve, reject) => {
    execFile("flock", [lock, "sh", "-c", script, process.execPath], { cwd: home }, (error, _stdout, stderr) => {
      if (error === null) resolve()
      else reject(new Error(`the build failed: ${stderr}`, { cause: error }))
    })
  })

export const buildOnce = Effect.promise(() => (built ??= build()))
