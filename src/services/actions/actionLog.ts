/** What the event log is told of a run, before and after, in the words of the original. */
import type * as Effect from "effect/Effect"
import type { ActionConfig } from "../config/Config.ts"
import type { EventLog } from "../events/EventLog.ts"

/** stderr in the event of a failed run: enough for the usual last words of a program. */
const eventStderrMax = 4096

export interface RunLog {
  readonly started: Effect.Effect<void>
  readonly succeeded: Effect.Effect<void>
  /** `stderr`: all that is kept of it. */
  readonly failed: (error: string, stderr: string) => Effect.Effect<void>
}

export const makeRunLog = (
  log: Pick<EventLog["Service"], "record">,
  action: ActionConfig,
  who: string | undefined
): RunLog => {
  const { name } = action
  const command = commandText(action)
  return {
    started: log.record(`executing action: ${name} = ${command}`, { who }),
    succeeded: log.record(`executing action success: ${name} = ${command}`, { who }),
    failed: (error, stderr) =>
      log.record(`error executing action: ${name} - error: ${error} (stderr: ${lastOf(stderr)})`, {
        who,
        level: "error"
      })
  }
}

const lastOf = (text: string): string =>
  text.length > eventStderrMax ? text.slice(-eventStderrMax).toWellFormed() : text

/** What the original logs as the command, and `sh -x` would show for a vector. */
const commandText = ({ command }: ActionConfig): string =>
  command._tag === "Shell" ? command.text : command.argv.join(" ")
