/** Real FIFOs and writers, and an event log and a FIFO that do as a test tells them. */
import { type ChildProcess, spawn } from "node:child_process"
import * as fs from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type { EventRun } from "../../../src/services/events/Event.ts"
import { type AppendError, EventLog } from "../../../src/services/events/EventLog.ts"
import { RecentEvents } from "../../../src/services/events/RecentEvents.ts"
import { Fifo } from "../../../src/services/fifo/Fifo.ts"
import type { Receive } from "../../../src/services/fifo/FifoSocket.ts"
import { FifoUnusable } from "../../../src/services/fifo/FifoUnusable.ts"
import type { PipeOptions } from "../../../src/services/fifo/Pipes.ts"

/** Open to every account, so that a writer of another one can reach what is in it. */
export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await fs.mkdtemp(join(tmpdir(), "systemapi-fifo-"))
    await fs.chmod(folder, 0o755)
    return folder
  }),
  (folder) => Effect.promise(() => fs.rm(folder, { recursive: true, force: true }))
)

/** A path in a folder of its own. */
export const temporaryPath = Effect.map(temporaryFolder, (folder) => join(folder, "pipe"))

export const pipe = (path: string, options: Partial<PipeOptions> = {}): PipeOptions => ({
  path,
  source: "test",
  trim: false,
  skipEmpty: false,
  givenTime: false,
  lineMaxBytes: 65_536,
  mode: 0o666,
  ...options
})

interface Shell {
  readonly process: ChildProcess
  /** Its exit code, or the signal that ended it. */
  readonly ended: Effect.Effect<number | NodeJS.Signals | null>
}

/** Starts a shell script; `$1` is the path. It is killed with the scope. */
export const startShell = (script: string, path: string, uid?: number) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => {
        const child = spawn("/bin/sh", ["-c", script, "sh", path], {
          stdio: "ignore",
          ...(uid === undefined ? {} : { uid, gid: uid })
        })
        const ended = Deferred.makeUnsafe<number | NodeJS.Signals | null>()
        child.on("exit", (code, signal) => Deferred.doneUnsafe(ended, Effect.succeed(code ?? signal)))
        return { process: child, ended: Deferred.await(ended) }
      }),
      (shell) => Effect.sync(() => shell.process.kill("SIGKILL"))
    ),
    (shell): Shell => shell
  )

/** Runs a shell script to its end. */
export const shell = (script: string, path: string, uid?: number) =>
  Effect.scoped(Effect.flatMap(startShell(script, path, uid), ({ ended }) => ended))

export interface FakeLog {
  readonly layer: Layer.Layer<EventLog>
  /** Takes what was appended, in order, until it holds `count` messages. */
  readonly take: (count: number) => Effect.Effect<ReadonlyArray<string>>
  readonly takeRuns: Effect.Effect<ReadonlyArray<EventRun>>
  /** How often an append was asked for, refused ones included. */
  readonly asked: Queue.Queue<ReadonlyArray<EventRun>>
  /** What happens to an append before it is stored. */
  before: Effect.Effect<void, AppendError>
}

export const makeFakeLog = Effect.gen(function* () {
  const asked = yield* Queue.unbounded<ReadonlyArray<EventRun>>()
  const stored = yield* Queue.unbounded<ReadonlyArray<EventRun>>()
  let last = 0
  const fake: FakeLog = {
    before: Effect.void,
    asked,
    take: Effect.fnUntraced(function* (count) {
      const messages: Array<string> = []
      while (messages.length < count) {
        for (const run of yield* Queue.take(stored)) for (const message of run.messages) messages.push(message)
      }
      return messages
    }),
    takeRuns: Queue.take(stored),
    layer: Layer.mock(EventLog, {
      append: Effect.fnUntraced(function* (runs) {
        yield* Queue.offer(asked, runs)
        yield* fake.before
        const first = last + 1
        for (const run of runs) last += run.messages.length
        yield* Queue.offer(stored, runs)
        return { first, last }
      }),
      bounds: () => ({ first: 1, last, removedThrough: 0, hidden: 0, bytes: 0 }),
      recent: new RecentEvents({ events: 1, bytes: 1 }, 0),
      degraded: () => undefined
    })
  }
  return fake
})

