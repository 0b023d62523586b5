/**
 * What the audit log must hold of what was done: each entry once and in the order in which it was handed over, unless the
 * process ended before. Entries of the simulation's own are told apart by their names; those of the edge are not followed.
 */
import type { Commit } from "./SimStorage.ts"
import type { Judge } from "./Judge.ts"

const line = /^\[audit\] auditor succeeded (audit\d+)$/u

export class AuditModel {
  private waiting: Array<string> = []
  private readonly stored = new Set<string>()
  private readonly judge: Judge

  constructor(judge: Judge) {
    this.judge = judge
  }

  recorded(name: string): void {
    this.waiting.push(name)
  }

  committed({ events }: Commit): void {
    for (const { level, message } of events) {
      const name = level === "audit" ? line.exec(message)?.[1] : undefined
      if (name === undefined) continue
      this.judge.check(!this.stored.has(name), "audit is told", () => `${name} is in the log twice`)
      this.judge.check(this.waiting[0] === name, "audit is told", () => `${name} is stored before ${this.waiting[0]}`)
      this.stored.add(name)
      this.waiting.shift()
    }
  }

  /** What was on its way is lost with it. */
  processEnded(): void {
    this.waiting = []
  }

  settled(): void {
    this.judge.check(this.waiting.length === 0, "audit is told", () => `${this.waiting.length} entries are not stored`)
  }
}
