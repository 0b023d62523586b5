/**
 * What the spawner and its worker say to each other. Both ends are built from these sources and the channel is memory
 * of one process, so messages are typed here and not decoded again.
 */
import type { KeptOutput, OutputPart } from "./OutputLog.ts"
import type { StreamOutput } from "./OutputText.ts"

/** The command's own process ended by itself, or a signal ended it. */
export type ExitStatus =
  | { readonly _tag: "Exited"; readonly code: number }
  | { readonly _tag: "Signaled"; readonly signal: string }

export interface CommandOutput {
  readonly stdout: StreamOutput
  readonly stderr: StreamOutput
  /** Together, where the spec has `live`; where it has `paced`, what was not read by then. */
  readonly both?: KeptOutput | undefined
}

export interface CommandSpec {
  /** The program, then its arguments as they are: no shell reads them. */
  readonly argv: readonly [string, ...Array<string>]
  /** The whole environment; nothing of the daemon's own is added. */
  readonly env: Readonly<Record<string, string>>
  /** The daemon's own directory when left out. */
  readonly cwd?: string | undefined
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** How many of the first and of the last bytes of each stream are kept. */
  readonly headBytes: number
  readonly tailBytes: number
  /** Keep both streams together too, to be read while the command runs (OutputLog.ts): so many first and last bytes. */
  readonly live?: { readonly headBytes: number; readonly tailBytes: number } | undefined
  /**
   * Instead of `live`: both streams together, for one reader that reads them to their end. The command's writes wait while
   * it does not read; nothing is left out, and nothing of what was read is kept.
   */
  readonly paced?: boolean | undefined
}

export type ToWorker =
  | { readonly _tag: "Spawn"; readonly id: number; readonly spec: CommandSpec }
  /** A SIGCHLD has come: a child of this process has ended, perhaps a command. */
  | { readonly _tag: "ChildEnded" }
  /** Answer with the output read so far; what comes later is read and dropped. */
  | { readonly _tag: "CloseOutput"; readonly id: number }
  /** Answer with a `Part` of the live output as soon as there is something from this byte on. */
  | { readonly _tag: "Read"; readonly id: number; readonly read: number; readonly from: number; readonly max: number }
  /** Nobody waits for that part any more. */
  | { readonly _tag: "Forget"; readonly id: number; readonly read: number }
  /** Answer with the live output as `Kept`. */
  | { readonly _tag: "Snapshot"; readonly id: number; readonly read: number }
  /** Close the pipes and forget the command; its output, if that has not been given out, comes all the same. */
  | { readonly _tag: "Release"; readonly id: number }
  /** End the thread. */
  | { readonly _tag: "Stop" }

export type FromWorker =
  | { readonly _tag: "Spawned"; readonly id: number; readonly pid: number }
  | { readonly _tag: "Failed"; readonly id: number; readonly code: string; readonly detail: string }
  | { readonly _tag: "Ended"; readonly id: number; readonly status: ExitStatus }
  | { readonly _tag: "Output"; readonly id: number; readonly output: CommandOutput }
  | { readonly _tag: "Part"; readonly id: number; readonly read: number; readonly part: OutputPart }
  | { readonly _tag: "Kept"; readonly id: number; readonly read: number; readonly kept: KeptOutput }
  /** Both at once, and nothing is left to be released: how most commands end. */
  | { readonly _tag: "Done"; readonly id: number; readonly status: ExitStatus; readonly output: CommandOutput }
