/**
 * What uses a disk: du(1), run for a folder and kept for a stated time with its age. One count of a folder at a time, shared by
 * all who ask; whoever asks may leave, and the count goes on for the others.
 *
 * Bounds: two counts at once (each reads a disk as fast as it can), some that wait for them within their deadline, a table
 * of kept counts, and what is kept of each. A folder that may not be read makes a count partial, and no error.
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Executor } from "../commands/Executor.ts"
import { CurrentConfig } from "../config/CurrentConfig.ts"
import { Host } from "../host/Host.ts"
import { isVirtual, isWithin, mountOf, virtualBelow } from "../host/mounts.ts"
import { makeProbe, type Probe, type Reading } from "../probes/Probe.ts"
import { exitCode, runTool, type ToolError, ToolFailed, ToolTimeout } from "../tools/Tool.ts"
import { crosses, duArguments, type DuForm, type DuQuestion, isUnknownOption, parseDu } from "./du.ts"
import { type CountedFolder, largest } from "./largest.ts"

export interface DiskQuestion {
  /** Canonical. */
  readonly path: string
  /** How far below the path folders are told. */
  readonly depth: number
  /** Whether other file systems below it are counted too; the kernel's own never are. */
  readonly cross: boolean
}

export interface DiskCount {
  /** The largest first. */
  readonly folders: ReadonlyArray<CountedFolder>
  readonly totalBytes: number
  /** There are more folders than are kept. */
  readonly truncated: boolean
  /** Some could not be read, or were on other file systems that could not be told from the kernel's own. */
  readonly partial: boolean
}

export type DiskReading = Reading<DiskCount, ToolError>

const atOnce = 2
const waitingMax = 16

/** Kept counts; the one that was asked for longest ago goes first. */
const countsMax = 32

/** Some 40,000 folders; the path itself comes last. */
const headBytes = 4 * 1024 * 1024
const tailBytes = 64 * 1024

/** Of an argument vector. */
const withoutMax = 512

export class DiskSpace extends Context.Service<
  DiskSpace,
  { readonly count: (question: DiskQuestion) => Effect.Effect<DiskReading, ToolError> }
>()("systemapi/services/disk/DiskSpace") {
  static readonly layer = Layer.effect(
    DiskSpace,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const executor = yield* Executor
      const host = yield* Host
      const scope = yield* Effect.scope
      const probes = new Map<string, Probe<DiskCount, ToolError>>()
      let form: DuForm = "gnu"

      const run = (asked: DuForm, question: DuQuestion) =>
        runTool(executor)({
          name: "du",
          argv: duArguments(asked, question),
          timeout: Duration.seconds(config.get().disk.timeout_seconds),
          headBytes,
          tailBytes,
          concurrency: atOnce,
          queueLength: waitingMax
        })

      /** The form that this machine's du has turned out to have is asked from then on. */
      const du = Effect.fnUntraced(function* (question: DuQuestion) {
        const result = yield* run(form, question)
        if (form !== "gnu" || exitCode(result) === 0 || result.stdout.bytes > 0) return result
        if (!isUnknownOption(result.stderr.head)) return result
        form = "busybox"
        return yield* run(form, question)
      })

      const count = Effect.fnUntraced(function* ({ cross, depth, path }: DiskQuestion) {
        const mounts = yield* host.mounts
        const own = mountOf(mounts, path)
        if (own !== undefined && isVirtual(own)) return nothing
        const virtual = virtualBelow(mounts, path).map(({ target }) => target)
        const question: DuQuestion = { path, depth, cross, without: outermost(virtual).slice(0, withoutMax) }
        const result = yield* du(question)
        const code = exitCode(result)
        const counted = largest(path, depth, parseDu(form, result.stdout))
        // 1: something could not be read; all else was counted.
        if (counted.total === undefined || (code !== 0 && code !== 1)) {
          return yield* new ToolFailed({ command: "du", exit_code: code })
        }
        return {
          folders: counted.folders,
          totalBytes: counted.total,
          truncated: counted.truncated || result.stdout.truncated,
          partial: code !== 0 || (cross && !crosses(form, question))
        }
      })

      const probeOf = Effect.fnUntraced(function* (question: DiskQuestion) {
        const key = JSON.stringify([question.path, question.depth, question.cross])
        const known = probes.get(key)
        const probe =
          known ??
          (yield* makeProbe({
            ask: count(question),
            freshMs: () => config.get().disk.fresh_ms,
            deadlineMs: () => config.get().disk.timeout_seconds * 1000,
            late: new ToolTimeout({ command: "du" })
          }).pipe(Effect.provideService(Scope.Scope, scope)))
        probes.delete(key)
        probes.set(key, probe)
        // One that is in the midst of it answers those who wait for it all the same.
        for (const oldest of probes.keys()) {
          if (probes.size <= countsMax) break
          probes.delete(oldest)
        }
        return probe
      })

      return DiskSpace.of({ count: (question) => Effect.flatMap(probeOf(question), ({ read }) => read) })
    })
  )
}

const nothing: DiskCount = { folders: [], totalBytes: 0, truncated: false, partial: false }

/** Without those that lie in another. */
const outermost = (folders: ReadonlyArray<string>): ReadonlyArray<string> =>
  folders.filter((folder) => !folders.some((other) => other !== folder && isWithin(other, folder)))
