/**
 * The output of one operation while it runs: what its command writes, and before and behind that the lines it says
 * itself. What is said while the command runs comes behind its output; what an earlier daemon has kept of it, before all.
 *
 * Bounds: those of each part (OutputLog.ts), and a few parts. Where several are there and bytes are missing from what is
 * kept, nobody can tell the hash of the whole any more: it is then that of the command's output.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import { createHash } from "node:crypto"
import { liveOfKept, makeOwnOutput, type OwnOutput } from "../commands/LiveOutput.ts"
import type { KeptOutput, LiveOutput, OutputPart, OutputSegment } from "../commands/OutputLog.ts"

export interface OutputLimits {
  readonly headBytes: number
  readonly tailBytes: number
}

interface Part {
  /** Of its first byte. */
  readonly base: number
  readonly live: LiveOutput
}

export const emptyOutput: KeptOutput = {
  segments: [],
  bytes: 0,
  stdoutBytes: 0,
  stderrBytes: 0,
  sha256: createHash("sha256").digest("hex")
}

export class OperationOutput implements LiveOutput {
  readonly #limits: OutputLimits
  readonly #parts: Array<Part> = []
  /** What is said now goes there; while a command runs it waits behind it. */
  #said: OwnOutput | undefined
  #command: LiveOutput | undefined
  #ended = false
  /** Where the next part begins. */
  #base = 0
  #more = Deferred.makeUnsafe<void>()

  /** `earlier` is what it had written when an earlier daemon was ended: it comes first. */
  constructor(limits: OutputLimits, earlier: KeptOutput | null = null) {
    this.#limits = limits
    if (earlier === null) return
    this.#push(liveOfKept(earlier))
    this.#base = earlier.bytes
  }

  say(line: string): void {
    if (this.#ended) return
    this.#said ??= this.#speaker()
    this.#said.write("stdout", Buffer.from(`${line}\n`))
  }

  begin(command: LiveOutput): void {
    this.#hush()
    this.#command = command
    this.#push(command)
  }

  /** The command writes no more; it has written so much. */
  finish(bytes: number): void {
    if (this.#command === undefined) return
    this.#command = undefined
    this.#base += bytes
    if (this.#said !== undefined) this.#push(this.#said.live)
  }

  end(): void {
    this.#hush()
    this.#ended = true
    this.#wake()
  }

  read(from: number, max: number): Effect.Effect<OutputPart> {
    return Effect.suspend(() => {
      const part = this.#parts.findLast(({ base }) => base <= from)
      if (part === undefined) return this.#later(from, max)
      const { base, live } = part
      return Effect.flatMap(live.read(from - base, max), (read) => {
        const next = base + read.next
        const isLast = this.#parts.at(-1) === part
        const whole = read.ended && isLast && this.#ended
        // Behind the end of a part comes another, or the end: whoever is there waits for it.
        if (read.ended && !whole && read.segments.length === 0) {
          return isLast ? this.#later(next, max) : this.read(Math.max(next, from), max)
        }
        const { bytes, free, segments } = read
        return Effect.succeed({ segments: shifted(segments, base), next, bytes: base + bytes, ended: whole, free })
      })
    })
  }

  get snapshot(): Effect.Effect<KeptOutput> {
    return Effect.suspend(() =>
      Effect.map(
        Effect.forEach(this.#parts, ({ base, live }) => Effect.map(live.snapshot, (kept) => ({ base, kept }))),
        joined
      )
    )
  }

  #speaker(): OwnOutput {
    const own = makeOwnOutput(this.#limits)
    if (this.#command === undefined) this.#push(own.live)
    return own
  }

  /** Nothing is added to what was said. */
  #hush(): void {
    this.#base += this.#said?.end().bytes ?? 0
    this.#said = undefined
  }

  #push(live: LiveOutput): void {
    this.#parts.push({ base: this.#base, live })
    this.#wake()
  }

  #wake(): void {
    const waited = this.#more
    this.#more = Deferred.makeUnsafe()
    Deferred.doneUnsafe(waited, Effect.void)
  }

  #later(from: number, max: number): Effect.Effect<OutputPart> {
    return Effect.suspend(() =>
      this.#ended
        ? Effect.succeed({ segments: [], next: from, bytes: from, ended: true })
        : Effect.flatMap(Deferred.await(this.#more), () => this.read(from, max))
    )
  }
}

interface KeptPart {
  readonly base: number
  readonly kept: KeptOutput
}

const shifted = (segments: ReadonlyArray<OutputSegment>, base: number): ReadonlyArray<OutputSegment> =>
  base === 0 ? segments : segments.map((segment) => ({ ...segment, offset: segment.offset + base }))

const joined = (parts: ReadonlyArray<KeptPart>): KeptOutput => {
  const [first] = parts
  if (first === undefined) return emptyOutput
  if (parts.length === 1) return first.kept
  const sum = (of: (kept: KeptOutput) => number) => parts.reduce((all, { kept }) => all + of(kept), 0)
  return {
    segments: parts.flatMap(({ base, kept }) => shifted(kept.segments, base)),
    bytes: sum(({ bytes }) => bytes),
    stdoutBytes: sum(({ stdoutBytes }) => stdoutBytes),
    stderrBytes: sum(({ stderrBytes }) => stderrBytes),
    sha256: hashOf(parts)
  }
}

const hashOf = (parts: ReadonlyArray<KeptPart>): string => {
  const hash = createHash("sha256")
  for (const { kept } of parts) {
    let bytes = 0
    for (const segment of kept.segments) {
      hash.update(segment.bytes)
      bytes += segment.bytes.length
    }
    // A part that is not whole: only a command writes so much.
    if (bytes < kept.bytes) return kept.sha256
  }
  return hash.digest("hex")
}
