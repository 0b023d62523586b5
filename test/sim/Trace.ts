/** What happened, one line each, for people; and its digest, which two runs of one seed must share. */
import { createHash } from "node:crypto"
import type { World } from "./World.ts"

export class Trace {
  readonly lines: Array<string> = []
  private readonly world: World
  private readonly counts = new Map<string, number>()

  constructor(world: World) {
    this.world = world
  }

  say(text: string): void {
    this.lines.push(`${(this.world.now / 1000).toFixed(3).padStart(9)} ${text}`)
  }

  /** Something took place that a run of many seeds must have met. */
  count(what: string, times = 1): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + times)
  }

  get coverage(): ReadonlyMap<string, number> {
    return this.counts
  }

  digest(): string {
    const hash = createHash("sha256")
    for (const line of this.lines) hash.update(line).update("\n")
    return hash.digest("hex")
  }
}
