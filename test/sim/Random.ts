/**
 * The only source of chance in a simulation: numbers that follow from a seed alone. Parts that draw draw from streams
 * of their own (`fork`), so that one more draw in one of them does not change what another one does.
 */
import { drawn, mix, step } from "../harness/random.ts"

export class Random {
  private state: number

  constructor(seed: number) {
    this.state = mix(seed | 0)
  }

  /** From 0 up to, not including, 1. */
  next(): number {
    this.state = step(this.state)
    return drawn(this.state)
  }

  /** A whole number from 0 up to, not including, `count`. */
  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  /** A whole number, both ends included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<A>(choices: readonly [A, ...ReadonlyArray<A>]): A {
    return choices[this.below(choices.length)] ?? choices[0]
  }

  /** One of many, undefined of none. */
  pickOf<A>(choices: ReadonlyArray<A>): A | undefined {
    return choices[this.below(choices.length)]
  }

  fork(name: string): Random {
    let seed = this.state
    for (let i = 0; i < name.length; i++) seed = mix(seed ^ (name.charCodeAt(i) + i * 0x9e3779b1))
    return new Random(seed)
  }
}
