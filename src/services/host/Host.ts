/**
 * The host: processors, memory, disks, network, what it is. Looked at when it is asked for, once for all who ask within a
 * second; what reads it is loaded then, and a start does without it.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import { makeProbe, type Reading } from "../probes/Probe.ts"
import type { HostFiles } from "./HostFiles.ts"
import type { Filesystem, HostState } from "./HostState.ts"
import type { Mount } from "./mounts.ts"
import type { CpuLook } from "./readHost.ts"

/** The kernel did not answer in time. */
export class HostTimeout extends Schema.TaggedError<HostTimeout>()("HostTimeout", {}) {
  override get message() {
    return "the state of the host could not be read in time"
  }
}

export type HostReading = Reading<HostState, HostTimeout>

/** Who asks every second sees what is; a crowd costs one look. */
const freshMs = 1000

/** Ten file systems that hang, and some. */
const deadlineMs = 5000

/** An average over longer says little of now: then it is looked at twice. */
const lookAgeMaxMs = 60_000

/** Between those two: ten ticks of the kernel's. */
const lookApartMs = 100

/** Of `/proc/self/mountinfo`. */
const mountsBytesMax = 1024 * 1024

export class Host extends Context.Service<
  Host,
  {
    readonly read: Effect.Effect<HostReading, HostTimeout>
    /** What is mounted where the daemon is. */
    readonly mounts: Effect.Effect<ReadonlyArray<Mount>>
    /** How full these are; those that do not answer are left out. */
    readonly spaces: (mounts: ReadonlyArray<Mount>) => Effect.Effect<ReadonlyArray<Filesystem>>
  }
>()("systemapi/services/host/Host") {
  /** `given`: another machine than this one. */
  static readonly layer = (given?: HostFiles) =>
    Layer.effect(
      Host,
      Effect.gen(function* () {
        const scope = yield* Effect.scope
        let loading: Promise<Loaded> | undefined
        const loaded = Effect.promise(() => (loading ??= load(given)))
        const spaces = yield* Effect.cached(
          Effect.flatMap(loaded, ({ files, makeSpaces }) =>
            Effect.provideService(makeSpaces(files), Scope.Scope, scope)
          )
        )
        let before: CpuLook | undefined

        const mounts = Effect.flatMap(loaded, ({ files, parseMounts }) =>
          Effect.map(files.text("/proc/self/mountinfo", mountsBytesMax), (text) => parseMounts(text ?? ""))
        )
        const spacesOf = (some: ReadonlyArray<Mount>) => Effect.flatMap(spaces, (ask) => ask(some))

        const ask = Effect.gen(function* () {
          const { disksOf, files, lookAtCpu, readHost } = yield* loaded
          const now = yield* Clock.monotonicTimeNanos
          if (before === undefined || now - before.at > BigInt(lookAgeMaxMs) * nanosPerMs) {
            before = (yield* lookAtCpu(files)).look
            yield* Effect.sleep(lookApartMs)
          }
          const disks = Effect.flatMap(mounts, (all) => spacesOf(disksOf(all)))
          const { look, state } = yield* readHost(files, disks, before)
          before = look
          return state
        })
        const { read } = yield* makeProbe({
          ask,
          freshMs: () => freshMs,
          deadlineMs: () => deadlineMs,
          late: new HostTimeout()
        })
        return Host.of({ read, mounts, spaces: spacesOf })
      })
    )
}

const nanosPerMs = 1_000_000n

const load = async (given: HostFiles | undefined) => {
  const [{ hostFiles }, { makeSpaces }, { disksOf, parseMounts }, { lookAtCpu, readHost }] = await Promise.all([
    import("./HostFiles.ts"),
    import("./filesystems.ts"),
    import("./mounts.ts"),
    import("./readHost.ts")
  ])
  return { files: given ?? hostFiles, makeSpaces, disksOf, parseMounts, lookAtCpu, readHost }
}

type Loaded = Awaited<ReturnType<typeof load>>
