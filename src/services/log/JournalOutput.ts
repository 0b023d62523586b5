/**
 * Where log lines leave the process for the journal: one datagram each, in its native protocol.
 *
 * Nothing waits: lines are gathered, and sent a slice at a time; what the journal does not take now, because it hangs or is
 * being restarted, is kept and tried again. Bound: `bufferedBytesMax` waiting; beyond it lines are dropped, and counted, and the
 * count is told as soon as lines flow again. A journal that refuses `refusalsMax` lines in a row refuses all: it is given none
 * any more (`refused`).
 */
import type { Datagrams } from "../systemd/Datagrams.ts"

/** As LogOutput: lines of this long a time leave together. */
const gatherMs = 25

/** Each is a system call of some microseconds: together less than a request may wait. */
const sliceLines = 64

/** A journal that is full is asked again after this; one that is restarted is back in a second. */
const againMs = 50

/** One alone may be a line that the kernel finds too long. */
const refusalsMax = 3

/** As LogOutput. */
const bufferedBytesMax = 4 * 1024 * 1024

export class JournalOutput {
  private readonly waiting: Array<Buffer> = []
  private next = 0
  private waitingBytes = 0
  private scheduled: NodeJS.Timeout | undefined
  private droppedSinceTold = 0
  private idle: Array<() => void> = []
  private readonly datagrams: Datagrams
  private readonly toldAs: (dropped: number) => Buffer
  private refusals = 0
  /** Lines lost so far. */
  dropped = 0

  /** `toldAs` renders the line that says how many lines were dropped. */
  constructor(datagrams: Datagrams, toldAs: (dropped: number) => Buffer) {
    this.datagrams = datagrams
    this.toldAs = toldAs
  }

  get refused(): boolean {
    return this.refusals >= refusalsMax
  }

  push(entry: Buffer): void {
    if (this.waitingBytes + entry.length > bufferedBytesMax) {
      this.dropped += 1
      this.droppedSinceTold += 1
      return
    }
    this.waiting.push(entry)
    this.waitingBytes += entry.length
    this.schedule(gatherMs)
  }

  /** Calls back once all lines pushed so far are sent, or could not be. */
  whenIdle(callback: () => void): void {
    this.idle.push(callback)
    this.flush()
  }

  close(): void {
    clearTimeout(this.scheduled)
    this.datagrams.close()
  }

  private schedule(ms: number): void {
    this.scheduled ??= setTimeout(() => {
      this.scheduled = undefined
      this.flush()
    }, ms).unref()
  }

  private flush(): void {
    for (let sent = 0; sent < sliceLines; sent++) {
      if (this.droppedSinceTold > 0 && this.waitingBytes < bufferedBytesMax / 2) this.tellDropped()
      const entry = this.waiting[this.next]
      if (entry === undefined) return this.settle()
      switch (this.datagrams.send(entry)) {
        case "sent":
          this.refusals = 0
          this.shift(entry)
          break
        case "full":
        case "gone":
          return this.schedule(againMs)
        case "failed":
          this.refusals += 1
          this.dropped += 1
          this.shift(entry)
      }
    }
    this.schedule(0)
  }

  private shift(entry: Buffer): void {
    this.next += 1
    this.waitingBytes -= entry.length
    if (this.next < sliceLines && this.next < this.waiting.length) return
    this.waiting.splice(0, this.next)
    this.next = 0
  }

  private tellDropped(): void {
    const entry = this.toldAs(this.droppedSinceTold)
    this.droppedSinceTold = 0
    this.waiting.push(entry)
    this.waitingBytes += entry.length
  }

  private settle(): void {
    for (const callback of this.idle.splice(0)) callback()
  }
}
