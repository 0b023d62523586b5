import { assert, describe, it } from "@effect/vitest"
import type { OperationLimits } from "../../../src/services/operations/OperationKinds.ts"
import { OperationQueue, type Turn } from "../../../src/services/operations/OperationQueue.ts"
import { SeqHeap } from "../../../src/services/operations/SeqHeap.ts"
import { random } from "../../harness/random.ts"

/** Whole numbers from `min` up to, not including, `end`. */
const dice = (seed: number) => {
  const next = random(seed)
  return (min: number, end: number) => min + Math.floor(next() * (end - min))
}

interface One {
  readonly id: string
  readonly kind: string
  readonly name: string
  readonly seq: number
}

/** Looks at everybody each time. */
class Plain {
  waiting: Array<One> = []
  running: Array<One> = []
  readonly limitsOf: (kind: string) => OperationLimits

  constructor(limitsOf: (kind: string) => OperationLimits) {
    this.limitsOf = limitsOf
  }

  takeTurns(): Array<string> {
    const begun: Array<string> = []
    for (const one of this.waiting.toSorted((a, b) => a.seq - b.seq)) {
      const { concurrency, group, perName } = this.limitsOf(one.kind)
      const sameGroup = this.running.filter(({ kind }) => this.limitsOf(kind).group === group).length
      const sameName = this.running.filter(({ kind, name }) => kind === one.kind && name === one.name).length
      const ahead = this.waiting.some((o) => o.kind === one.kind && o.name === one.name && o.seq < one.seq)
      if (sameGroup >= concurrency || sameName >= perName || ahead) continue
      this.waiting = this.waiting.filter((other) => other !== one)
      this.running.push(one)
      begun.push(one.id)
    }
    return begun
  }

  position({ kind, name, seq }: One): number | undefined {
    const line = this.waiting.filter((one) => one.kind === kind && one.name === name).toSorted((a, b) => a.seq - b.seq)
    const index = line.findIndex((one) => one.seq === seq)
    return index === -1 ? undefined : index + 1
  }
}

describe("the queue of operations", () => {
  it("gives turns as one does that looks at everybody each time", () => {
    for (let seed = 1; seed <= 40; seed++) {
      const draw = dice(seed)
      const limits: Readonly<Record<string, OperationLimits>> = {
        a: { group: "one", concurrency: draw(1, 4), perName: draw(1, 3) },
        b: { group: "one", concurrency: draw(1, 4), perName: 1 },
        c: { group: "two", concurrency: draw(1, 6), perName: draw(1, 3) }
      }
      const fallback: OperationLimits = { group: "none", concurrency: 1, perName: 1 }
      // Those of one group share its bound.
      const shared = (kind: string): OperationLimits => {
        const own = limits[kind] ?? fallback
        return own.group === "one" ? { ...own, concurrency: limits["a"]?.concurrency ?? 1 } : own
      }
      const queue = new OperationQueue(shared)
      const plain = new Plain(shared)
      const turns = new Map<string, Turn>()
      let seq = 0
      for (let step = 0; step < 400; step++) {
        const what = draw(0, 10)
        if (what < 5) {
          const one = { id: `${(seq += 1)}`, kind: "abc"[draw(0, 3)] ?? "a", name: `${draw(0, 4)}`, seq }
          queue.add(one.kind, one.name, one)
          plain.waiting.push(one)
        } else if (what < 6) {
          const one = plain.waiting[draw(0, plain.waiting.length)]
          if (one === undefined) continue
          assert.isTrue(queue.remove(one.kind, one.name, one.seq))
          assert.isFalse(queue.remove(one.kind, one.name, one.seq))
          plain.waiting = plain.waiting.filter((other) => other !== one)
        } else {
          const one = plain.running[draw(0, plain.running.length)]
          if (one === undefined) continue
          const turn = turns.get(one.id) ?? assert.fail(`${one.id} has no turn`)
          queue.giveBack(turn)
          plain.running = plain.running.filter((other) => other !== one)
        }
        const some = plain.waiting[draw(0, plain.waiting.length)]
        if (some !== undefined) {
          assert.strictEqual(queue.position(some.kind, some.name, some.seq), plain.position(some))
        }
        const begun = queue.takeTurns()
        for (const turn of begun) turns.set(turn.id, turn)
        assert.sameMembers(
          begun.map(({ id }) => id),
          plain.takeTurns(),
          `seed ${seed}, step ${step}`
        )
      }
    }
  })

  it("counts those that ran before a restart, though there be no room for them", () => {
    const queue = new OperationQueue(() => ({ group: "g", concurrency: 1, perName: 1 }))
    const ran = [queue.resume("k", "a", "1"), queue.resume("k", "b", "2")]
    queue.add("k", "a", { id: "3", seq: 3 })
    assert.deepStrictEqual(queue.takeTurns(), [])
    for (const turn of ran) queue.giveBack(turn)
    assert.deepStrictEqual(
      queue.takeTurns().map(({ id }) => id),
      ["3"]
    )
  })

  it("keeps the order of those that come late", () => {
    const queue = new OperationQueue(() => ({ group: "g", concurrency: 9, perName: 9 }))
    for (const seq of [5, 2, 9, 1]) queue.add("k", "a", { id: `${seq}`, seq })
    assert.deepStrictEqual(
      queue.takeTurns().map(({ id }) => id),
      ["1", "2", "5", "9"]
    )
  })

  it("follows limits that change", () => {
    let concurrency = 1
    const queue = new OperationQueue((_, name) => ({ group: "g", concurrency, perName: name === "a" ? 1 : 2 }))
    for (const [seq, name] of ["a", "b", "b"].entries()) queue.add("k", name, { id: `${seq}`, seq })
    assert.strictEqual(queue.takeTurns().length, 1)
    concurrency = 3
    assert.strictEqual(queue.takeTurns().length, 0)
    queue.stir()
    assert.strictEqual(queue.takeTurns().length, 2)
  })
})

describe("a heap", () => {
  it("gives the smallest first", () => {
    const draw = dice(7)
    const heap = new SeqHeap<{ readonly seq: number }>()
    const all = Array.from({ length: 500 }, () => ({ seq: draw(0, 100) }))
    for (const one of all) heap.push(one)
    const out: Array<number> = []
    for (let one = heap.shift(); one !== undefined; one = heap.shift()) out.push(one.seq)
    assert.deepStrictEqual(
      out,
      all.map(({ seq }) => seq).toSorted((a, b) => a - b)
    )
  })
})
