/**
 * What a service manager tells its service in the environment: where it wants to be told how things are, how often, and
 * which sockets it has opened for it (sd_notify(3), sd_watchdog_enabled(3), sd_listen_fds(3)).
 *
 * What is meant for another process, or is no number, is as if it were not there: whoever started us may have been a service
 * itself and have handed on what it was told.
 */
import { type Environment, given } from "../config/environment.ts"

export interface ServiceGiven {
  /** Where to tell how things are; undefined: nobody wants to know. */
  readonly notifySocket: string | undefined
  /** It restarts us when it has heard nothing for this long; undefined: never. */
  readonly watchdogMs: number | undefined
  readonly sockets: ReadonlyArray<GivenSocket>
}

export interface GivenSocket {
  readonly fd: number
  /** FileDescriptorName= of its unit, by default the unit's own name. */
  readonly name: string
}

/** The first that is passed, after standard input, output and error. */
const firstFd = 3

/** More than any service has sockets; a number from elsewhere must not become a loop of that length. */
const socketsMax = 1024

/** What sd_listen_fds(3) calls one that has no name. */
const unnamed = "unknown"

export const readServiceGiven = (env: Environment, pid: number): ServiceGiven => ({
  notifySocket: given(env, "NOTIFY_SOCKET"),
  watchdogMs: watchdogMs(env, pid),
  sockets: sockets(env, pid)
})

const number = (env: Environment, name: string): number | undefined => {
  const text = given(env, name) ?? ""
  return /^\d{1,15}$/u.test(text) ? Number(text) : undefined
}

/** Without WATCHDOG_PID it is for whoever reads it. */
const watchdogMs = (env: Environment, pid: number): number | undefined => {
  const usec = number(env, "WATCHDOG_USEC") ?? 0
  if (usec === 0 || (given(env, "WATCHDOG_PID") !== undefined && number(env, "WATCHDOG_PID") !== pid)) return undefined
  return usec / 1000
}

const sockets = (env: Environment, pid: number): ReadonlyArray<GivenSocket> => {
  if (number(env, "LISTEN_PID") !== pid) return []
  const count = Math.min(number(env, "LISTEN_FDS") ?? 0, socketsMax)
  const names = (given(env, "LISTEN_FDNAMES") ?? "").split(":")
  return Array.from({ length: count }, (_, index) => ({ fd: firstFd + index, name: names[index] || unnamed }))
}
