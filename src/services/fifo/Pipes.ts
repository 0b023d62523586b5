/** The daemon's FIFOs as the rest of it sees them: what each is told to do, and how it fares. */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type { LineCounts } from "./LineCounts.ts"
import type { LineOptions } from "./LineFramer.ts"
import type { RecorderStats } from "./LineRecorder.ts"

export interface PipeOptions extends LineOptions {
  readonly path: string
  /** The source of its events is `pipe:` and this. */
  readonly source: string
  /** Permission bits of the FIFO when it is made, whatever the umask. */
  readonly mode: number
  /** An unfinished line is recorded after this much silence; see PipeReader. */
  readonly idleFlush?: Duration.Duration
}

export interface PipeStats extends LineCounts, RecorderStats {
  readonly path: string
  readonly source: string
  /** The FIFO is open, and is read unless too much waits for the log. */
  readonly open: boolean
  /** Read through the FIFO, since the daemon started. */
  readonly bytes: number
  /** How often it was opened again, because it was removed or replaced or could not be read. */
  readonly reopened: number
  /** Regular files found in its place and taken into the log. */
  readonly ingestedFiles: number
  readonly lastError: { readonly message: string; readonly atMs: number } | undefined
}

export class Pipes extends Context.Service<
  Pipes,
  {
    readonly stats: () => ReadonlyArray<PipeStats>
  }
>()("systemapi/services/fifo/Pipes") {}
