/**
 * Processes over /proc. What a killed daemon has left is found in two ways: by the mark of a command's own process, which
 * names it for all time, and by the operation's id in the environment of whatever it started, which finds those that
 * have left its group, and those whose mark was never written. Environments of other accounts are closed to all but root:
 * their processes are found by the mark alone.
 *
 * A number is signalled only right after its start was compared: it may be somebody else's by then, and is left alone.
 *
 * Bounds: `termWait` from TERM to KILL, `killWait` after it. On failure (no /proc): nothing is found, nothing is ended.
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Ended, operationVariable, Processes, type Suspect } from "./Processes.ts"
import { bootId, pids, type ProcessStat, statOf, variableOf } from "./procfs.ts"

/** Nobody asks what becomes of them: most end at once, and what cleans up after itself gets its time. */
const termWait = Duration.toNanosUnsafe(Duration.seconds(2))
const killWait = Duration.toNanosUnsafe(Duration.seconds(2))
const poll = "25 millis"

interface Found extends ProcessStat {
  readonly operation: string
}

const promised = <A>(make: () => Promise<A>) => Effect.promise(make)

/** Everything alive that belongs to the suspects. */
const find = async (suspects: ReadonlyArray<Suspect>, boot: string | undefined): Promise<ReadonlyArray<Found>> => {
  const ids = new Set(suspects.map(({ operation }) => operation))
  const leaders = new Map<number, string>()
  for (const { operation, process: mark } of suspects) {
    if (mark === null || mark.bootId !== boot) continue
    // The number of a leader that is gone is nobody else's while its group lives, but who would tell: only its members' own
    // environment does.
    if ((await statOf(mark.pid))?.startTicks === mark.startTicks) leaders.set(mark.pid, operation)
  }
  const found: Array<Found> = []
  for (const pid of await pids()) {
    if (pid === process.pid) continue
    const variable = await variableOf(pid, operationVariable)
    const stat = variable === undefined && leaders.size === 0 ? undefined : await statOf(pid)
    if (stat === undefined || !isLiving(stat)) continue
    const operation = variable !== undefined && ids.has(variable) ? variable : leaders.get(stat.group)
    if (operation !== undefined) found.push({ ...stat, operation })
  }
  return found
}

const isLiving = ({ state }: ProcessStat): boolean => state !== "Z" && state !== "X"

const stillThere = async (known: ReadonlyArray<Found>): Promise<ReadonlyArray<Found>> => {
  const stats = await Promise.all(known.map(({ pid }) => statOf(pid)))
  return known.filter(({ startTicks }, index) => {
    const stat = stats[index]
    return stat !== undefined && stat.startTicks === startTicks && isLiving(stat)
  })
}

const tell = (pid: number, name: NodeJS.Signals) => {
  try {
    process.kill(pid, name)
  } catch {
    // It has ended meanwhile, or is not ours to end: the next look says which.
  }
}

/** Between the look and the signal lie microseconds. */
const signal = async ({ pid, startTicks }: Found, name: NodeJS.Signals): Promise<void> => {
  if ((await statOf(pid))?.startTicks === startTicks) tell(pid, name)
}

const endLeftovers = Effect.fnUntraced(function* (suspects: ReadonlyArray<Suspect>) {
  if (suspects.length === 0) return []
  const boot = yield* promised(bootId)
  const look = promised(() => find(suspects, boot))
  const seen = new Map<number, Found>()
  const end = Effect.fnUntraced(function* (name: NodeJS.Signals, wait: bigint) {
    const until = (yield* Clock.monotonicTimeNanos) + wait
    let alive = yield* look
    while (alive.length > 0) {
      // Each process is told once to end, and as often as it shows up to die: a dying group may still be growing.
      const untold = name === "SIGKILL" ? alive : alive.filter(({ pid }) => !seen.has(pid))
      for (const one of alive) seen.set(one.pid, one)
      yield* promised(() => Promise.all(untold.map((one) => signal(one, name))))
      if ((yield* Clock.monotonicTimeNanos) >= until) break
      yield* Effect.sleep(poll)
      const known = alive
      const left = yield* promised(() => stillThere(known))
      // Those that were known are gone: what they have started meanwhile is looked for everywhere.
      alive = left.length === 0 || name === "SIGKILL" ? yield* look : left
    }
    return alive
  })
  const obstinate = yield* end("SIGTERM", termWait)
  const left = obstinate.length === 0 ? [] : yield* end("SIGKILL", killWait)
  const byOperation = new Map<string, { readonly pids: Array<number>; readonly left: Array<number> }>()
  for (const { operation, pid } of seen.values()) {
    const one = byOperation.get(operation) ?? { pids: [], left: [] }
    one.pids.push(pid)
    byOperation.set(operation, one)
  }
  for (const { operation, pid } of left) byOperation.get(operation)?.left.push(pid)
  return [...byOperation].map(([operation, numbers]): Ended => ({ operation, ...numbers }))
})

export const layer: Layer.Layer<Processes> = Layer.succeed(Processes, {
  mark: (pid) =>
    promised(async () => {
      const [stat, boot] = await Promise.all([statOf(pid), bootId()])
      return stat === undefined || boot === undefined ? null : { pid, startTicks: stat.startTicks, bootId: boot }
    }),
  endLeftovers
})
