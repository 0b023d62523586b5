/**
 * Makes real pipes for the output of commands. What Node calls a pipe is a socket pair, on which `echo x >/dev/stderr`
 * fails with ENXIO (a socket cannot be opened by path): scripts do that, so they get FIFOs, which have no name any more
 * by the time a command sees them. Plain, blocking code, because it runs in the spawner's worker.
 *
 * Bounds: at most `batch` pipes are kept ready. On failure (no `mkfifo`, no space for an inode) commands get socket
 * pairs instead, and the next `skipAfterFailure` commands do not try again. Never: leaves a file behind.
 */
import { spawnSync } from "node:child_process"
import { closeSync, constants, mkdtempSync, openSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** The file descriptors of a pipe; whoever takes one closes both. */
export interface Pipe {
  /** Non-blocking. */
  readonly read: number
  readonly write: number
}

/** One `mkfifo` (a few milliseconds) serves sixteen commands; 64 descriptors are little beside the usual 1024. */
const batch = 32
const skipAfterFailure = 100
/** `mkfifo` is done in a millisecond; one that hangs on a dead file system must not hold commands up for long. */
const mkfifoTimeoutMs = 1000

let ready: Array<Pipe> = []
let skip = 0

/** A pipe nobody else holds, or undefined where none can be made. */
export const takePipe = (): Pipe | undefined => {
  const pipe = ready.pop()
  if (pipe !== undefined) return pipe
  if (skip > 0) {
    skip -= 1
    return undefined
  }
  ready = makePipes()
  if (ready.length === 0) skip = skipAfterFailure
  return ready.pop()
}

/** Closes what is ready; a thread that ends does not do so by itself. */
export const closePipes = (): void => {
  for (const pipe of ready) closePipe(pipe)
  ready = []
}

export const closePipe = (pipe: Pipe): void => {
  closeSync(pipe.read)
  closeSync(pipe.write)
}

const makePipes = (): Array<Pipe> => {
  const pipes: Array<Pipe> = []
  let folder: string | undefined
  try {
    folder = mkdtempSync(join(tmpdir(), "systemapi-pipes-"))
    const paths = Array.from({ length: batch }, (_, n) => join(folder ?? "", String(n)))
    // Mode 666: a command that runs as another user may open its own /dev/stderr. Only the folder, 0700, has a name.
    const made = spawnSync("mkfifo", ["-m", "666", ...paths], {
      stdio: "ignore",
      timeout: mkfifoTimeoutMs,
      env: { PATH: "/usr/bin:/bin:/usr/sbin:/sbin:/usr/local/bin" }
    })
    if (made.status !== 0) return []
    for (const path of paths) {
      const read = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
      try {
        pipes.push({ read, write: openSync(path, constants.O_WRONLY) })
      } catch (error) {
        closeSync(read)
        throw error
      }
    }
    return pipes
  } catch {
    // Out of descriptors: enough for one command is kept, or this pool would hold what the command itself, a client or a
    // file needs. None at all means socket pairs.
    for (const pipe of pipes.splice(2)) closePipe(pipe)
    return pipes
  } finally {
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  }
}