export interface FakeFifo {
  readonly layer: Layer.Layer<Fifo>
  /** Writes into the FIFO that is open; false when its reader wants no more. */
  readonly write: (text: string) => boolean
  /** Takes one signal for every time it was opened. */
  readonly opened: Effect.Effect<void>
  /** Takes one signal for every time its reader asked to go on. */
  readonly resumed: Effect.Effect<void>
  /** What is at the path: another identity is another FIFO. */
  identity: string | undefined
  /** Why it cannot be opened. */
  broken: string | undefined
  /** What is found in it when it is closed. */
  left: string
  /** Ends the reading with a failure. */
  readonly fail: (reason: string) => Effect.Effect<void>
}

export const makeFakeFifo = Effect.gen(function* () {
  const opened = yield* Queue.unbounded<void>()
  const resumed = yield* Queue.unbounded<void>()
  let receive: Receive | undefined
  let failing = yield* Deferred.make<never, FifoUnusable>()
  const give = (text: string) => receive?.(Buffer.from(text)) ?? false
  const fifo: FakeFifo = {
    identity: "1",
    broken: undefined,
    left: "",
    write: give,
    opened: Queue.take(opened),
    resumed: Queue.take(resumed),
    fail: (reason) => Effect.asVoid(Deferred.fail(failing, new FifoUnusable({ path: "fake", reason }))),
    layer: Layer.succeed(Fifo, {
      place: () => Effect.succeed("placed"),
      identity: () => Effect.sync(() => fifo.identity),
      openAside: () => Effect.undefined,
      open: (path, receiver) =>
        Effect.suspend(() => {
          if (fifo.broken !== undefined) return Effect.fail(new FifoUnusable({ path, reason: fifo.broken }))
          failing = Deferred.makeUnsafe()
          Queue.offerUnsafe(opened, undefined)
          return Effect.acquireRelease(
            Effect.sync(() => {
              receive = receiver
              return {
                identity: (fifo.identity ??= "made"),
                resume: () => void Queue.offerUnsafe(resumed, undefined),
                failed: Deferred.await(failing)
              }
            }),
            () =>
              Effect.sync(() => {
                if (fifo.left !== "") give(fifo.left)
                fifo.left = ""
                receive = undefined
              })
          )
        })
    })
  }
  return fifo
})

/** The real FIFO, with a signal for what its reader does. */
export const makeWatchedFifo = Effect.gen(function* () {
  const received = yield* Queue.unbounded<string>()
  const resumed = yield* Queue.unbounded<void>()
  const paused = yield* Queue.unbounded<void>()
  const layer = Layer.effect(
    Fifo,
    Effect.map(Fifo, (real) =>
      Fifo.of({
        ...real,
        open: (path, receive) => {
          const opened = real.open(path, (bytes) => {
            Queue.offerUnsafe(received, bytes.toString("latin1"))
            const more = receive(bytes)
            if (!more) Queue.offerUnsafe(paused, undefined)
            return more
          })
          return Effect.map(opened, (current) => ({
            ...current,
            resume: () => {
              current.resume()
              Queue.offerUnsafe(resumed, undefined)
            }
          }))
        }
      })
    )
  ).pipe(Layer.provide(Fifo.layer))
  return {
    layer,
    /** Takes the next bytes that were read. */
    received: Queue.take(received),
    /** Takes one signal for every time reading began or went on. */
    resumed: Queue.take(resumed),
    /** Takes one signal for every time reading was stopped because too much waits. */
    paused: Queue.take(paused)
  }
})
