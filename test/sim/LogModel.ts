/**
 * What the event log must hold, and what its readers may see of it. Every message a client sends is its own, so that it
 * can be found again: acknowledged it is in the log at that moment and for ever, refused it never comes, and it is there
 * once. What a reader is shown is what the log holds, in order and without a gap that it is not told of.
 */
import type { Commit, SimStorage } from "./SimStorage.ts"
import type { Judge } from "./Judge.ts"

interface Written {
  state: "pending" | "acknowledged" | "refused" | "unknown"
  seq: number | undefined
}

interface Seen {
  readonly seq: number
  readonly message: string
}

export class LogModel {
  /** Every message ever stored, by seq; retention changes nothing here. */
  readonly messages: Array<string> = []
  /** The newest event that anybody was told of: whoever asks from now on must be shown it. */
  known = 0
  /** Seqs of audit entries, which no reader is shown. */
  private readonly hidden = new Set<number>()
  private readonly written = new Map<string, Written>()
  private readonly judge: Judge
  private readonly storage: SimStorage

  constructor(judge: Judge, storage: SimStorage) {
    this.judge = judge
    this.storage = storage
  }

  get last(): number {
    return this.messages.length
  }

  /** The newest event that readers are shown. */
  get lastShown(): number {
    let seq = this.last
    while (this.hidden.has(seq)) seq -= 1
    return seq
  }

  /** Whether who knows everything up to the one seq, and is next shown what comes after the other, has missed nothing. */
  isAll(known: number, through: number): boolean {
    for (let seq = Math.max(known, this.storage.removedThrough) + 1; seq <= through; seq++) {
      if (!this.hidden.has(seq)) return false
    }
    return through >= known
  }

  /** A client sends it, with the right to do so. */
  sent(message: string): void {
    this.written.set(message, { state: "pending", seq: undefined })
  }

  /** Whether nothing that readers are shown lies between the two. */
  isNext(known: number, seq: number): boolean {
    for (let between = known + 1; between < seq; between++) if (!this.hidden.has(between)) return false
    return true
  }

  committed({ events }: Commit): void {
    for (const { level, message, seq, source } of events) {
      this.judge.check(seq === this.last + 1, "stored once", () => `event ${seq} follows event ${this.last}`)
      this.messages.push(message)
      if (level === "audit") this.hidden.add(seq)
      if (source !== "http") continue
      const own = this.written.get(message)
      if (own === undefined) {
        this.judge.fail("no permission is skipped", `event ${seq} is ${message}, which nobody may have written`)
        continue
      }
      this.judge.check(own.seq === undefined, "stored once", () => `${message} is event ${own.seq} and event ${seq}`)
      this.judge.check(
        own.state !== "refused",
        "refused is not stored",
        () => `${message} was refused, and is event ${seq}`
      )
      own.seq = seq
    }
  }

  acknowledged(message: string, seq?: number): void {
    const own = this.written.get(message)
    if (own === undefined) return
    own.state = "acknowledged"
    this.judge.check(own.seq !== undefined, "acknowledged is stored", () => `${message} is not in the log`)
    this.known = Math.max(this.known, own.seq ?? 0)
    this.judge.check(
      seq === undefined || own.seq === seq,
      "acknowledged is stored",
      () => `${message} is event ${own.seq}, and was said to be event ${seq}`
    )
  }

  /** The answer said that it was not stored. */
  refused(message: string): void {
    const own = this.written.get(message)
    if (own === undefined) return
    own.state = "refused"
    this.judge.check(
      own.seq === undefined,
      "refused is not stored",
      () => `${message} was refused, and is event ${own.seq}`
    )
  }

  unknown(message: string): void {
    const own = this.written.get(message)
    if (own !== undefined) own.state = "unknown"
  }

  /** Events with their seqs, as a reader got them who knew everything up to `after`. */
  read(after: number, events: ReadonlyArray<Seen>, who: string): number {
    let cursor = after
    for (const { message, seq } of events) {
      this.judge.check(
        seq > cursor && this.isAll(cursor, seq - 1),
        "readers see the log",
        () => `${who}: event ${seq} after event ${cursor}`
      )
      this.holds(seq, message, who)
      cursor = seq
    }
    return cursor
  }

  holds(seq: number, message: string, who: string): void {
    this.known = Math.max(this.known, seq)
    this.judge.check(
      this.messages[seq - 1] === message && !this.hidden.has(seq),
      "readers see the log",
      () => `${who}: event ${seq} was shown as ${message}, and is ${this.messages[seq - 1] ?? "not there"}`
    )
  }

  /** A tail without seqs, as the log was at some moment since it had the event `known`, less what retention took from it. */
  tail(messages: ReadonlyArray<string>, known: number, max: number, who: string): void {
    for (let end = this.last; end >= known; end--) {
      const before = this.beforeTail(messages, end)
      if (before === undefined || (messages.length !== max && !this.isAll(0, before))) continue
      this.known = Math.max(this.known, end)
      return
    }
    this.judge.fail("readers see the log", `${who}: shown ${messages.join(" | ")}, which the log never ended with`)
  }

  /** The event before these, of which the last is event `end`. A page may find removed what the one before stopped at. */
  private beforeTail(messages: ReadonlyArray<string>, end: number): number | undefined {
    let seq = end
    for (const message of messages.toReversed()) {
      while (this.hidden.has(seq)) seq -= 1
      while (this.messages[seq - 1] !== message) {
        if (seq === 0 || seq > this.storage.removedThrough) return undefined
        seq -= 1
      }
      seq -= 1
    }
    return seq
  }
}
