/**
 * The Spawner on a worker thread (spawner.worker.ts), started with the first command. It owns the thread and the table
 * of commands in flight. Signals go straight from here: `kill` is a cheap system call and must not queue behind a spawn.
 *
 * When the thread dies, nobody can learn any more how its commands end: their groups are sent KILL, their `exit` and
 * `output` fail with `CommandLost`, their live output ends, and the next command starts a new thread. (The dead leaders
 * stay as zombies until the daemon ends, because only their parent's thread could have reaped them.) Never: a member of a
 * group outlives the layer.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { isBuiltin } from "node:module"
import { isMainThread, Worker } from "node:worker_threads"
import { workerUrl } from "../workers/workerUrl.ts"
import { LiveReads } from "./LiveReads.ts"
import { CommandLost, type GroupSignal, type RunningCommand, SpawnError, Spawner, type SpawnReason } from "./Spawner.ts"
import type { CommandOutput, CommandSpec, ExitStatus, FromWorker, ToWorker } from "./SpawnerProtocol.ts"
import { killUnreported } from "./unreported.ts"

/** The thread may be in the middle of a spawn when it is asked to end; one that takes longer than this hangs. */
const stopWait = Duration.seconds(1)

interface InFlight {
  readonly program: string
  readonly spawned: Deferred.Deferred<number, SpawnError>
  readonly exit: Deferred.Deferred<ExitStatus, CommandLost>
  readonly output: Deferred.Deferred<CommandOutput, CommandLost>
  pid: number | undefined
  /** No member is left: the number may belong to a stranger by now. */
  gone: boolean
}

export const make = Effect.fnUntraced(function* (
  /** Told of every thread that is started; tests use it to kill one. */
  onWorker: (worker: Worker) => void = () => undefined,
  /** Whether the quick way may be used (posixSpawn.ts): only the main thread is told of the end of its children. */
  quick = isMainThread && isBuiltin("node:ffi")
): Effect.fn.Return<Spawner["Service"], never, Scope.Scope> {
  const inFlight = new Map<number, InFlight>()
  /** Whose live output has not ended here; that of a command that was released comes a moment later. */
  const live = new Map<number, LiveReads>()
  let current: Worker | undefined
  let lastId = 0

  const receive = (message: FromWorker) => {
    if (live.get(message.id)?.receive(message) === true) live.delete(message.id)
    const command = inFlight.get(message.id)
    if (command === undefined) return
    switch (message._tag) {
      case "Spawned":
        command.pid = message.pid
        Deferred.doneUnsafe(command.spawned, Effect.succeed(message.pid))
        return
      case "Failed": {
        const { program } = command
        const reason = reasons[message.code] ?? "other"
        Deferred.doneUnsafe(command.spawned, Effect.fail(new SpawnError({ program, reason, detail: message.detail })))
        return
      }
      case "Ended":
        Deferred.doneUnsafe(command.exit, Effect.succeed(message.status))
        return
      case "Output":
        Deferred.doneUnsafe(command.output, Effect.succeed(message.output))
        return
      case "Done":
        inFlight.delete(message.id)
        Deferred.doneUnsafe(command.output, Effect.succeed(message.output))
        Deferred.doneUnsafe(command.exit, Effect.succeed(message.status))
        return
    }
  }

  const loseAll = (why: string) => {
    for (const command of inFlight.values()) {
      const { pid, program } = command
      if (pid === undefined) {
        const failure = new SpawnError({ program, reason: "spawner-died", detail: why })
        Deferred.doneUnsafe(command.spawned, Effect.fail(failure))
        continue
      }
      signal(command, "SIGKILL")
      command.gone = true
      const lost = Effect.fail(new CommandLost({ program, pid, why }))
      Deferred.doneUnsafe(command.exit, lost)
      Deferred.doneUnsafe(command.output, lost)
    }
    inFlight.clear()
    for (const reads of live.values()) reads.end(undefined)
    live.clear()
  }

  const startWorker = (): Worker => {
    // No environment: what a command may see is in its spec, and TMPDIR is all that the thread itself needs.
    const env = process.env["TMPDIR"] === undefined ? {} : { TMPDIR: process.env["TMPDIR"] }
    const worker = new Worker(workerUrl("spawner", import.meta.url), {
      name: "spawner",
      env,
      // That node:ffi is experimental is known here, and no news for the process log.
      execArgv: ["--disable-warning=ExperimentalWarning"],
      workerData: quick ? "posix-spawn" : undefined,
      // Node would close at the thread's end every number the thread ever opened, also one that libuv has closed and
      // that is a socket of the main thread by now.
      trackUnmanagedFds: false
    })
    let failure = "its thread was ended"
    worker.on("message", receive)
    worker.on("error", (error: unknown) => {
      failure = `its thread failed: ${error instanceof Error ? error.message : String(error)}`
    })
    worker.on("exit", () => {
      if (current === worker) current = undefined
      loseAll(failure)
    })
    current = worker
    onWorker(worker)
    return worker
  }

  const post = (message: ToWorker) => {
    const worker = current ?? startWorker()
    worker.postMessage(message, [])
  }

  /** What is no news to a thread that is started now. */
  const postIfAny = (message: ToWorker) => {
    current?.postMessage(message, [])
  }

  const childEnded = () => postIfAny({ _tag: "ChildEnded" })
  if (quick) process.on("SIGCHLD", childEnded)

  const stop = Effect.callback<void>((resume) => {
    if (current === undefined) return resume(Effect.void)
    current.once("exit", () => resume(Effect.void))
    post({ _tag: "Stop" })
  })

  yield* Effect.addFinalizer(() =>
    Effect.interruptible(
      Effect.timeoutOrElse(stop, {
        duration: stopWait,
        orElse: () => Effect.promise(async () => current?.terminate())
      })
    ).pipe(Effect.ensuring(Effect.sync(() => process.off("SIGCHLD", childEnded))))
  )

  const begin = (spec: CommandSpec) =>
    Effect.gen(function* () {
      const id = (lastId += 1)
      const command: InFlight = {
        program: spec.argv[0],
        spawned: Deferred.makeUnsafe(),
        exit: Deferred.makeUnsafe(),
        output: Deferred.makeUnsafe(),
        pid: undefined,
        gone: false
      }
      inFlight.set(id, command)
      const reads = spec.live === undefined && spec.paced !== true ? undefined : new LiveReads(id, postIfAny)
      if (reads !== undefined) live.set(id, reads)
      post({ _tag: "Spawn", id, spec: messageOf(spec) })
      const pid = yield* Deferred.await(command.spawned).pipe(
        Effect.onError(() =>
          Effect.sync(() => {
            inFlight.delete(id)
            live.delete(id)
          })
        ),
        Effect.tapError(({ reason }) =>
          reason === "spawner-died" ? Effect.promise(() => killUnreported(spec.argv)) : Effect.void
        )
      )
      const running: RunningCommand = {
        pid,
        startedAt: yield* Clock.currentTimeMillis,
        exit: Deferred.await(command.exit),
        output: Deferred.await(command.output),
        live: reads,
        closeOutput: Effect.sync(() => {
          if (inFlight.has(id)) post({ _tag: "CloseOutput", id })
        }),
        signalGroup: (name) => Effect.sync(() => signal(command, name))
      }
      const release = Effect.sync(() => {
        signal(command, "SIGKILL")
        command.gone = true
        if (inFlight.delete(id)) post({ _tag: "Release", id })
      })
      return { running, release }
    })

  return {
    spawn: (spec) =>
      Effect.map(
        Effect.acquireRelease(begin(spec), ({ release }) => release),
        ({ running }) => running
      )
  }
})

