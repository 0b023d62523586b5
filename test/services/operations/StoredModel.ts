/** What is kept of operations as plain arrays, to be compared with the store: slow, and plainly right. */
import { isFinal, type NewOperation, type Operation } from "../../../src/services/operations/Operation.ts"
import type { OperationQuery } from "../../../src/services/operations/Operations.ts"
import type { Ending, JournalEntry, OperationRetention } from "../../../src/services/operations/OperationStore.ts"

interface Kept {
  operation: Operation
  /** The how manieth that ended. */
  ended: number | undefined
  output: number | undefined
  journal: Array<JournalEntry>
}

export class StoredModel {
  private kept: Array<Kept> = []
  private seq = 0
  private ends = 0

  submit(asked: NewOperation, now: number, maxPending: number): string {
    const { idempotency } = asked
    const same = this.kept.find(
      ({ operation: { idempotency: known } }) =>
        known !== null && known.owner === idempotency?.owner && known.key === idempotency.key
    )
    if (same !== undefined) {
      return same.operation.idempotency?.fingerprint === idempotency?.fingerprint ? same.operation.id : "conflict"
    }
    if (this.with("pending").length >= maxPending) return "many"
    const operation: Operation = {
      ...asked,
      seq: ++this.seq,
      status: "pending",
      progress: null,
      progressText: null,
      result: null,
      error: null,
      createdAt: now,
      updatedAt: now,
      startedAt: null,
      endedAt: null,
      cancelRequestedAt: null,
      cancelRequestedBy: null
    }
    this.kept.push({ operation, ended: undefined, output: undefined, journal: [] })
    return asked.id
  }

  begin(id: string, now: number): boolean {
    const one = this.find(id)
    if (one?.operation.status !== "pending") return false
    one.operation = { ...one.operation, status: "running", startedAt: now, updatedAt: now }
    return true
  }

  progress(id: string, progress: number | null, progressText: string | null, now: number): void {
    const one = this.unfinishedOne(id)
    if (one !== undefined) one.operation = { ...one.operation, progress, progressText, updatedAt: now }
  }

  end(id: string, { error, output, result, status }: Ending, now: number): boolean {
    const one = this.unfinishedOne(id)
    if (one === undefined) return false
    one.operation = { ...one.operation, status, result, error, endedAt: now, updatedAt: now }
    one.ended = ++this.ends
    one.journal = []
    if (output !== null) one.output = output.bytes
    return true
  }

  cancel(id: string, who: string, now: number): void {
    const one = this.unfinishedOne(id)
    if (one === undefined) return
    if (one.operation.cancelRequestedAt === null) {
      one.operation = { ...one.operation, cancelRequestedAt: now, cancelRequestedBy: who, updatedAt: now }
    }
    if (one.operation.status === "pending") {
      const error = { code: "cancelled", message: `cancelled by ${who} before it began` }
      this.end(id, { status: "cancelled", result: null, error, output: null }, now)
    }
  }

  note(entry: JournalEntry): void {
    const one = this.unfinishedOne(entry.operation)
    if (one === undefined) return
    const at = one.journal.findIndex(({ key }) => key === entry.key)
    if (at < 0) one.journal.push(entry)
    else one.journal[at] = entry
  }

  keepOutput(id: string, bytes: number): void {
    const one = this.unfinishedOne(id)
    if (one !== undefined) one.output = bytes
  }

  /** `overhead`: bytes that the store adds to an output. */
  prune({ maxAgeMs, maxBytes, maxCount }: OperationRetention, now: number, overhead: number): void {
    const byEnd = () =>
      this.kept.filter(({ ended }) => ended !== undefined).sort((a, b) => (a.ended ?? 0) - (b.ended ?? 0))
    let surplus = byEnd().length - maxCount
    const going = new Set<Kept>()
    for (const one of byEnd()) {
      if (surplus <= 0 && (one.operation.endedAt ?? 0) >= now - maxAgeMs) break
      if (this.unfinishedOne(one.operation.parent ?? "") !== undefined) continue
      going.add(one)
      surplus -= 1
    }
    this.kept = this.kept.filter((one) => !going.has(one))
    const weightOf = ({ output }: Kept) => (output === undefined ? 0 : output + overhead)
    let bytes = this.kept.reduce((sum, one) => sum + weightOf(one), 0)
    for (const one of byEnd()) {
      if (bytes <= maxBytes) break
      bytes -= weightOf(one)
      one.output = undefined
    }
  }

  get(id: string): Operation | null {
    return this.find(id)?.operation ?? null
  }

  list({ before, kind, limit, statuses, who }: OperationQuery): ReadonlyArray<Operation> {
    return this.kept
      .map(({ operation }) => operation)
      .filter(
        (operation) =>
          (statuses === null || statuses.includes(operation.status)) &&
          (kind === null || operation.kind === kind) &&
          (who === null || operation.who === who) &&
          (before === null || operation.seq < before)
      )
      .toReversed()
      .slice(0, limit)
  }

  unfinished(after: number, limit: number): ReadonlyArray<Operation> {
    const all = this.kept.map(({ operation }) => operation)
    return all.filter(({ seq, status }) => !isFinal(status) && seq > after).slice(0, limit)
  }

  counts() {
    return { pending: this.with("pending").length, running: this.with("running").length, total: this.kept.length }
  }

  journal(id: string): ReadonlyArray<JournalEntry> {
    return this.find(id)?.journal ?? []
  }

  output(id: string): number | undefined {
    return this.find(id)?.output
  }

  private with(status: Operation["status"]): ReadonlyArray<Kept> {
    return this.kept.filter(({ operation }) => operation.status === status)
  }

  private find(id: string): Kept | undefined {
    return this.kept.find(({ operation }) => operation.id === id)
  }

  private unfinishedOne(id: string): Kept | undefined {
    const one = this.find(id)
    return one === undefined || isFinal(one.operation.status) ? undefined : one
  }
}
