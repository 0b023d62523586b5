/**
 * Makes system calls of a running program fail, as a disk that breaks does: strace attaches to all of its threads and
 * answers in the kernel's place. What is told to fail fails from the return of `begin` until `end`. Without strace, or
 * the right to trace, a test fails and says so.
 */
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Fault {
  /** The calls go through again. */
  readonly end: Effect.Effect<void>
}

/**
 * `calls` and `what` are strace's: `fsync,fdatasync` and `error=EIO`, `rename` and `signal=KILL`, with `when=1` for the
 * first one of each thread alone. The fault is over when the scope closes, at the latest.
 */
export const begin = (pid: number, calls: string, what: string): Effect.Effect<Fault, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(async () => {
        const args = ["-f", "-p", String(pid), "-e", `trace=${calls}`, "-e", `inject=${calls}:${what}`]
        const child = spawn("strace", [...args, "-o", "/dev/null"], { stdio: ["ignore", "ignore", "pipe"] })
        const ended = new Promise<void>((resolve) => {
          child.once("close", () => resolve())
          child.once("error", () => resolve())
        })
        let said = ""
        const attached = new Promise<void>((resolve) => {
          child.stderr.on("data", (chunk: Buffer) => {
            said += chunk.toString()
            if (/ attached/u.test(said)) resolve()
          })
        })
        await Promise.race([attached, ended])
        if (!/ attached/u.test(said)) {
          throw new Error(`strace cannot make system calls of ${pid} fail; install it, and run as root: ${said}`)
        }
        const end = async () => {
          child.kill("SIGINT")
          await ended
        }
        return { end }
      }),
      ({ end }) => Effect.promise(end)
    ),
    ({ end }) => ({ end: Effect.promise(end) })
  )

/** Runs a program from its first moment with such a fault; the result is its exit code, or the signal that ended it. */
export const runWith = (
  calls: string,
  what: string,
  command: ReadonlyArray<string>,
  cwd: string
): Effect.Effect<number | string> =>
  Effect.promise(async () => {
    // strace counts `when` for each thread: one thread does all the work with files.
    const args = [
      "-f",
      "-E",
      "UV_THREADPOOL_SIZE=1",
      "-o",
      "/dev/null",
      "-e",
      `trace=${calls}`,
      "-e",
      `inject=${calls}:${what}`,
      ...command
    ]
    const child = spawn("strace", args, { cwd, stdio: "ignore" })
    const [code, signal] = await once(child, "close")
    return typeof code === "number" ? code : String(signal)
  })
