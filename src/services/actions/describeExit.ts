/** How a command ended, in the words of the original: `exit status 3`, `signal: killed` (Go's os.ProcessState). */
import type { RunResult } from "../commands/Executor.ts"

/** Undefined when it ended well: exit code 0, in time. */
export const describeExit = ({ exit, timedOut }: RunResult, timeoutMs: number): string | undefined => {
  if (timedOut) return `timed out after ${timeoutMs} ms`
  if (exit._tag === "Signaled") return `signal: ${signalWords[exit.signal] ?? exit.signal}`
  return exit.code === 0 ? undefined : `exit status ${exit.code}`
}

const signalWords: Readonly<Record<string, string>> = {
  SIGABRT: "aborted",
  SIGALRM: "alarm clock",
  SIGFPE: "floating point exception",
  SIGHUP: "hangup",
  SIGILL: "illegal instruction",
  SIGINT: "interrupt",
  SIGKILL: "killed",
  SIGPIPE: "broken pipe",
  SIGQUIT: "quit",
  SIGSEGV: "segmentation fault",
  SIGTERM: "terminated"
}
