/**
 * What nvidia-smi printed, as the System Status Service shows it: of /gpu/nvidia-smi and in /overview. An old answer has
 * `stale` and `age_ms` behind the original's members, and where nothing is known all of them are there with nothing in
 * them, and the error behind them.
 */
import type { SmiQuery, SmiReading } from "../../services/gpus/Gpus.ts"
import type { ToolError } from "../../services/tools/Tool.ts"
import type { SmiBody } from "../api/status/Gpus.ts"
import { toolDetail } from "./failures.ts"

export const smiBody = (
  { detail, gpu }: SmiQuery,
  { ageMs, error, stale, value }: SmiReading
): typeof SmiBody.Type => ({
  command: value.command,
  exit_code: value.exitCode,
  stdout: value.stdout,
  stderr: value.stderr,
  stdout_lines: lines(value.stdout),
  stderr_lines: lines(value.stderr),
  stdout_truncated: value.stdoutTruncated,
  stderr_truncated: value.stderrTruncated,
  detail,
  gpu: String(gpu),
  status: value.exitCode === 0 ? "ok" : "error",
  ...(stale ? { stale: true, age_ms: ageMs, ...(error === undefined ? {} : { error: toolDetail(error) }) } : {})
})

/** For /overview, which answers whatever becomes of the tool. */
export const smiErrorBody = ({ detail, gpu }: SmiQuery, error: ToolError): typeof SmiBody.Type => ({
  command: [],
  exit_code: null,
  stdout: "",
  stderr: "",
  stdout_lines: [],
  stderr_lines: [],
  stdout_truncated: false,
  stderr_truncated: false,
  detail,
  gpu: String(gpu),
  status: "error",
  error: toolDetail(error)
})

/** The newline of the last line begins no other one. */
const lines = (text: string): ReadonlyArray<string> => {
  const all = text.split(/\r\n|\n|\r/u)
  return all.at(-1) === "" ? all.slice(0, -1) : all
}
