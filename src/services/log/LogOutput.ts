/**
 * Where log lines leave the process: standard error, written without ever blocking the event loop.
 *
 * Node writes to a pipe synchronously, so a stalled reader (a hung journald) would stop the daemon. Lines are gathered
 * here and written by the thread pool, one write at a time. Bound: `bufferedBytesMax` waiting; beyond it lines are
 * dropped. A write that fails (the reader is gone, the disk full) loses its lines. Either way they are counted, and the
 * count is told as soon as lines flow again.
 */
import { write } from "node:fs"

/** Lines of this long a time go out in one write. Each wakes a thread, for the price of some hundred lines. */
const gatherMs = 25

/** A second of very busy request logging; more means that nobody reads. */
const bufferedBytesMax = 4 * 1024 * 1024

const newline = 0x0a

export class LogOutput {
  private waiting = ""
  private writing = false
  private scheduled = false
  private droppedSinceTold = 0
  /** What the write in hand tells, in its last line; told again should that write fail. */
  private telling = 0
  /** The last write failed. To tell of that by itself would be one more write that fails, over and over. */
  private failing = false
  private idle: Array<() => void> = []
  private readonly fd: number
  private readonly toldAs: (dropped: number) => string
  /** Lines lost so far. */
  dropped = 0

  /** `toldAs` renders the line that says how many lines were dropped. */
  constructor(fd: number, toldAs: (dropped: number) => string) {
    this.fd = fd
    this.toldAs = toldAs
  }

  /** `line` ends with a newline. */
  push(line: string): void {
    if (this.waiting.length + line.length > bufferedBytesMax) {
      this.lose(1)
      return
    }
    this.waiting += line
    if (this.scheduled || this.writing) return
    this.scheduled = true
    setTimeout(() => {
      this.scheduled = false
      this.flush()
    }, gatherMs).unref()
  }

  /** Calls back once all lines pushed so far are written, or could not be. */
  whenIdle(callback: () => void): void {
    this.idle.push(callback)
    this.flush()
  }

  private flush(): void {
    if (this.writing) return
    if (this.droppedSinceTold > 0 && !(this.failing && this.waiting === "")) {
      this.waiting += this.toldAs(this.droppedSinceTold)
      this.telling = this.droppedSinceTold
      this.droppedSinceTold = 0
    }
    if (this.waiting === "") {
      for (const callback of this.idle.splice(0)) callback()
      return
    }
    const bytes = Buffer.from(this.waiting)
    this.waiting = ""
    this.writing = true
    this.send(bytes, 0)
  }

  private send(bytes: Buffer, offset: number): void {
    write(this.fd, bytes, offset, bytes.length - offset, null, (error, written) => {
      // A terminal or socket in non-blocking mode says EAGAIN: its reader is slow, not gone.
      if (error?.code === "EAGAIN") return void setTimeout(() => this.send(bytes, offset), 10)
      if (error === null && offset + written < bytes.length) return this.send(bytes, offset + written)
      this.writing = false
      this.failing = error !== null
      if (error !== null) this.loseFrom(bytes, offset)
      this.telling = 0
      this.flush()
    })
  }

  private lose(lines: number): void {
    this.dropped += lines
    this.droppedSinceTold += lines
  }

  /** The rest of a write; a line of which a part went out is lost as well. */
  private loseFrom(bytes: Buffer, offset: number): void {
    let lines = 0
    for (let at = bytes.indexOf(newline, offset); at >= 0; at = bytes.indexOf(newline, at + 1)) lines += 1
    // The line that tells of earlier ones is none of the log's.
    this.lose(this.telling > 0 ? lines - 1 : lines)
    this.droppedSinceTold += this.telling
  }
}
