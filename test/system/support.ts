/**
 * Starts the built daemon as its users do, as a process of its own with a folder and a configuration of its own, and
 * waits for what it says on standard error. Whatever a test starts ends with the test's scope, by its pid.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { buildOnce, program } from "./build.ts"

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Daemon {
  readonly folder: string
  readonly pid: number
  /** Of the first listener. */
  readonly url: string
  readonly port: number
  /** All it has written to standard error so far. */
  readonly said: () => string
  /** Waits until standard error matches; fails when the daemon ends before. */
  readonly says: (pattern: RegExp) => Effect.Effect<RegExpExecArray>
  readonly ended: Effect.Effect<Ended>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
  /** SIGTERM, and its end. */
  readonly stop: Effect.Effect<Ended>
  /** SIGKILL, and its end. */
  readonly kill: Effect.Effect<Ended>
}

export interface StartOptions {
  /** Default: a new one, removed with the scope. */
  readonly folder?: string
  /** TOML; written to `config.toml` in the folder and given with `--config`. Undefined: no configuration. */
  readonly config?: string
  readonly args?: ReadonlyArray<string>
  readonly env?: Readonly<Record<string, string>>
  readonly umask?: string
  /** Shell commands that the daemon is started after: `ulimit -n 64`. */
  readonly after?: string
  /** Descriptors of this process that it gets from 3 on, as a service manager passes sockets. */
  readonly passed?: ReadonlyArray<number>
}

export const temporaryFolder: Effect.Effect<string, never, Scope.Scope> = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "systemapi-system-"))),
  (folder) => Effect.promise(() => rm(folder, { recursive: true, force: true }))
)

export const write = (folder: string, name: string, content: string | Uint8Array): Effect.Effect<string> =>
  Effect.promise(async () => {
    const path = join(folder, name)
    await writeFile(path, content)
    return path
  })

/** What a service manager passes, and nothing of what vitest set. */
const environment = (more: Readonly<Record<string, string>> = {}): Record<string, string> => ({
  PATH: process.env["PATH"] ?? "/usr/bin:/bin",
  HOME: process.env["HOME"] ?? "/",
  TMPDIR: tmpdir(),
  ...more
})

interface Watched {
  readonly child: ChildProcess
  readonly out: () => string
  readonly said: () => string
  /** Called at everything written to standard error, and at the end. */
  readonly onNews: Set<() => void>
  readonly ended: Deferred.Deferred<Ended>
  readonly hasEnded: () => boolean
}

const watch = (child: ChildProcess): Watched => {
  const out: Array<Buffer> = []
  const err: Array<Buffer> = []
  const onNews = new Set<() => void>()
  const ended = Deferred.makeUnsafe<Ended>()
  let hasEnded = false
  const tell = () => {
    for (const listener of onNews) listener()
  }
  child.stdout?.on("data", (chunk: Buffer) => out.push(chunk))
  child.stderr?.on("data", (chunk: Buffer) => {
    err.push(chunk)
    tell()
  })
  // "close" comes when the outputs have been read to their end too.
  child.once("close", (code, signal) => {
    hasEnded = true
    Deferred.doneUnsafe(ended, Effect.succeed({ code, signal }))
    tell()
  })
  return {
    child,
    out: () => Buffer.concat(out).toString(),
    said: () => Buffer.concat(err).toString(),
    onNews,
    ended,
    hasEnded: () => hasEnded
  }
}

const spawnScoped = (
  command: string,
  args: ReadonlyArray<string>,
  options: {
    readonly cwd: string
    readonly env: Record<string, string>
    readonly stdin?: string | Uint8Array
    readonly passed?: ReadonlyArray<number>
  }
): Effect.Effect<Watched, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const { cwd, env, passed = [], stdin } = options
      const stdio = [stdin === undefined ? "ignore" : "pipe", "pipe", "pipe", ...passed] as const
      const child = spawn(command, args, { cwd, env, stdio: [...stdio] })
      // A command may end without reading what it is given.
      child.stdin?.on("error", () => {})
      child.stdin?.end(stdin)
      return watch(child)
    }),
    ({ child, ended, hasEnded }) =>
      Effect.suspend(() => {
        if (hasEnded()) return Effect.void
        child.kill("SIGKILL")
        return Deferred.await(ended)
      })
  )

