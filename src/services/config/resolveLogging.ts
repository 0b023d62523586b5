/**
 * What the process log shows, of the five places that may say so: `--log-level`, `[logging]`, `[general]`, LOG_LEVEL and
 * RUST_LOG, the name that the original Provisioning API's users know. Each wins over those after it.
 *
 * What a variable says that is no level is a warning and counts for nothing: many programs have variables of that name.
 */
import type { LogLevel } from "effect/LogLevel"
import * as Result from "effect/Result"
import type { Config, LoggingConfig } from "./Config.ts"
import { decodeOutside } from "./decode.ts"
import { type Environment, type Flags, given } from "./environment.ts"
import { describe, type Problem } from "./Problem.ts"
import { type LoggingSection, logLevel, type LogLevelName, logLevels } from "./ServerSection.ts"

export interface LoggingInput {
  readonly section: LoggingSection
  /** What the file has, before defaults. */
  readonly written: { readonly log_debug: unknown; readonly log_json: unknown }
  readonly env: Environment
  readonly flags: Flags
}

export interface ResolvedLogging {
  readonly logging: LoggingConfig
  readonly problems: ReadonlyArray<Problem>
  readonly warnings: ReadonlyArray<Problem>
}

export const resolveLogging = ({ env, flags, section, written }: LoggingInput): ResolvedLogging => {
  const warnings: Array<Problem> = []
  const flag = flags.log_level === undefined ? undefined : decodeOutside(logLevel, flags.log_level, "--log-level")
  if (flag !== undefined && Result.isFailure(flag)) {
    return { logging: { level: undefined, json_format: undefined }, problems: flag.failure, warnings }
  }
  const { json_format, level } = section
  if (level !== undefined && written.log_debug !== undefined && written.log_debug !== showsDebug(level)) {
    warnings.push({ path: ["general", "log_debug"], text: "not used, because logging.level is given" })
  }
  if (json_format !== undefined && written.log_json !== undefined && written.log_json !== json_format) {
    warnings.push({ path: ["general", "log_json"], text: "not used, because logging.json_format is given" })
  }
  const usual = written.log_debug === undefined ? ofEnvironment(env, warnings) : undefined
  return { logging: { level: flag?.success ?? level ?? usual, json_format }, problems: [], warnings }
}

const showsDebug = (level: LogLevelName): boolean => level === "debug" || level === "trace"

const levelNamed = (name: string): LogLevelName | undefined =>
  logLevels.find((level) => level === name.trim().toLowerCase())

const ofEnvironment = (env: Environment, warnings: Array<Problem>): LogLevelName | undefined => {
  const asked = given(env, "LOG_LEVEL")
  const level = asked === undefined ? undefined : levelNamed(asked)
  if (asked !== undefined && level === undefined) {
    const allowed = logLevels.map((name) => JSON.stringify(name)).join(" or ")
    warnings.push({
      path: ["LOG_LEVEL"],
      outside: true,
      text: `found ${describe(asked, false)}, allowed: ${allowed}; it is not used`
    })
  }
  // RUST_LOG is a list, of modules and their levels too, which are another program's.
  return (
    level ??
    given(env, "RUST_LOG")
      ?.split(",")
      .map(levelNamed)
      .find((name) => name !== undefined)
  )
}

const effectLevels: Readonly<Record<LogLevelName, LogLevel>> = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error"
}

/** For the process log, and for what is exported of it. */
export const logSettings = ({
  general,
  logging
}: Pick<Config, "general" | "logging">): { readonly json: boolean; readonly level: LogLevel } => ({
  json: logging.json_format ?? general.log_json,
  level: effectLevels[logging.level ?? (general.log_debug ? "debug" : "info")]
})
