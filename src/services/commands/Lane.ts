/**
 * The commands of one name: who runs and who waits for a turn, in order. Data and pure steps on it; the actor
 * CommandExecutor owns every lane and alone takes these steps.
 *
 * Bounds: `concurrency` running and `queueLength` waiting.
 */
import type * as Deferred from "effect/Deferred"
import type { Ending } from "./Attendant.ts"
import {
  ActionBusy,
  type ActiveCommand,
  type LaneReport,
  type RunError,
  type RunRequest,
  type RunResult
} from "./Executor.ts"

/** Retry-After is a guess: at least a second, and not so long that a freed queue stays empty. */
const retryAfterMax = 60

export interface Job {
  readonly id: number
  readonly request: RunRequest
  readonly askedAt: number
  readonly result: Deferred.Deferred<RunResult, RunError>
  /** Completed to end the command's group before its timeout; while it has not been started: to not start it. */
  readonly ending: Deferred.Deferred<Ending>
  /** `done` holds no place any more: answered, or left by its caller while it waited. */
  phase: "waiting" | "running" | "done"
  pid: number | undefined
}

export interface Lane {
  readonly name: string
  concurrency: number
  queueLength: number
  running: Array<Job>
  waiting: Array<Job>
  /** Of the last command that ended; what Retry-After is guessed from. */
  lastDurationMs: number
}

export const makeLane = (name: string): Lane => ({
  name,
  concurrency: 1,
  queueLength: 0,
  running: [],
  waiting: [],
  lastDurationMs: 0
})

/** Forgets who is done and gives those whose turn it is, who run from now on. */
export const takeTurns = (lane: Lane): ReadonlyArray<Job> => {
  lane.running = lane.running.filter(isRunning)
  lane.waiting = lane.waiting.filter(isWaiting)
  const turns = lane.waiting.splice(0, Math.max(0, lane.concurrency - lane.running.length))
  for (const job of turns) job.phase = "running"
  lane.running.push(...turns)
  return turns
}

export const isEmpty = (lane: Lane): boolean => lane.running.length === 0 && lane.waiting.length === 0

/** Neither a turn nor a place in the queue is free. Whoever is done must have been forgotten before. */
export const isFull = (lane: Lane): boolean =>
  lane.running.length >= lane.concurrency && lane.waiting.length >= lane.queueLength

export const busy = (lane: Lane): ActionBusy => {
  const turns = (lane.waiting.length + 1) / lane.concurrency
  const seconds = Math.ceil((turns * lane.lastDurationMs) / 1000)
  return new ActionBusy({
    name: lane.name,
    running: lane.running.length,
    queued: lane.waiting.length,
    retry_after_seconds: Math.min(Math.max(seconds, 1), retryAfterMax)
  })
}

export const reportLane = ({ name, concurrency, queueLength, running, waiting }: Lane): LaneReport => ({
  name,
  concurrency,
  queueLength,
  running: running.filter(isRunning).map(reportJob),
  waiting: waiting
    .filter(isWaiting)
    .map(({ id, askedAt, request: { who, why } }, n) => ({ id, askedAt, who, why, position: n + 1 }))
})

export const reportJob = ({ id, askedAt, pid, request }: Job): ActiveCommand => {
  const { who, why } = request
  return { id, askedAt, pid, who, why }
}

const isRunning = (job: Job): boolean => job.phase === "running"
const isWaiting = (job: Job): boolean => job.phase === "waiting"