const waitFor = <A>(watched: Watched, look: () => A | undefined, what: string): Effect.Effect<A> =>
  Effect.callback((resume) => {
    const listener = () => {
      const found = look()
      if (found !== undefined) resume(Effect.succeed(found))
      else if (watched.hasEnded()) resume(Effect.die(new Error(`the daemon ended before ${what}:\n${watched.said()}`)))
    }
    watched.onNews.add(listener)
    listener()
    return Effect.sync(() => watched.onNews.delete(listener))
  })

const prepare = Effect.fnUntraced(function* ({ after, args = [], config, env, umask, ...options }: StartOptions) {
  yield* buildOnce
  const folder = options.folder ?? (yield* temporaryFolder)
  if (config !== undefined) yield* write(folder, "config.toml", config)
  const argv = [...(config === undefined ? [] : ["--config", "config.toml"]), ...args]
  const first = [...(umask === undefined ? [] : [`umask ${umask}`]), ...(after === undefined ? [] : [after])]
  const whole =
    first.length === 0 ? [program, ...argv] : ["sh", "-c", [...first, `exec "$0" "$@"`].join("; "), program, ...argv]
  return { folder, whole, env: environment(env) }
})

/** Returns once the daemon has said that it is ready. */
export const start = Effect.fnUntraced(function* (options: StartOptions): Effect.fn.Return<Daemon, never, Scope.Scope> {
  const { env, folder, whole } = yield* prepare(options)
  const { passed = [] } = options
  const watched = yield* spawnScoped(whole[0] ?? "", whole.slice(1), { cwd: folder, env, passed })
  const { child, said } = watched
  const says = (pattern: RegExp) =>
    waitFor(watched, () => pattern.exec(said()) ?? undefined, `it said ${String(pattern)}`)
  yield* says(/ is ready\n/u)
  const url = /listening on (\S+)\n/u.exec(said())?.[1] ?? ""
  const ended = Deferred.await(watched.ended)
  const signal = (name: NodeJS.Signals) => Effect.sync(() => void child.kill(name))
  const daemon: Daemon = {
    folder,
    pid: child.pid ?? 0,
    url,
    port: Number(/:(\d+)$/u.exec(url)?.[1] ?? 0),
    said,
    says,
    ended,
    signal,
    stop: Effect.andThen(signal("SIGTERM"), ended),
    kill: Effect.andThen(signal("SIGKILL"), ended)
  }
  return daemon
})

export interface CommandResult extends Ended {
  readonly out: string
  readonly err: string
}

/** Runs a program to its end. */
export const execute = (
  command: string,
  args: ReadonlyArray<string>,
  options: {
    readonly cwd?: string
    readonly env?: Readonly<Record<string, string>>
    readonly stdin?: string | Uint8Array
    readonly passed?: ReadonlyArray<number>
  } = {}
): Effect.Effect<CommandResult> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { cwd = tmpdir(), env, passed = [], stdin } = options
      const whole = { cwd, env: environment(env), passed, ...(stdin === undefined ? {} : { stdin }) }
      const { ended, out, said } = yield* spawnScoped(command, args, whole)
      const result = yield* Deferred.await(ended)
      return { ...result, out: out(), err: said() }
    })
  )

/** A start that is expected to end by itself, or a command of the `systemapi` command line. */
export const run = (options: StartOptions & { readonly stdin?: string | Uint8Array }): Effect.Effect<CommandResult> =>
  Effect.scoped(
    Effect.gen(function* () {
      const { env, folder, whole } = yield* prepare(options)
      const { passed = [], stdin } = options
      return yield* execute(whole[0] ?? "", whole.slice(1), {
        cwd: folder,
        env,
        passed,
        ...(stdin === undefined ? {} : { stdin })
      })
    })
  )

/** As a person types it; fails the test when the command fails. */
export const shell = (folder: string, command: string): Effect.Effect<string> =>
  Effect.map(execute("sh", ["-c", command], { cwd: folder }), ({ code, err, out }) => {
    if (code !== 0) throw new Error(`${command}: exit ${code}: ${err}`)
    return out
  })

/** Longer than anything takes on a busy machine, shorter than a test may take. */
const patience = Duration.seconds(30)
const glance = Duration.millis(20)

/** For what gives no signal, as /proc: looks again and again until it holds. */
export const eventually = <R>(what: string, holds: Effect.Effect<boolean, never, R>): Effect.Effect<void, never, R> => {
  const look: Effect.Effect<void, never, R> = Effect.flatMap(holds, (yes) =>
    yes ? Effect.void : Effect.andThen(Effect.sleep(glance), look)
  )
  return Effect.timeoutOrElse(look, {
    duration: patience,
    orElse: () => Effect.die(new Error(`never came about: ${what}`))
  })
}
