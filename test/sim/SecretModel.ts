/**
 * Which password opens the daemon. It is the one in force or one of those that clients are about to set, never another
 * and never none: whoever knows it is not locked out. A change that was confirmed stays, over every crash, and what was
 * before it is of no more use; one of which nobody was told how it ended may have come about, and may come about when
 * the file is read again.
 */
import type { Judge } from "./Judge.ts"

interface Attempt {
  readonly begun: number
  /** Infinite while something may still come of it. */
  ended: number
}

export class SecretModel {
  /** In force, as of the last look. */
  current: string
  /** Of no use any more. */
  readonly retired: Array<string> = []
  private readonly candidates = new Map<string, Attempt>()
  private moment = 1
  private readonly judge: Judge

  constructor(first: string, judge: Judge) {
    this.current = first
    this.candidates.set(first, { begun: 0, ended: 0 })
    this.judge = judge
  }

  /** Nothing else can be in force, now or soon. */
  get isSure(): boolean {
    return this.candidates.size === 1
  }

  begins(password: string): void {
    this.candidates.set(password, { begun: this.moment++, ended: Number.POSITIVE_INFINITY })
  }

  /** Answered that it is set. */
  confirmed(password: string): void {
    const own = this.candidates.get(password)
    if (own === undefined) return
    own.ended = this.moment++
    for (const [other, { ended }] of this.candidates) if (ended < own.begun) this.retire(other)
  }

  /** Answered that nothing came of it. */
  refused(password: string): void {
    this.retire(password)
  }

  /** Failed half-way: nothing more comes of it than a restart may find. */
  failed(password: string): void {
    const own = this.candidates.get(password)
    if (own !== undefined) own.ended = this.moment++
  }

  processEnded(): void {
    for (const attempt of this.candidates.values()) attempt.ended = Math.min(attempt.ended, this.moment)
    this.moment += 1
  }

  /** Looks which of those that may be in force is. */
  observe(opens: (password: string) => boolean): void {
    if (opens(this.current)) return
    const found = [...this.candidates.keys()].find(opens)
    if (found === undefined)
      this.judge.fail("the password opens", `${this.current} does not, nor does any other that may`)
    else this.current = found
  }

  /** What was in force when the power went is what the disk holds, and nothing else can come up any more. */
  afterCrash(): void {
    for (const other of this.candidates.keys()) if (other !== this.current) this.retire(other)
  }

  private retire(password: string): void {
    this.judge.check(password !== this.current, "the password opens", () => `${password} is in force, and cannot be`)
    this.candidates.delete(password)
    this.retired.push(password)
  }
}
