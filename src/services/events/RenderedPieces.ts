/**
 * The newest events as ready pieces of a live stream, each event rendered once for all who follow.
 *
 * A follower's piece is a view of one block of bytes, from the event after its cursor to the newest in the block. The
 * written part of a block never changes, so a client may take as long as it likes; a stuck one keeps its block from
 * being collected, and nothing else. Nothing is rendered before somebody asks, and then at most a block, so that a burst
 * stops nobody.
 *
 * Bounds: `blocksMax` blocks of `blockBytes`. Who is further behind reads from the log, and meets the blocks again.
 */
import type { Event } from "./Event.ts"
import { eventOf, type RecentEvents } from "./RecentEvents.ts"

export interface Piece {
  readonly bytes: Uint8Array
  /** Seq of the newest event in it. */
  readonly last: number
}

interface Block {
  /** It has every event to show from after this seq on. */
  readonly after: number
  readonly buffer: Buffer
  readonly seqs: Array<number>
  /** Where each event ends. */
  readonly ends: Array<number>
}

/** Rendering one takes less than a millisecond; a socket takes it in one write. */
const blockBytes = 64 * 1024

/** Eight MiB, four seconds of ten thousand lines a second: how long clients may hesitate before they read for themselves. */
const blocksMax = 128

export class RenderedPieces {
  private blocks: Array<Block> = []
  /** Seq of the newest event in the blocks, or after which the first one begins. */
  private rendered = 0
  private readonly recent: RecentEvents
  private readonly render: (event: Event) => string

  constructor(recent: RecentEvents, render: (event: Event) => string) {
    this.recent = recent
    this.render = render
  }

  /** What comes after `seq`; undefined when nothing does, or when it has to be read from the log. */
  after(seq: number): Piece | undefined {
    // Nobody has come by for a while: what lies between is of no use to whoever asks now.
    if (seq > this.rendered && this.recent.showsBetween(this.rendered, seq)) {
      this.blocks = []
      this.rendered = seq
    }
    if (seq >= this.rendered) this.renderMore()
    const block = this.blocks.findLast(({ after }) => after <= seq)
    const last = block?.seqs.at(-1) ?? seq
    if (block === undefined || last <= seq) return undefined
    return { bytes: block.buffer.subarray(block.ends[countUpTo(block.seqs, seq) - 1] ?? 0, endOf(block)), last }
  }

  /** Lets go of the blocks; for when the last follower has left. */
  clear(): void {
    this.blocks = []
    this.rendered = 0
  }

  /** Fills the newest block, or the next one; what has no room in it is rendered again by whoever asks for it. */
  private renderMore(): void {
    // Retention, or a burst larger than the window, took what comes next: the log knows.
    if (this.rendered + 1 < this.recent.first) return
    const before = this.rendered
    let block = this.blocks.at(-1)
    for (const run of this.recent.runsAfter(this.rendered)) {
      for (let i = Math.max(0, this.rendered + 1 - run.firstSeq); i < run.messages.length; i++) {
        const text = this.render(eventOf(run, i))
        // A UTF-16 unit takes at most three bytes of UTF-8.
        const room = text.length * 3
        if (block === undefined || endOf(block) + room > block.buffer.length) {
          if (this.rendered > before) return
          block = this.open(room)
        }
        block.ends.push(endOf(block) + block.buffer.write(text, endOf(block)))
        block.seqs.push(run.firstSeq + i)
        this.rendered = run.firstSeq + i
      }
    }
  }

  private open(room: number): Block {
    const buffer = Buffer.allocUnsafeSlow(Math.max(blockBytes, room))
    const block = { after: this.rendered, buffer, seqs: [], ends: [] }
    this.blocks.push(block)
    if (this.blocks.length > blocksMax) this.blocks.shift()
    return block
  }
}

/** How many of the seqs, which rise, are at most this one. */
const countUpTo = (seqs: ReadonlyArray<number>, seq: number): number => {
  let low = 0
  let high = seqs.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((seqs[middle] ?? seq) <= seq) low = middle + 1
    else high = middle
  }
  return low
}

const endOf = (block: Block): number => block.ends.at(-1) ?? 0
