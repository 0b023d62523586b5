/**
 * What came of the lines of the FIFOs: in the log they are in their order, each once and whole. A line may be missing
 * only behind the end of what a killed daemon stored, and may come twice only where the log could not say whether it had
 * stored it. A line that is not ended may be taken as it is after five seconds of silence, and at the end of its FIFO.
 */
import type { Judge } from "./Judge.ts"
import type { Commit } from "./SimStorage.ts"
import type { World } from "./World.ts"

/** PipeReader's own patience with a line that is not ended. */
const idleMs = 5000

/** Text that may have been read and not be stored: two batches of a mebibyte each, and a buffer. */
const unstoredMax = 2 * 1024 * 1024 + 2 * 64 * 1024

interface Line {
  text: string
  /** Where a pause was long enough that what had come was taken for a line. */
  readonly pauses: ReadonlyArray<number>
  /** It was read by who ended before it could take it, or just after. */
  optional: boolean
}

interface Pipe {
  readonly source: string
  lines: Array<Line>
  /** Index of the line that must come next. */
  next: number
  partial: string
  pauses: Array<number>
  readAt: number
  /** How often a batch may still come again. */
  repeats: number
  storedAt: number
  unstored: number
  /** Index of the first line that the last read ended. */
  lastRead: number
  /** Every line of it in the log. */
  stored: Array<string>
}

export class PipeModel {
  private readonly pipes = new Map<string, Pipe>()
  private readonly judge: Judge
  private readonly world: World

  constructor(judge: Judge, world: World, sources: ReadonlyMap<string, string>) {
    this.judge = judge
    this.world = world
    for (const [path, source] of sources) this.pipes.set(path, emptyPipe(source))
  }

  read(path: string, text: string): void {
    const pipe = this.pipes.get(path)
    if (pipe === undefined) return
    if (pipe.partial !== "" && this.world.now - pipe.readAt >= idleMs) pipe.pauses.push(pipe.partial.length)
    pipe.readAt = this.world.now
    pipe.unstored += text.length
    pipe.lastRead = pipe.lines.length
    const parts = (pipe.partial + text).split("\n")
    pipe.partial = parts.pop() ?? ""
    for (const part of parts) {
      pipe.lines.push({ text: part, pauses: pipe.pauses, optional: false })
      pipe.pauses = []
    }
    this.judge.check(
      pipe.unstored <= unstoredMax,
      "bounds hold",
      () => `${path}: ${pipe.unstored} characters are read and not stored`
    )
  }

  closed(path: string): void {
    const pipe = this.pipes.get(path)
    if (pipe !== undefined) endPartial(pipe)
  }

  /** What was read is not taken: it will be read again, from the beginning. */
  brokenOff(path: string): void {
    const pipe = this.pipes.get(path)
    if (pipe === undefined) return
    pipe.partial = ""
    pipe.pauses = []
    for (const line of pipe.lines.slice(pipe.lastRead)) line.optional = true
  }

  /** The file that was in the place of a FIFO is removed: all of it has to be in the log. */
  ingested(path: string, text: string): void {
    const stored = new Set(this.pipes.get(path)?.stored)
    const missing = text.split("\n").filter((line) => line !== "" && !stored.has(line))
    this.judge.check(
      missing.length === 0,
      "fifo arrives",
      () => `${path}: ingested, and ${missing.join(", ")} are not in the log`
    )
  }

  committed({ events, untold }: Commit): void {
    for (const pipe of this.pipes.values()) {
      const own = events.filter(({ source }) => source === pipe.source)
      if (own.length === 0) continue
      for (const { message } of own) this.stored(pipe, message)
      pipe.storedAt = this.world.now
      if (untold) pipe.repeats += 1
    }
  }

  /** The log's actor ended: what was stored at this moment may not have been told. */
  storeEnded(): void {
    for (const pipe of this.pipes.values()) if (pipe.storedAt === this.world.now) pipe.repeats += 1
  }

  /** The daemon was killed, or stopped: what it had read and not stored is gone. */
  processEnded(): void {
    for (const [path, { source, stored }] of this.pipes) this.pipes.set(path, { ...emptyPipe(source), stored })
  }

  /** Everything read is in the log. */
  settled(): boolean {
    return [...this.pipes.values()].every(
      ({ lines, next, partial }) => partial === "" && lines.slice(next).every(({ optional }) => optional)
    )
  }

  describe(): string {
    return [...this.pipes.values()]
      .map(
        ({ lines, next, partial, source }) => `${source}: ${lines.length - next} lines and "${partial.slice(0, 40)}"`
      )
      .join(", ")
  }

  private stored(pipe: Pipe, message: string): void {
    pipe.stored.push(message)
    while (pipe.lines[pipe.next]?.optional === true && pipe.lines[pipe.next]?.text !== message) pipe.next += 1
    const line = pipe.lines[pipe.next]
    if (line?.text === message) return this.advance(pipe, message)
    if (line !== undefined && line.pauses.includes(message.length) && line.text.startsWith(message)) {
      const rest = {
        text: line.text.slice(message.length),
        pauses: line.pauses.map((at) => at - message.length),
        optional: false
      }
      pipe.lines.splice(pipe.next, 1, { text: message, pauses: [], optional: false }, rest)
      return this.advance(pipe, message)
    }
    if (line === undefined && message === pipe.partial && this.world.now - pipe.readAt >= idleMs) {
      endPartial(pipe)
      return this.advance(pipe, message)
    }
    // It was taken for a line just before its newline came, which then ended an empty one.
    const last = pipe.lines[pipe.next - 1]
    if (message === "" && last?.pauses.includes(last.text.length) === true) return
    const before = pipe.lines.findLastIndex(({ text }, i) => i < pipe.next && text === message)
    if (before !== -1 && pipe.repeats > 0) {
      pipe.repeats -= 1
      pipe.unstored += pipe.lines.slice(before, pipe.next).reduce((sum, { text }) => sum + text.length + 1, 0)
      pipe.next = before
      return this.advance(pipe, message)
    }
    const wanted = line === undefined ? `nothing (unfinished: "${pipe.partial}")` : `"${line.text}"`
    this.judge.fail(
      before === -1 ? "fifo order" : "stored once",
      `${pipe.source}: "${message.slice(0, 80)}" where ${wanted.slice(0, 80)} comes next`
    )
  }

  private advance(pipe: Pipe, message: string): void {
    pipe.next += 1
    pipe.unstored = Math.max(0, pipe.unstored - message.length - 1)
  }
}

const emptyPipe = (source: string): Pipe => ({
  source,
  lines: [],
  next: 0,
  partial: "",
  pauses: [],
  readAt: 0,
  repeats: 0,
  storedAt: -1,
  unstored: 0,
  lastRead: 0,
  stored: []
})

const endPartial = (pipe: Pipe): void => {
  if (pipe.partial !== "") pipe.lines.push({ text: pipe.partial, pauses: pipe.pauses, optional: false })
  pipe.partial = ""
  pipe.pauses = []
}
