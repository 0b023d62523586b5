/**
 * What the environment and the command line say about the configuration. The file wins over the environment, which
 * only moves defaults; flags win over both.
 */
import { describe, type Problem } from "./Problem.ts"

export type Environment = Readonly<Record<string, string | undefined>>

/** What commands must not inherit: whoever may run one is not whoever may sign tokens. */
const secretVariables = ["JWT_SECRET"] as const

/**
 * What a service manager tells this process and no other: where to say that it is ready, which sockets and secrets are its
 * own, what its standard error is. A command that read it would speak for us, or write to a stream that is not its own.
 */
const serviceVariables = [
  "NOTIFY_SOCKET",
  "WATCHDOG_USEC",
  "WATCHDOG_PID",
  "LISTEN_PID",
  "LISTEN_PIDFDID",
  "LISTEN_FDS",
  "LISTEN_FDNAMES",
  "FDSTORE",
  "JOURNAL_STREAM",
  "CREDENTIALS_DIRECTORY",
  "SYSTEMD_EXEC_PID",
  "MEMORY_PRESSURE_WATCH",
  "MEMORY_PRESSURE_WRITE"
] as const

/** The environment for us, without whose secrets the process and all it starts goes on. */
export const takeEnvironment = (process: Record<string, string | undefined>): Environment => {
  const taken = { ...process }
  for (const name of [...secretVariables, ...serviceVariables]) delete process[name]
  return taken
}

/** A variable that is set; an empty one asks for nothing: that is how a unit file takes a setting back. */
export const given = (env: Environment, name: string): string | undefined => {
  const value = env[name] ?? ""
  return value === "" ? undefined : value
}

/** What the command line says, as it is written there. */
export interface Flags {
  readonly listen_addr?: string | undefined
  readonly pipe_file?: string | undefined
  readonly host?: string | undefined
  readonly port?: string | undefined
  /** A secret: told to nobody. */
  readonly jwt_secret?: string | undefined
  readonly cli_path?: string | undefined
  readonly log_level?: string | undefined
}

/** The original's default. */
const defaultLogMaxEntries = 1000

/** `/logs` renders and keeps this many events in memory. */
const logMaxEntriesMax = 1_000_000

const defaultStoreDirectory = "systemapi-state"

/** systemd gives a list, of which the first is the unit's own. */
export const storeDirectory = (env: Environment): string => {
  const [first = ""] = (env["STATE_DIRECTORY"] ?? "").split(":")
  return first === "" ? defaultStoreDirectory : first
}

export const shell = (configured: string, env: Environment): string | undefined =>
  configured === "" ? given(env, "SHELL_TO_USE") : configured

/** How many events the log endpoints show, and what was wrong with what asked for it. */
export const logMaxEntries = (
  configured: number,
  env: Environment
): { readonly value: number; readonly warnings: ReadonlyArray<Problem> } => {
  const warnings: Array<Problem> = []
  let value = configured
  let asked: Pick<Problem, "path" | "outside"> = { path: ["general", "log_max_entries"] }
  const given = env["MAX_EVENTS"] ?? ""
  if (value <= 0 && given !== "") {
    asked = { path: ["MAX_EVENTS"], outside: true }
    // As the original reads it: what is no integer counts for nothing.
    if (/^[+-]?\d{1,15}$/u.test(given)) value = Number(given)
    else
      warnings.push({
        ...asked,
        text: `found ${describe(given, false)}, allowed: an integer; ${defaultLogMaxEntries} is used`
      })
  }
  if (value <= 0) value = defaultLogMaxEntries
  if (value > logMaxEntriesMax) {
    warnings.push({ ...asked, text: `found ${value}, which is too many; ${logMaxEntriesMax} is used` })
    value = logMaxEntriesMax
  }
  return { value, warnings }
}
