/** What is told of a run that has ended, however it did. */
import type { RunResult } from "../commands/Executor.ts"

export const actionResult = (name: string, result: RunResult) => {
  const { exit, stderr, stdout, timedOut } = result
  return {
    action: name,
    success: !timedOut && exit._tag === "Exited" && exit.code === 0,
    exit_code: exit._tag === "Exited" ? exit.code : null,
    signal: exit._tag === "Signaled" ? exit.signal : null,
    timed_out: timedOut,
    started_at: new Date(result.startedAt).toISOString(),
    duration_ms: Math.round(result.durationMs * 1000) / 1000,
    stdout: { ...stdout },
    stderr: { ...stderr }
  }
}