/**
 * The kernel keeps a number in use while it names a living group, so a group seen alive is the command's own. Between
 * the last member's end and our seeing it (a poll of a second, see the executor) the number could in theory be given to a
 * stranger that makes it its own group; pids come in order, so that takes tens of thousands of new processes in that time.
 */
const signal = (command: InFlight, name: GroupSignal): boolean => {
  if (command.gone || command.pid === undefined) return false
  try {
    process.kill(-command.pid, name)
    return true
  } catch (error) {
    // EPERM: members are left, and all of them run as users the daemon may not signal.
    if (error instanceof Error && "code" in error && error.code === "EPERM") return true
    command.gone = true
    return false
  }
}

/** A caller's spec may carry more than a message can: effects, for one. */
const messageOf = ({ argv, cwd, env, gid, headBytes, live, paced, tailBytes, uid }: CommandSpec): CommandSpec => ({
  argv,
  cwd,
  env,
  gid,
  headBytes,
  live,
  paced,
  tailBytes,
  uid
})

/** Error codes of spawn(2), execve(2) and node's own checks. */
const reasons: Readonly<Record<string, typeof SpawnReason.Type>> = {
  BAD_DIRECTORY: "bad-directory",
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  EACCES: "not-permitted",
  EPERM: "not-permitted",
  EAGAIN: "no-resources",
  ENOMEM: "no-resources",
  EMFILE: "no-resources",
  ENFILE: "no-resources",
  E2BIG: "arguments-too-long",
  ERR_INVALID_ARG_VALUE: "invalid",
  ERR_INVALID_ARG_TYPE: "invalid",
  ERR_OUT_OF_RANGE: "invalid"
}

/** Build it once: two would be two threads. */
export const layerWorker: Layer.Layer<Spawner> = Layer.effect(Spawner, make())
