/**
 * What came of actions: who was allowed to start one, how often it was started, whether the answer is that of the
 * command that was asked for; and whether the log tells of every run, and of every upload, its begin and its end, once
 * and in this order. Records that the log refused are told in the process log, and are counted for what they may hide.
 */
import type { Judge } from "./Judge.ts"
import type { Commit } from "./SimStorage.ts"

interface Told {
  begun: number
  ended: number
  /** Records that may be missing, or may be there all the same. */
  begunLost: number
  endedLost: number
}

const patterns = [
  { kind: "begun", of: /^\[system-api\] (executing action|file upload): (\S+) = / },
  { kind: "ended", of: /^\[system-api\] (executing action|file upload) success: (\S+) = / },
  { kind: "ended", of: /^\[system-api\] error (executing action): (\S+) - / },
  { kind: "ended", of: /^\[system-api\] (file upload) error \([a-z ]+\): (\S+) = / }
] as const

export class WorkModel {
  private readonly judge: Judge
  /** Names that an allowed request gave its command, and whether it may still run. */
  private readonly asked = new Map<string, "open" | "refused">()
  private readonly started = new Set<string>()
  /** Allowed runs without a name, by program, less those that were started. */
  private readonly nameless = new Map<string, number>()
  private told = new Map<string, Told>()
  /** Answers that told how a command ended, by action. */
  private answered = new Map<string, number>()

  constructor(judge: Judge) {
    this.judge = judge
  }

  /** Somebody with the right to do so asks for it. */
  asks(program: string, name: string): void {
    if (name === "") this.nameless.set(program, (this.nameless.get(program) ?? 0) + 1)
    else this.asked.set(name, "open")
  }

  /** The answer said that it was not run. */
  refused(name: string): void {
    if (name === "") return
    this.judge.check(
      !this.started.has(name),
      "answers belong to their request",
      () => `${name} was run, and answered as if not`
    )
    this.asked.set(name, "refused")
  }

  /** The answer said how its command ended. */
  answeredOf(action: string): void {
    this.answered.set(action, (this.answered.get(action) ?? 0) + 1)
  }

  /** For a reader that asks now: to be called when it was answered, unless that took as long as it waits for a commit. */
  reader(who: string): () => void {
    const answered = [...this.answered]
    return () => {
      for (const [action, times] of answered) {
        const { begun, begunLost, ended, endedLost } = this.of(`executing action ${action}`)
        this.judge.check(
          ended + endedLost >= times && begun + begunLost >= times,
          "actions are told in order",
          () => `${who}: ${times} runs of ${action} were answered, ${begun} begins and ${ended} ends are in the log`
        )
      }
    }
  }

  /** A command begins; `beside` run already, which may be `concurrency`. */
  commandStarted(program: string, name: string, running: number, concurrency: number): void {
    this.judge.check(running <= concurrency, "bounds hold", () => `${running} of ${program} run, ${concurrency} may`)
    if (name === "") {
      const left = this.nameless.get(program) ?? 0
      const broken = this.nameless.has(program) ? "commands run once" : "no permission is skipped"
      this.judge.check(left > 0, broken, () => `${program} was started, and nobody asked for it, or not so often`)
      this.nameless.set(program, left - 1)
      return
    }
    const asked = this.asked.get(name)
    this.judge.check(
      asked !== undefined,
      "no permission is skipped",
      () => `${program} was started for ${name}, who may not`
    )
    this.judge.check(
      asked !== "refused",
      "commands run once",
      () => `${program} was started for ${name} after the refusal`
    )
    this.judge.check(!this.started.has(name), "commands run once", () => `${program} was started twice for ${name}`)
    this.started.add(name)
  }

  committed({ events }: Commit, undisturbed: boolean): void {
    for (const { message, source } of events) {
      const record = source === "daemon" ? recordOf(message) : undefined
      if (record === undefined) continue
      const told = this.of(record.what)
      told[record.kind] += 1
      if (!undisturbed) continue
      this.judge.check(
        told.ended <= told.begun,
        "actions are told in order",
        () => `${record.what} has ended more often than it began`
      )
    }
  }

  /** A line of the process log says that this could not be recorded. */
  notRecorded(message: string): void {
    const record = recordOf(`[system-api] ${message}`)
    if (record !== undefined) this.of(record.what)[record.kind === "begun" ? "begunLost" : "endedLost"] += 1
  }

  processEnded(): void {
    this.told = new Map()
    this.answered = new Map()
    this.nameless.clear()
    this.asked.clear()
  }

  /** Nothing runs any more: what has begun has ended. */
  settled(): void {
    for (const [what, { begun, begunLost, ended, endedLost }] of this.told) {
      this.judge.check(
        begun <= ended + endedLost && ended <= begun + begunLost,
        "actions are told in order",
        () => `${what}: ${begun} times begun (${begunLost} lost), ${ended} times ended (${endedLost} lost)`
      )
    }
  }

  private of(what: string): Told {
    const known = this.told.get(what) ?? { begun: 0, ended: 0, begunLost: 0, endedLost: 0 }
    this.told.set(what, known)
    return known
  }
}

const recordOf = (message: string): { readonly kind: "begun" | "ended"; readonly what: string } | undefined => {
  for (const { kind, of } of patterns) {
    const match = of.exec(message)
    if (match !== null) return { kind, what: `${match[1] ?? ""} ${match[2] ?? ""}` }
  }
  return undefined
}
