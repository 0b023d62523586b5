/** The smallest first, whatever order they come in: a binary heap. */

export interface Sequenced {
  readonly seq: number
}

export class SeqHeap<T extends Sequenced> {
  readonly #items: Array<T> = []

  get first(): T | undefined {
    return this.#items[0]
  }

  push(item: T): void {
    const items = this.#items
    let at = items.length
    items.push(item)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = items[above]
      if (parent === undefined || parent.seq <= item.seq) break
      items[at] = parent
      at = above
    }
    items[at] = item
  }

  shift(): T | undefined {
    const items = this.#items
    const [first] = items
    const last = items.pop()
    if (first === undefined || last === undefined || items.length === 0) return first
    let at = 0
    while (true) {
      const left = items[2 * at + 1]
      const right = items[2 * at + 2]
      if (left === undefined) break
      const [below, child] = right !== undefined && right.seq < left.seq ? [2 * at + 2, right] : [2 * at + 1, left]
      if (child.seq >= last.seq) break
      items[at] = child
      at = below
    }
    items[at] = last
    return first
  }
}
