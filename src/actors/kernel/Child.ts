/**
 * What a supervised actor is, as data: its name, the effect that runs it and what to do when that effect ends.
 * The restart vocabulary is that of Erlang/OTP's supervisor behaviour (permanent, transient, temporary).
 */
import * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Mailbox } from "./Mailbox.ts"

/**
 * `permanent`: restarted however it ends; `transient`: restarted unless it ended by itself without a failure;
 * `temporary`: never restarted.
 */
export type Restart = "permanent" | "transient" | "temporary"

export interface RestartLimits {
  /** First wait before a restart; doubles with every failure in a row. */
  readonly backoffFirst: Duration.Duration
  readonly backoffMax: Duration.Duration
  /** More restarts than this within `within` are too many: the supervisor gives up. */
  readonly maxRestarts: number
  readonly within: Duration.Duration
}

/**
 * Ten restarts a minute let a passing fault (a full disk, a missing device) heal; more than that is a fault that a
 * new process, started by systemd, has better odds against.
 */
export const defaultLimits: RestartLimits = {
  backoffFirst: Duration.millis(100),
  backoffMax: Duration.seconds(5),
  maxRestarts: 10,
  within: Duration.minutes(1)
}

/** An actor that can never be the reason for the whole daemon to end: its resource may be absent for months. */
export const endlessLimits: RestartLimits = { ...defaultLimits, maxRestarts: Number.POSITIVE_INFINITY }

export interface Child {
  readonly name: string
  readonly run: Effect.Effect<void, unknown>
  readonly restart: Restart
  readonly limits?: RestartLimits
  /** The mailbox to abandon messages in hand from, and to report the depth of. */
  readonly mailbox?: Pick<Mailbox<never>, "abandonInHand" | "stats"> & Partial<Pick<Mailbox<never>, "busySince">>
}

/** The states an actor goes through; each change is recorded, logged and published by the supervisor. */
export type ActorStateName = "starting" | "running" | "backing-off" | "stopped" | "failed"

export interface ActorStatus {
  readonly name: string
  readonly state: ActorStateName
  /** UNIX time in milliseconds of the last change of state. */
  readonly since: number
  readonly restarts: number
  readonly lastFailure: string | undefined
}

export interface Transition extends ActorStatus {
  readonly from: ActorStateName
}
