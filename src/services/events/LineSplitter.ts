/** Cuts a body that comes in chunks into its lines; a line that grows over the cap is dropped and reported as too long. */

export interface SplitLine {
  readonly text: string
  /** The line was longer than the cap; its text is empty. */
  readonly tooLong: boolean
}

const newline = 0x0a

export class LineSplitter {
  private parts: Array<Buffer> = []
  private held = 0
  private skipping = false
  private readonly maxBytes: number

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes
  }

  /** The lines that end in this chunk. */
  push(chunk: Uint8Array): ReadonlyArray<SplitLine> {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength)
    const end = bytes.lastIndexOf(newline)
    if (end === -1) {
      this.hold(bytes)
      return []
    }
    this.hold(bytes.subarray(0, end))
    const whole = Buffer.concat(this.parts)
    const first = this.skipping
    this.parts = []
    this.held = 0
    this.skipping = false
    const lines = whole.length <= this.maxBytes ? textLines(whole) : this.checkedLines(whole)
    if (first) lines[0] = tooLong
    this.hold(bytes.subarray(end + 1))
    return lines
  }

  /** The last line, if it had no newline. */
  end(): ReadonlyArray<SplitLine> {
    if (this.skipping) return [tooLong]
    return this.held === 0 ? [] : textLines(Buffer.concat(this.parts))
  }

  /** Lines that may be over the cap: it counts bytes as they came, so that how they were cut into chunks is no matter. */
  private checkedLines(bytes: Buffer): Array<SplitLine> {
    const lines: Array<SplitLine> = []
    for (let start = 0; start <= bytes.length;) {
      const found = bytes.indexOf(newline, start)
      const end = found === -1 ? bytes.length : found
      lines.push(end - start > this.maxBytes ? tooLong : { text: bytes.toString("utf8", start, end), tooLong: false })
      start = end + 1
    }
    return lines
  }

  private hold(bytes: Buffer): void {
    if (bytes.length === 0) return
    if (this.held + bytes.length > this.maxBytes && !bytes.includes(newline)) {
      this.skipping = true
      this.parts = []
      this.held = 0
      return
    }
    // A copy: the chunk's memory is the socket's.
    this.parts.push(Buffer.from(bytes))
    this.held += bytes.length
  }
}

const textLines = (bytes: Buffer): Array<SplitLine> =>
  bytes
    .toString()
    .split("\n")
    .map((text) => ({ text, tooLong: false }))

const tooLong: SplitLine = { text: "", tooLong: true }
