/** What went wrong with a tool of the machine, in the words of the System Status Service. */
import type { JournalError } from "../../services/journal/Journal.ts"
import type { ToolError } from "../../services/tools/Tool.ts"
import { HttpFailure } from "../edge/HttpFailure.ts"

export type ToolDetail =
  | { readonly error: "timeout"; readonly command: string }
  | { readonly error: "missing_binary"; readonly binary: string }
  | { readonly error: "command_failed"; readonly command: string; readonly exit_code: number }

/** Also the `error` of a unit or a GPU in an answer that is no error. */
export const toolDetail = (error: ToolError): ToolDetail => {
  switch (error._tag) {
    case "ToolTimeout":
      return { error: "timeout", command: error.command }
    case "ToolMissing":
      return { error: "missing_binary", binary: error.binary }
    case "ToolFailed":
      return { error: "command_failed", command: error.command, exit_code: error.exit_code }
  }
}

const statuses = { ToolTimeout: 504, ToolMissing: 503, ToolFailed: 502 } as const

export const toolFailure = (error: ToolError): HttpFailure =>
  new HttpFailure({ status: statuses[error._tag], message: error.message, detail: toolDetail(error) })

export const journalFailure = (error: JournalError): HttpFailure => {
  switch (error._tag) {
    case "JournalForbidden":
      return new HttpFailure({
        status: 503,
        message: error.message,
        detail: { error: "journal_forbidden", message: error.message }
      })
    case "JournalCursorUnknown":
      return invalidParameter("cursor", error.message, "value_error")
    case "JournalPatternRefused":
      return invalidParameter("grep", error.message, "value_error")
    case "ToolBusy":
      return new HttpFailure({
        status: 503,
        message: error.message,
        headers: { "retry-after": String(error.retryAfterSeconds) },
        detail: { error: "busy", command: error.name }
      })
    default:
      return toolFailure(error)
  }
}

/** 422 as FastAPI's: what a parameter of the query has and may not have. */
export const invalidParameter = (name: string, msg: string, type: string, status = 422): HttpFailure =>
  new HttpFailure({ status, message: `${name}: ${msg}`, detail: [{ loc: ["query", name], msg, type }] })
