/**
 * The newest events that readers are shown, in memory: what `/logs` is rendered from and what live readers read, so that
 * neither touches the store. Bounded by events and by bytes; of what readers are shown it is a stretch without gaps that
 * ends at the log's head. Audit entries take a place in the order and none in memory: seqs that are missing here, between
 * `first` and `last`, are theirs.
 *
 * Owned and written by the EventStore actor alone; reading is synchronous and allocates no copies.
 */
import { type Event, runWeight, type StoredRun, timeAt } from "./Event.ts"
import { type EventPage, isHidden, pageBytesMax } from "./EventQuery.ts"

export interface RecentLimits {
  /** Events that stay at hand. */
  readonly events: number
  /** Their weight (see runWeight); whichever bound is reached first counts. */
  readonly bytes: number
}

export class RecentEvents {
  private runs: Array<StoredRun> = []
  /** Index of the oldest run still held; the stale ones before it are dropped together, so that a push stays cheap. */
  private oldest = 0
  private weight = 0
  private count = 0
  private head: number
  private newest: number
  private floor: number
  private readonly limits: RecentLimits

  constructor(limits: RecentLimits, head: number) {
    this.limits = limits
    this.head = head
    this.newest = head
    this.floor = head + 1
  }

  /** Seq of the newest event, whatever it is; 0 in an empty log. */
  get last(): number {
    return this.head
  }

  /** After this seq there is nothing that readers are shown. */
  get lastShown(): number {
    return this.newest
  }

  /** Everything that readers are shown from this seq on is at hand; `last + 1` when nothing is. */
  get first(): number {
    return this.floor
  }

  /** How many are at hand. */
  get size(): number {
    return this.count
  }

  push(run: StoredRun): void {
    if (run.messages.length === 0) return
    if (run.firstSeq !== this.head + 1) throw new Error(`event ${run.firstSeq} cannot follow event ${this.head}`)
    this.head += run.messages.length
    if (isHidden(run.level)) return
    this.newest = this.head
    this.runs.push(run)
    this.count += run.messages.length
    this.weight += runWeight(run)
    this.trim()
  }

  /** What lies between the head and this seq is nothing that readers are shown. */
  passTo(seq: number): void {
    this.head = Math.max(this.head, seq)
  }

  /** The runs that hold every event after `seq`; the first run may begin before it. */
  runsAfter(seq: number): ReadonlyArray<StoredRun> {
    if (seq >= this.newest) return []
    let low = this.oldest
    let high = this.runs.length - 1
    while (low < high) {
      const middle = (low + high) >> 1
      const run = this.runs[middle]
      if (run !== undefined && run.firstSeq + run.messages.length - 1 > seq) high = middle
      else low = middle + 1
    }
    return this.runs.slice(low)
  }

  /** Whether there is an event to show after the one seq, up to and including the other. */
  showsBetween(after: number, through: number): boolean {
    const [run] = this.runsAfter(after)
    return after + 1 < this.floor || (run !== undefined && Math.max(run.firstSeq, after + 1) <= through)
  }

  /**
   * Events after `after` and before `before`, oldest first: at most `max`, and no more once they weigh `maxBytes`;
   * undefined when some of them are no longer at hand.
   */
  page(after: number, before: number, max: number, maxBytes = pageBytesMax): EventPage | undefined {
    if (after + 1 < this.floor) return undefined
    const end = Math.min(before - 1, this.head)
    const events: Array<Event> = []
    let bytes = 0
    for (const run of this.runsAfter(after)) {
      for (let i = Math.max(0, after + 1 - run.firstSeq); i < run.messages.length; i++) {
        const seq = run.firstSeq + i
        if (seq > end) return { events, through: Math.max(after, end), done: true }
        if (events.length === max || bytes >= maxBytes) {
          return { events, through: events.at(-1)?.seq ?? after, done: false }
        }
        const event = eventOf(run, i)
        events.push(event)
        bytes += event.message.length + (event.fields?.length ?? 0)
      }
    }
    return { events, through: Math.max(after, end), done: true }
  }

  /** Seq of the `count`-th newest event; `first` where fewer are at hand. */
  newestFrom(count: number): number {
    let left = count
    for (let i = this.runs.length - 1; i >= this.oldest; i--) {
      const run = this.runs[i]
      if (run === undefined) break
      if (run.messages.length >= left) return run.firstSeq + run.messages.length - left
      left -= run.messages.length
    }
    return this.floor
  }

  /** Lets go of events up to and including `seq`, which the log no longer holds. */
  forget(seq: number): void {
    for (let run = this.runs[this.oldest]; run !== undefined && run.firstSeq <= seq; run = this.runs[this.oldest]) {
      const gone = seq + 1 - run.firstSeq
      const keep = run.messages.slice(gone)
      this.release(run)
      if (keep.length === 0) continue
      const rest = { ...run, firstSeq: seq + 1, offsets: run.offsets?.slice(gone), messages: keep }
      this.oldest -= 1
      this.runs[this.oldest] = rest
      this.count += keep.length
      this.weight += runWeight(rest)
      this.floor = seq + 1
    }
    this.floor = Math.max(this.floor, Math.min(seq, this.head) + 1)
  }

  /** Goes on after `seq`: what lies between the head and it was removed before it could be read. */
  skipTo(seq: number): void {
    if (seq <= this.head) return
    this.forget(this.head)
    this.head = seq
    this.newest = seq
    this.floor = seq + 1
  }

  /** Drops whole runs from the old end while the rest still satisfies the bounds, so a run is never cut. */
  private trim(): void {
    for (let run = this.runs[this.oldest]; run !== undefined; run = this.runs[this.oldest]) {
      const enough = this.count - run.messages.length >= this.limits.events
      const tooHeavy = this.weight > this.limits.bytes && this.oldest < this.runs.length - 1
      if (!enough && !tooHeavy) break
      this.release(run)
    }
    if (this.oldest > staleRunsMax && this.oldest * 2 > this.runs.length) {
      this.runs = this.runs.slice(this.oldest)
      this.oldest = 0
    }
  }

  private release(run: StoredRun): void {
    this.runs[this.oldest] = released
    this.oldest += 1
    this.count -= run.messages.length
    this.weight -= runWeight(run)
    this.floor = run.firstSeq + run.messages.length
  }
}

/** Stands where a run was, so that its text can be collected before the array is compacted. */
const released: StoredRun = {
  firstSeq: 0,
  receivedAt: 0n,
  source: "",
  who: undefined,
  level: "debug",
  fields: undefined,
  messages: []
}

/** Compacting moves what is left: worth it once that is less than what is dropped. */
const staleRunsMax = 256

export const eventOf = (run: StoredRun, index: number): Event => ({
  seq: run.firstSeq + index,
  receivedAt: timeAt(run, index),
  source: run.source,
  who: run.who,
  level: run.level,
  message: run.messages[index] ?? "",
  fields: run.fields
})
