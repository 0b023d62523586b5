/** A table of what was used lately, of at most `max` entries: the one longest unused goes first. */
export class RecentMap<A> {
  readonly #max: number
  // A Map keeps the order of insertion: what is used is inserted anew, the first is the one longest unused.
  readonly #entries = new Map<string, A>()

  constructor(max: number) {
    this.#max = max
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): A | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, value)
    }
    return value
  }

  set(key: string, value: A): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size <= this.#max) return
    for (const longestUnused of this.#entries.keys()) {
      this.#entries.delete(longestUnused)
      return
    }
  }
}
