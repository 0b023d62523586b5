/**
 * What nvidia-smi printed, by what it was asked: a probe for each question, shared by all who ask it. Which questions there
 * are is the callers' choice, so the table is bounded: it forgets what was asked for the longest ago, unless it is being
 * asked.
 *
 * Bounds: `questionsMax` questions, `keptMax` characters of output.
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { CurrentConfig } from "../config/CurrentConfig.ts"
import { makeProbe, type Probe } from "../probes/Probe.ts"
import { type ToolError, ToolTimeout } from "../tools/Tool.ts"
import type { SmiOutput, SmiQuery, SmiReading } from "./Gpus.ts"
import type { SmiRunner } from "./SmiRunner.ts"

/** All of sixteen GPUs and each, in both forms, and some that are not there. */
const questionsMax = 40

/** The detailed output of sixteen GPUs is some 160 KiB, that of one 10. */
const keptMax = 16 * 1024 * 1024

interface Entry {
  readonly probe: Probe<SmiOutput, ToolError>
  readonly scope: Scope.Closeable
  asking: number
  /** Characters. */
  kept: number
}

export interface SmiOutputs {
  readonly read: (query: SmiQuery) => Effect.Effect<SmiReading, ToolError>
  readonly peek: (query: SmiQuery) => SmiReading | undefined
}

export const makeSmiOutputs = Effect.fnUntraced(function* (
  runner: SmiRunner,
  config: Pick<CurrentConfig["Service"], "get">
): Effect.fn.Return<SmiOutputs, never, Scope.Scope> {
  const scope = yield* Scope.Scope
  /** What was asked for last is at the end. */
  const entries = new Map<string, Entry>()
  const late = new ToolTimeout({ command: "nvidia-smi" })

  const make = Effect.fnUntraced(function* ({ detail, gpu }: SmiQuery) {
    const own = yield* Scope.fork(scope)
    const args = [...(detail ? ["-q"] : []), ...(gpu === "all" ? [] : ["-i", String(gpu)])]
    const ask = Effect.suspend(() => {
      const { gpus, status } = config.get()
      const maxBytes = detail ? gpus.detail_max_output_bytes : status.max_output_bytes
      entry.asking += 1
      return runner.run({ args, maxBytes, urgent: gpu === "all" })
    }).pipe(
      Effect.tap(({ stderr, stdout }) => {
        entry.kept = stdout.length + stderr.length
        return makeRoom
      }),
      Effect.ensuring(Effect.sync(() => (entry.asking -= 1)))
    )
    const probe = yield* makeProbe({
      ask,
      freshMs: () => config.get().gpus.fresh_ms,
      deadlineMs: () => config.get().status.command_timeout_seconds * 1000,
      late
    }).pipe(Scope.provide(own))
    const entry: Entry = { probe, scope: own, asking: 0, kept: 0 }
    return entry
  })

  const forget = (key: string, entry: Entry) => {
    entries.delete(key)
    return Scope.close(entry.scope, Exit.void)
  }

  const isTooMuch = (): boolean => {
    let kept = 0
    for (const entry of entries.values()) kept += entry.kept
    return entries.size > questionsMax || kept > keptMax
  }

  /** Of what nobody waits for; the newest stays, however long it is. */
  const makeRoom = Effect.suspend(() => {
    const ends: Array<Effect.Effect<void>> = []
    const oldest = [...entries].slice(0, -1)
    for (const [key, entry] of oldest) {
      if (!isTooMuch()) break
      if (entry.asking === 0) ends.push(forget(key, entry))
    }
    return Effect.all(ends, { discard: true })
  })

  /** The program and its limits are part of the question: an answer to another one is no answer. */
  const keyOf = ({ detail, gpu }: SmiQuery): string => `${config.get().gpus.command} ${detail} ${gpu}`

  const find = Effect.fnUntraced(function* (query: SmiQuery): Effect.fn.Return<Entry, ToolTimeout> {
    const key = keyOf(query)
    const known = entries.get(key)
    const entry = known ?? (yield* make(query))
    entries.delete(key)
    entries.set(key, entry)
    if (known !== undefined) return entry
    yield* makeRoom
    if (entries.size <= questionsMax) return entry
    // Every other one is being asked.
    yield* forget(key, entry)
    return yield* late
  })

  return {
    read: (query) => Effect.flatMap(find(query), ({ probe }) => probe.read),
    peek: (query) => entries.get(keyOf(query))?.probe.peek()
  }
})
