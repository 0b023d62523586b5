/**
 * What of the machine's journal must be in the event log: of every unit that is recorded each entry once, in the order of
 * the journal, whatever has ended meanwhile. What a unit says while it is not recorded comes when it is again.
 */
import type { JournalEntry } from "../../src/services/journal/Journal.ts"
import { type FakeJournal, makeFakeJournal } from "../harness/FakeJournal.ts"
import type { Judge } from "./Judge.ts"
import type { Commit } from "./SimStorage.ts"

/** Entries that one read gives: few, so that a reader is in the midst most of the time. */
const chunk = 3

interface Unit {
  readonly said: Array<string>
  /** How many of them the log has. */
  stored: number
}

export class JournalModel {
  readonly device: FakeJournal = makeFakeJournal()
  private readonly judge: Judge
  private readonly units = new Map<string, Unit>()

  constructor(judge: Judge) {
    this.judge = judge
    this.device.chunk = chunk
  }

  say(id: string, messages: ReadonlyArray<string>, entry: Partial<JournalEntry>): void {
    this.of(id).said.push(...messages)
    this.device.write(`${id}.service`, messages, entry)
  }

  committed({ events }: Commit): void {
    for (const { message, seq, source } of events) {
      if (!source.startsWith("journal:")) continue
      const unit = this.of(source.slice("journal:".length))
      const next = unit.said[unit.stored]
      this.judge.check(
        message === next,
        "journal once, in order",
        () => `event ${seq} of ${source} is ${message} where ${next ?? "nothing"} comes next`
      )
      unit.stored += 1
    }
  }

  settled(recorded: ReadonlyArray<string>): void {
    for (const id of recorded) {
      const { said, stored } = this.of(id)
      this.judge.check(
        stored === said.length,
        "journal once, in order",
        () => `${said.length - stored} entries of ${id} are not in the log`
      )
    }
  }

  private of(id: string): Unit {
    const unit = this.units.get(id) ?? { said: [], stored: 0 }
    this.units.set(id, unit)
    return unit
  }
}
