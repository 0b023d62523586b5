/**
 * Runs one command as the daemon does, by its executor and its spawner's thread, and says on stdout what that took. How
 * its output is read is the first argument, the command for the shell the second; `bare` is what Node alone does.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { spawn } from "node:child_process"
import { once } from "node:events"
import { readdirSync, readFileSync, writeFileSync } from "node:fs"
import * as CommandExecutor from "../src/actors/CommandExecutor.ts"
import { Supervisor } from "../src/actors/kernel/Supervisor.ts"
import { Executor, type RunRequest } from "../src/services/commands/Executor.ts"
import { type KeptOutput, type LiveOutput, readBytesMax } from "../src/services/commands/OutputLog.ts"
import * as SpawnerWorker from "../src/services/commands/SpawnerWorker.ts"

export interface RunReport {
  readonly ms: number
  readonly bytes: number
  /** The last ones. */
  readonly end: string
  /** Of resident memory, from the moment before to the peak. */
  readonly riseMiB: number
}

const [mode, text = ""] = process.argv.slice(2)

/** As [operations] has it by default. */
const kept = 64 * 1024

/** Some of those who watch have more than one window open. */
const stuckReaders = 8

/** From TERM to KILL of `cancel`. */
const killGraceMs = 500

const memoryMiB = (key: string): number =>
  Number(new RegExp(`${key}:\\s+(\\d+)`, "u").exec(readFileSync("/proc/self/status", "utf8"))?.[1]) / 1024

/** Makes VmHWM start anew from what is resident now. */
const resetPeak = () => writeFileSync("/proc/self/clear_refs", "5")

const request: RunRequest = {
  name: "bench",
  who: "bench",
  argv: ["/bin/sh", "-c", text],
  env: { PATH: "/usr/bin:/bin" },
  headBytes: kept,
  tailBytes: kept,
  timeout: Duration.minutes(5),
  outputGrace: Duration.seconds(1),
  killGrace: Duration.millis(killGraceMs),
  concurrency: 1,
  queueLength: 0,
  onAbandon: "terminate"
}

const endOf = (output: KeptOutput | undefined): string => Buffer.from(output?.segments.at(-1)?.bytes ?? []).toString()

/** Reads once, and never again. */
const getStuck = (live: LiveOutput) =>
  Effect.forEach(Array.from({ length: stuckReaders }), () => live.read(0, readBytesMax), { discard: true })

/** Reads on as fast as it comes. */
const follow = Effect.fnUntraced(function* (live: LiveOutput) {
  for (let from = 0, ended = false; !ended;) {
    const part = yield* live.read(from, readBytesMax)
    part.free?.()
    from = part.next
    ended = part.ended
  }
})

const byExecutor = Effect.fnUntraced(function* () {
  const layer = Layer.provide(CommandExecutor.layer, Layer.merge(Supervisor.layer, SpawnerWorker.layerWorker))
  const executor = Context.get(yield* Layer.build(layer), Executor)
  const reading = yield* Deferred.make<Fiber.Fiber<void>>()
  const scope = yield* Effect.scope
  const readWith = (read: (live: LiveOutput) => Effect.Effect<void>): Partial<RunRequest> => ({
    live: { headBytes: kept, tailBytes: kept },
    onStarted: ({ live }) =>
      live === undefined
        ? Effect.void
        : Effect.flatMap(Effect.forkIn(read(live), scope), (fiber) => Deferred.succeed(reading, fiber))
  })
  const options = mode === "plain" ? {} : readWith(mode === "follow" ? follow : getStuck)
  const result = yield* executor.run({ ...request, ...options })
  if (mode !== "plain") yield* Fiber.join(yield* Deferred.await(reading))
  return { bytes: result.stdout.bytes, end: mode === "plain" ? result.stdout.tail : endOf(result.output) }
}, Effect.scoped)

/** How long after its grace a command that ignores TERM is gone, with the tree it has started. */
const cancel = Effect.fnUntraced(function* () {
  const layer = Layer.provide(CommandExecutor.layer, Layer.merge(Supervisor.layer, SpawnerWorker.layerWorker))
  const executor = Context.get(yield* Layer.build(layer), Executor)
  const cancelled = yield* Deferred.make<number>()
  const result = yield* executor.run({
    ...request,
    live: { headBytes: kept, tailBytes: kept },
    // The tree is up, and nobody in it listens any more, when its last member has said so.
    onStarted: ({ live }) =>
      live === undefined
        ? Effect.void
        : live.read(0, readBytesMax).pipe(
            Effect.andThen(Clock.monotonicTimeNanos),
            Effect.flatMap((now) => Deferred.succeed(cancelled, Number(now)))
          ),
    endWhen: Effect.asVoid(Deferred.await(cancelled))
  })
  while (isThere(result.pid)) yield* Effect.sleep(1)
  const ms = (Number(yield* Clock.monotonicTimeNanos) - (yield* Deferred.await(cancelled))) / 1e6
  return { bytes: result.stdout.bytes, end: "", ms: ms - killGraceMs }
}, Effect.scoped)

/** Whether the group has a member that runs: one that has ended is there until somebody has asked how. */
const isThere = (group: number): boolean =>
  readdirSync("/proc").some((pid) => {
    if (!/^\d+$/u.test(pid)) return false
    const stat = contentOf(`/proc/${pid}/stat`)
    const [state, , pgrp] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
    return pgrp === String(group) && state !== "Z"
  })

/** Nothing, of a process that has ended meanwhile. */
const contentOf = (file: string): string => {
  try {
    return readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

/** Takes what comes and keeps nothing. */
const byNode = async () => {
  const child = spawn("/bin/sh", ["-c", text], { stdio: ["ignore", "pipe", "inherit"] })
  let bytes = 0
  let end = ""
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    end = chunk.toString("latin1", Math.max(0, chunk.length - 100))
  })
  await once(child, "close")
  return { bytes, end }
}

const before = memoryMiB("VmRSS")
resetPeak()
const started = performance.now()
const run = () => {
  switch (mode) {
    case "bare":
      return byNode()
    case "cancel":
      return Effect.runPromise(cancel())
    default:
      return Effect.runPromise(byExecutor())
  }
}
const measured = await run()
const report: RunReport = {
  ms: performance.now() - started,
  riseMiB: memoryMiB("VmHWM") - before,
  ...measured,
  end: measured.end.slice(-100)
}
console.log(JSON.stringify(report))
