/**
 * Sees to it that a FIFO is at its path. One that is there already is used as it is; a missing one is made; a regular
 * file, left by services that logged before the daemon was there, is renamed aside (see AsideFile) and a FIFO made in
 * its place at once. Anything else is left alone and named in the error.
 *
 * Links are followed to a FIFO, never to a file: what a link points at is not ours to move. Bound: a handful of looks
 * where others keep changing what is at the path. Never: replaces or removes what it finds.
 */
import { execFile } from "node:child_process"
import type { Stats } from "node:fs"
import { constants } from "node:fs"
import * as fs from "node:fs/promises"
import * as Effect from "effect/Effect"
import { errnoText, hasErrno } from "../errno.ts"
import { asidePathOf } from "./AsideFile.ts"
import { attempt, FifoUnusable } from "./FifoUnusable.ts"

/** `aside-in-use`: a regular file is at the path while an earlier one still waits to be ingested; do that first. */
export type Placed = "placed" | "aside-in-use"

/** Between a look and what follows from it others may be faster; five times in a row is no accident. */
const looksMax = 5

/** `mkfifo` takes a millisecond; a dead file system must not hold the daemon up for ever. */
const mkfifoTimeoutMs = 5000

export const place = Effect.fnUntraced(function* (path: string, mode: number): Effect.fn.Return<Placed, FifoUnusable> {
  for (let look = 0; look < looksMax; look++) {
    const found = yield* attempt(path, "look at it", () => lookAt(path))
    switch (found) {
      case "nothing":
        if (yield* makeFifo(path, mode)) return "placed"
        break
      case "a FIFO":
        yield* attempt(path, "open it", () => fs.access(path, constants.R_OK | constants.W_OK))
        return "placed"
      case "a regular file":
        yield* attempt(path, "read the file in its place", () => fs.access(path, constants.R_OK))
        if ((yield* attempt(path, "look beside it", () => lookAt(asidePathOf(path)))) !== "nothing")
          return "aside-in-use"
        yield* attempt(path, "move the file in its place aside", () => fs.rename(path, asidePathOf(path)))
        break
      default:
        return yield* new FifoUnusable({ path, reason: `${found} is in its place` })
    }
  }
  return yield* new FifoUnusable({ path, reason: "what is in its place keeps changing" })
})

/** What is at the path, in words. */
const lookAt = async (path: string): Promise<string> => {
  try {
    const here = await fs.lstat(path)
    if (!here.isSymbolicLink()) return kindOf(here)
    const target = await fs.stat(path).then(kindOf, (cause: unknown) => {
      if (hasErrno(cause, "ENOENT")) return "nothing"
      throw cause
    })
    return target === "a FIFO" ? target : `a symbolic link to ${target}`
  } catch (cause) {
    if (hasErrno(cause, "ENOENT")) return "nothing"
    throw cause
  }
}

const kindOf = (stats: Stats): string => {
  if (stats.isFIFO()) return "a FIFO"
  if (stats.isFile()) return "a regular file"
  if (stats.isDirectory()) return "a directory"
  if (stats.isSocket()) return "a socket"
  return stats.isCharacterDevice() ? "a character device" : "a block device"
}

/**
 * Node cannot make FIFOs, so the standard program does. Its `-m` sets the mode whatever the umask (POSIX), from the
 * first moment on; a chmod afterwards would follow whatever was put at the path by then. False where something is there.
 */
const makeFifo = (path: string, mode: number): Effect.Effect<boolean, FifoUnusable> =>
  Effect.uninterruptible(
    Effect.callback((resume) => {
      const args = ["-m", mode.toString(8).padStart(4, "0"), "--", path]
      const env = { PATH: "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin", LC_ALL: "C" }
      execFile("mkfifo", args, { env, timeout: mkfifoTimeoutMs }, (error, _stdout, stderr) => {
        if (error === null || stderr.includes("File exists")) return resume(Effect.succeed(error === null))
        resume(Effect.fail(new FifoUnusable({ path, reason: `cannot make it: ${mkfifoReason(error, stderr)}` })))
      })
    })
  )

/** `mkfifo: cannot create fifo 'x': Permission denied` names the path once more; what follows it is the reason. */
const mkfifoReason = (error: Error, stderr: string): string => {
  if (hasErrno(error, "ENOENT")) return "the program mkfifo is not installed"
  if ("killed" in error && error.killed === true) return `mkfifo took longer than ${mkfifoTimeoutMs} ms`
  return stderr.trim().split(": ").at(-1)?.toLowerCase() || errnoText(error)
}
