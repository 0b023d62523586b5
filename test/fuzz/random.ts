/**
 * A small seeded generator: the same seed gives the same case on every machine. mulberry32 has one word of state, which
 * is all that a case of some hundred choices needs; nothing here is for secrets.
 */

export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** 32 bits. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return (mixed ^ (mixed >>> 14)) >>> 0
  }

  /** From 0 to `end - 1`. */
  below(end: number): number {
    return end <= 0 ? 0 : this.next() % end
  }

  between(first: number, last: number): number {
    return first + this.below(last - first + 1)
  }

  /** True in so many of a hundred. */
  percent(share: number): boolean {
    return this.below(100) < share
  }

  pick<A>(choices: readonly [A, ...ReadonlyArray<A>]): A {
    return choices[this.below(choices.length)] ?? choices[0]
  }

  /** Mostly small, now and then up to `max`: bugs live at both ends. */
  size(max: number): number {
    return this.percent(70) ? this.below(Math.min(max, 8) + 1) : this.below(max + 1)
  }

  bytes(length: number): Buffer {
    const bytes = Buffer.alloc(length)
    for (let at = 0; at < length; at++) bytes[at] = this.next()
    return bytes
  }

  times<A>(count: number, make: (index: number) => A): Array<A> {
    return Array.from({ length: count }, (_, index) => make(index))
  }
}

/** Where bytes are put in, taken out, changed, doubled and cut; `pieces` are what the format at hand trips over. */
export const mutate = (random: Random, bytes: Buffer, pieces: readonly [Buffer, ...ReadonlyArray<Buffer>]): Buffer => {
  let changed = bytes
  for (let times = 1 + random.size(6); times > 0; times--) changed = mutateOnce(random, changed, pieces)
  return changed
}

const mutateOnce = (random: Random, bytes: Buffer, pieces: readonly [Buffer, ...ReadonlyArray<Buffer>]): Buffer => {
  const at = random.below(bytes.length + 1)
  const end = Math.min(bytes.length, at + random.size(64))
  switch (random.below(7)) {
    case 0: {
      const flipped = Buffer.from(bytes)
      if (at < flipped.length) flipped[at] = (flipped[at] ?? 0) ^ (1 << random.below(8))
      return flipped
    }
    case 1:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.size(4)), bytes.subarray(at)])
    case 2:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(end)])
    case 3:
      return Buffer.concat([bytes.subarray(0, end), bytes.subarray(at)])
    case 4:
      return random.percent(80) ? bytes : bytes.subarray(0, at)
    default:
      return Buffer.concat([
        bytes.subarray(0, at),
        random.pick(pieces),
        bytes.subarray(random.percent(50) ? at : Math.min(bytes.length, at + 1))
      ])
  }
}

/** Cuts bytes at odd places; nothing is lost or added. */
export const split = (random: Random, bytes: Buffer, most: number): ReadonlyArray<Buffer> => {
  const cuts = random.times(random.below(most), () => random.below(bytes.length + 1)).sort((a, b) => a - b)
  const ends = [...cuts, bytes.length]
  return ends.map((end, index) => bytes.subarray(ends[index - 1] ?? 0, end))
}
