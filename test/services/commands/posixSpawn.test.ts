/** The quick way by itself: what it does, and what it leaves to the other way. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { closeSync, readFileSync } from "node:fs"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { constants } from "node:os"
import { execFile } from "node:child_process"
import { promisify } from "node:util"
import type { Pipe } from "../../../src/services/commands/Pipes.ts"
import { loadPosixSpawn, type PosixSpawn } from "../../../src/services/commands/posixSpawn.ts"
import type { CommandSpec, ExitStatus } from "../../../src/services/commands/SpawnerProtocol.ts"
import { exited, script, temporaryFolder } from "./support.ts"

const loaded = Effect.sync(() => {
  const posix = loadPosixSpawn()
  if (posix === undefined) throw new Error("not on this Node")
  return posix
})

const makePipe = (posix: PosixSpawn) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const pipe = posix.makePipe()
      if (pipe === undefined) throw new Error("no pipe")
      return pipe
    }),
    ({ read }) => Effect.sync(() => closeSync(read))
  )

/** Starts it and closes the ends that are the command's. */
const spawn = Effect.fnUntraced(function* (posix: PosixSpawn, spec: CommandSpec) {
  const [stdout, stderr]: ReadonlyArray<Pipe> = [yield* makePipe(posix), yield* makePipe(posix)]
  if (stdout === undefined || stderr === undefined) throw new Error("no pipe")
  const pid = posix.spawn(spec, stdout, stderr)
  closeSync(stdout.write)
  closeSync(stderr.write)
  return { pid, stdout }
})

const ended = (posix: PosixSpawn, pid: number) =>
  Effect.callback<ExitStatus>((resume) => {
    const look = () => {
      const status = posix.reap(pid)
      if (status !== undefined) resume(Effect.succeed(status))
    }
    process.on("SIGCHLD", look)
    look()
    return Effect.sync(() => process.off("SIGCHLD", look))
  }).pipe(Effect.ensuring(Effect.sync(() => process.removeAllListeners("SIGCHLD"))))

/** Threads that call into the C library without end, each ended at some moment after V8 has found that worth compiling. */
const threads = (count: number) => `
  import { isMainThread, parentPort, Worker } from "node:worker_threads"
  import { loadPosixSpawn } from "${new URL("../../../src/services/commands/posixSpawn.ts", import.meta.url).href}"
  if (isMainThread) {
    for (let n = 0; n < ${count}; n++) {
      const worker = new Worker(new URL(import.meta.url))
      await new Promise((resolve) => worker.once("message", resolve))
      await worker.terminate()
    }
    console.log("all ended")
  } else {
    const posix = loadPosixSpawn()
    const call = () => { for (let n = 0; n < 1000; n++) posix.reap(1) }
    for (let n = 0; n < 30; n++) call()
    setInterval(call, 1)
    parentPort.postMessage("warm")
  }`

describe("posix_spawn", () => {
  it.live("starts a program, whose end is told once", () =>
    Effect.gen(function* () {
      const posix = yield* loaded
      const { pid, stdout } = yield* spawn(posix, script("echo $$; exit 7"))
      assert.isDefined(pid)
      assert.deepStrictEqual(yield* ended(posix, pid), exited(7))
      assert.strictEqual(readFileSync(stdout.read, "utf8"), `${pid}\n`)
      assert.isUndefined(posix.reap(pid))
    })
  )

  it.live.each(["SIGKILL", "SIGABRT", "SIGPIPE", "SIGIO", "SIGSYS"] as const)("tells that %s ended it", (name) =>
    Effect.gen(function* () {
      const posix = yield* loaded
      const { pid } = yield* spawn(posix, script(`ulimit -c 0; kill -${constants.signals[name]} $$`))
      assert.isDefined(pid)
      assert.deepStrictEqual(yield* ended(posix, pid), { _tag: "Signaled", signal: name })
    })
  )

  it.live("starts nothing of what it cannot do", () =>
    Effect.gen(function* () {
      const posix = yield* loaded
      const tooMuch = { A: "x".repeat(130_000), B: "x".repeat(130_000) }
      for (const spec of [
        script("true", { uid: process.getuid?.() ?? 0 }),
        script("true", { gid: process.getgid?.() ?? 0 }),
        script("", { argv: ["true"] }),
        script("", { argv: ["/no/such/program"] }),
        script("true", { cwd: "/no/such/folder" }),
        script("true\0false"),
        script("true", { env: { A: "a\0b" } }),
        script("true", { env: tooMuch }),
        script(":".repeat(300_000))
      ]) {
        assert.isUndefined((yield* spawn(posix, spec)).pid, JSON.stringify(spec).slice(0, 100))
      }
    })
  )

  it.live("does not bring the process down when a thread that uses it ends", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const file = join(folder, "threads.mjs")
      yield* Effect.promise(() => writeFile(file, threads(20)))
      const { stdout } = yield* Effect.promise(() => promisify(execFile)(process.execPath, [file]))
      assert.strictEqual(stdout, "all ended\n")
    })
  )
})
