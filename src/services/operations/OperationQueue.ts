/**
 * Who waits for a turn, and who has one. Those of one kind and name form a line and begin in the order in which they were
 * asked for; of the lines of a group, whose first has waited longest goes first.
 *
 * Bounds: a waiting one is an object of three members; a line is forgotten when nobody waits and nobody runs. To find the
 * next costs the logarithm of the lines, to find a place that of the line.
 */
import type { OperationLimits } from "./OperationKinds.ts"
import { SeqHeap } from "./SeqHeap.ts"

export interface Waiting {
  readonly id: string
  readonly seq: number
}

interface Line {
  readonly kind: string
  readonly name: string
  /** By seq; what is ahead of `head` has had its turn. */
  waiting: Array<Waiting>
  head: number
  running: number
  /** It is in the heap of its group. */
  offered: boolean
}

interface Offer {
  /** Of its first, when it was offered. */
  readonly seq: number
  readonly line: Line
}

interface Group {
  running: number
  readonly offers: SeqHeap<Offer>
}

/** The right to run, to be given back. */
export interface Turn {
  readonly id: string
  readonly line: Line
  readonly group: string
}

/** What is behind a line's head is moved when it is this much, and half of all. */
const uselessMax = 64

export class OperationQueue {
  readonly #limitsOf: (kind: string, name: string) => OperationLimits
  readonly #lines = new Map<string, Line>()
  readonly #groups = new Map<string, Group>()
  /** Groups in which somebody's turn may have come. */
  readonly #stirred = new Set<string>()

  constructor(limitsOf: (kind: string, name: string) => OperationLimits) {
    this.#limitsOf = limitsOf
  }

  add(kind: string, name: string, waiting: Waiting): void {
    const line = this.#line(kind, name)
    const last = line.waiting.at(-1)
    if (last === undefined || last.seq < waiting.seq) line.waiting.push(waiting)
    else line.waiting.splice(indexOf(line, waiting.seq), 0, waiting)
    this.#offer(line)
  }

  /** False: it does not wait. */
  remove(kind: string, name: string, seq: number): boolean {
    const line = this.#lines.get(keyOf(kind, name))
    if (line === undefined) return false
    const index = indexOf(line, seq)
    if (line.waiting[index]?.seq !== seq) return false
    line.waiting.splice(index, 1)
    this.#forget(line)
    return true
  }

  /** 1 is the next. */
  position(kind: string, name: string, seq: number): number | undefined {
    const line = this.#lines.get(keyOf(kind, name))
    if (line === undefined) return undefined
    const index = indexOf(line, seq)
    return line.waiting[index]?.seq === seq ? index - line.head + 1 : undefined
  }

  /** One that runs whether or not there is room for it: it had its turn before a restart. */
  resume(kind: string, name: string, id: string): Turn {
    return this.#take(this.#line(kind, name), this.#limitsOf(kind, name).group, id)
  }

  giveBack({ group, line }: Turn): void {
    line.running -= 1
    this.#group(group).running -= 1
    this.#stirred.add(group)
    this.#offer(line)
    this.#forget(line)
  }

  /** Everybody whose turn it is. */
  takeTurns(): ReadonlyArray<Turn> {
    const turns: Array<Turn> = []
    for (const name of this.#stirred) this.#takeTurnsOf(name, turns)
    this.#stirred.clear()
    return turns
  }

  /** Limits may have changed. */
  stir(): void {
    for (const line of this.#lines.values()) this.#offer(line)
    for (const group of this.#groups.keys()) this.#stirred.add(group)
  }

  #takeTurnsOf(name: string, turns: Array<Turn>): void {
    const group = this.#group(name)
    for (let offer = group.offers.first; offer !== undefined; offer = group.offers.first) {
      const { line } = offer
      const first = line.waiting[line.head]
      const limits = this.#limitsOf(line.kind, line.name)
      if (first?.seq === offer.seq && limits.group === name) {
        if (group.running >= limits.concurrency) break
        group.offers.shift()
        line.offered = false
        if (line.running >= limits.perName) continue
        this.#advance(line)
        turns.push(this.#take(line, name, first.id))
      } else {
        group.offers.shift()
        line.offered = false
      }
      this.#offer(line)
    }
    if (group.running === 0 && group.offers.first === undefined) this.#groups.delete(name)
  }

  #take(line: Line, group: string, id: string): Turn {
    line.running += 1
    this.#group(group).running += 1
    return { id, line, group }
  }

  /** Puts the line where its group looks for who is next, if somebody of it may run. */
  #offer(line: Line): void {
    const first = line.waiting[line.head]
    if (line.offered || first === undefined) return
    const { group, perName } = this.#limitsOf(line.kind, line.name)
    if (line.running >= perName) return
    line.offered = true
    this.#group(group).offers.push({ seq: first.seq, line })
    this.#stirred.add(group)
  }

  #advance(line: Line): void {
    line.head += 1
    if (line.head < uselessMax || line.head * 2 < line.waiting.length) return
    line.waiting = line.waiting.slice(line.head)
    line.head = 0
  }

  #line(kind: string, name: string): Line {
    const key = keyOf(kind, name)
    const known = this.#lines.get(key)
    if (known !== undefined) return known
    const line: Line = { kind, name, waiting: [], head: 0, running: 0, offered: false }
    this.#lines.set(key, line)
    return line
  }

  #group(name: string): Group {
    const known = this.#groups.get(name)
    if (known !== undefined) return known
    const group: Group = { running: 0, offers: new SeqHeap() }
    this.#groups.set(name, group)
    return group
  }

  #forget(line: Line): void {
    if (line.running === 0 && line.head >= line.waiting.length) this.#lines.delete(keyOf(line.kind, line.name))
  }
}

/** No kind has this character in its name. */
const keyOf = (kind: string, name: string): string => `${kind}\n${name}`

/** Of the first whose seq is not smaller. */
const indexOf = ({ head, waiting }: Line, seq: number): number => {
  let low = head
  let high = waiting.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((waiting[middle]?.seq ?? Number.POSITIVE_INFINITY) < seq) low = middle + 1
    else high = middle
  }
  return low
}
