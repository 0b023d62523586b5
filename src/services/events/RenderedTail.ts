/**
 * The newest events of the log as ready bytes, each event rendered once however often it is asked for.
 *
 * New events are appended to a buffer whose written part never changes, so that a body handed to a slow client stays
 * what it was; old events leave by moving the start. A full buffer is left to the garbage collector and its live part
 * copied into a new one, twice as large as needed: the cost of an event stays constant.
 *
 * Bounds: `maxEvents` events and `maxBytes` bytes; when the events do not fit in the bytes there is no tail, and the
 * caller streams them from the log instead.
 */
import { timeAt } from "./Event.ts"
import type { RecentEvents } from "./RecentEvents.ts"

export interface RenderedTailOptions {
  readonly maxEvents: number
  readonly maxBytes: number
  /** Seq of the oldest event that retention has left. */
  readonly firstStored: () => number
  readonly render: (receivedAt: bigint, message: string) => string
}

const initialCapacity = 64 * 1024

export class RenderedTail {
  private buffer = Buffer.allocUnsafeSlow(initialCapacity)
  /** End offset in `buffer` of each event at hand; the first of them begins at `start`. */
  private ends: Array<number> = []
  /** Their seqs: those between are not shown. */
  private seqs: Array<number> = []
  private oldest = 0
  private start = 0
  private end = 0
  /** Everything up to this seq was looked at. */
  private rendered = 0
  private tooLargeAt: number | undefined
  private readonly recent: RecentEvents
  private readonly options: RenderedTailOptions

  constructor(recent: RecentEvents, options: RenderedTailOptions) {
    this.recent = recent
    this.options = options
  }

  /** Seq of the newest event in `bytes`. */
  get last(): number {
    return this.seqs.at(-1) ?? 0
  }

  /** The newest `maxEvents` events, oldest first; undefined when they are not all in memory or too large. */
  bytes(): Uint8Array | undefined {
    const { maxEvents, maxBytes } = this.options
    const stored = this.options.firstStored()
    if (this.rendered + 1 < this.recent.first) {
      if (this.recent.size < maxEvents && this.recent.first > stored) return undefined
      this.reset(this.recent.newestFrom(maxEvents) - 1)
    } else if (this.recent.last - this.rendered > maxEvents) {
      const wanted = this.recent.newestFrom(maxEvents) - 1
      if (wanted > this.rendered) this.reset(wanted)
    }
    // A tail that was too large is looked at again once a good part of it is new.
    if (this.tooLargeAt !== undefined && this.recent.last - this.tooLargeAt < maxEvents / 4) return undefined
    this.tooLargeAt = undefined
    for (const run of this.recent.runsAfter(this.rendered)) {
      for (let i = Math.max(0, this.rendered + 1 - run.firstSeq); i < run.messages.length; i++) {
        this.write(run.firstSeq + i, this.options.render(timeAt(run, i), run.messages[i] ?? ""))
        if (this.end - this.start > maxBytes) return this.giveUp()
      }
    }
    this.rendered = this.recent.last
    let gone = Math.max(0, this.ends.length - this.oldest - maxEvents)
    while ((this.seqs[this.oldest + gone] ?? stored) < stored) gone += 1
    this.dropOldest(gone)
    const size = this.end - this.start
    return size > maxBytes ? undefined : this.buffer.subarray(this.start, this.end)
  }

  private write(seq: number, text: string): void {
    // A UTF-16 unit takes at most three bytes of UTF-8.
    if (this.end + text.length * 3 > this.buffer.length) this.grow(text.length * 3)
    this.end += this.buffer.write(text, this.end)
    this.ends.push(this.end)
    this.seqs.push(seq)
    this.rendered = seq
    this.dropOldest(this.ends.length - this.oldest - this.options.maxEvents)
  }

  private dropOldest(count: number): void {
    if (count <= 0) return
    this.oldest += count
    this.start = this.ends[this.oldest - 1] ?? this.start
    if (this.oldest < this.options.maxEvents + 1024) return
    this.ends = this.ends.slice(this.oldest)
    this.seqs = this.seqs.slice(this.oldest)
    this.oldest = 0
  }

  private grow(needed: number): void {
    const live = this.buffer.subarray(this.start, this.end)
    const next = Buffer.allocUnsafeSlow(Math.max(initialCapacity, (live.length + needed) * 2))
    live.copy(next)
    this.ends = this.ends.slice(this.oldest).map((end) => end - this.start)
    this.seqs = this.seqs.slice(this.oldest)
    this.oldest = 0
    this.buffer = next
    this.start = 0
    this.end = live.length
  }

  private giveUp(): undefined {
    this.tooLargeAt = this.recent.last
    this.buffer = Buffer.allocUnsafeSlow(initialCapacity)
    this.end = 0
    this.reset(0)
  }

  private reset(seq: number): void {
    this.ends = []
    this.seqs = []
    this.oldest = 0
    this.start = this.end
    this.rendered = seq
  }
}
