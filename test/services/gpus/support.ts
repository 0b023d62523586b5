/** For tests of what is asked of nvidia-smi: a configuration, and an executor that starts nothing and answers as told. */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import type { Executor, RunError, RunRequest, RunResult } from "../../../src/services/commands/Executor.ts"
import type { StreamOutput } from "../../../src/services/commands/Spawner.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"

/** A program that is there, wherever tests run. Nothing starts it. */
export const program = "/bin/sh"

export const configOf = (toml = "") =>
  Effect.gen(function* () {
    const path = join(yield* temporaryFolder, "systemapi-config.toml")
    yield* Effect.promise(() => writeFile(path, `[gpus]\ncommand = "${program}"\n${toml}`))
    const { config } = yield* Effect.orDie(load(path, {}))
    return { get: () => config }
  })

const streamOf = (head: string, truncated = false): StreamOutput => ({
  head,
  tail: "",
  bytes: head.length,
  sha256: "",
  truncated
})

export const ended = (code: number, stdout: string, more: Partial<RunResult> = {}): RunResult => ({
  exit: { _tag: "Exited", code },
  timedOut: false,
  endedEarly: false,
  durationMs: 1,
  pid: 4242,
  startedAt: 0,
  stdout: streamOf(stdout),
  stderr: streamOf(""),
  ...more
})

export const cut = streamOf

/** One run that waits for its end. */
export interface Asked {
  readonly request: RunRequest
  readonly end: (result: Effect.Effect<RunResult, RunError>) => Effect.Effect<boolean>
}

export const makeFakeExecutor = Effect.gen(function* () {
  const asked = yield* Queue.unbounded<Asked>()
  let running = 0
  let most = 0
  let started = 0
  const run: Executor["Service"]["run"] = (request) =>
    Effect.gen(function* () {
      const done = yield* Deferred.make<RunResult, RunError>()
      running += 1
      started += 1
      most = Math.max(most, running)
      yield* Queue.offer(asked, { request, end: (result) => Deferred.complete(done, result) })
      return yield* Effect.ensuring(
        Deferred.await(done),
        Effect.sync(() => (running -= 1))
      )
    })
  return {
    executor: { run },
    next: Queue.take(asked),
    /** How many there were, and at once at the most. */
    counted: () => ({ started, most })
  }
})

/** Answers whatever is asked, at once. */
export const answering = (answer: (args: ReadonlyArray<string>) => RunResult) => {
  const runs: Array<ReadonlyArray<string>> = []
  const run: Executor["Service"]["run"] = ({ argv }) =>
    Effect.sync(() => {
      const [, ...args] = argv
      runs.push(args)
      return answer(args)
    })
  return { executor: { run }, runs }
}
