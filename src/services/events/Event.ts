/**
 * An event of the one ordered log, and the shapes it takes on its way in.
 *
 * `seq` is gapless and starts at 1; `receivedAt` is nanoseconds since the UNIX epoch (wall clock: it may step, seq does
 * not). Text is well-formed Unicode: whoever takes bytes in replaces what is not valid.
 */
import * as Schema from "effect/Schema"

/** In rising severity; the index is what the store keeps, so the order is part of the file format. `audit` stands apart. */
export const levels = ["debug", "info", "warning", "error", "audit"] as const

export const Level = Schema.Literals(levels).annotate({ description: "Severity, or audit for who-did-what entries" })
export type Level = typeof Level.Type

export interface Event {
  readonly seq: number
  readonly receivedAt: bigint
  readonly source: string
  readonly who: string | undefined
  readonly level: Level
  readonly message: string
  /** A JSON object as text, kept exactly as it was accepted. */
  readonly fields: string | undefined
}

/**
 * Events that follow each other and differ in their message and time only. The log takes runs, not single events: a run
 * of ten thousand FIFO lines costs one statement, and an event from HTTP is a run of one.
 */
export interface EventRun {
  /** When they came, all of them where there are no `offsets`. */
  readonly receivedAt: bigint
  /** Where their times differ: nanoseconds from `receivedAt` to each event, within `offsetMax` either way. */
  readonly offsets?: ReadonlyArray<number> | undefined
  readonly source: string
  readonly who: string | undefined
  readonly level: Level
  readonly fields: string | undefined
  readonly messages: ReadonlyArray<string>
}

/** 52 days: the sum of two is still a number that is exact to the nanosecond. */
export const offsetMax = 2 ** 52

/** When the event at this place in the run came. */
export const timeAt = ({ offsets, receivedAt }: Pick<EventRun, "offsets" | "receivedAt">, index: number): bigint =>
  offsets === undefined ? receivedAt : receivedAt + BigInt(offsets[index] ?? 0)

/** A run that has its place in the log. */
export interface StoredRun extends EventRun {
  readonly firstSeq: number
}

/** Sequence numbers of what an append stored, both inclusive. */
export interface SeqRange {
  readonly first: number
  readonly last: number
}

/** What text costs in memory and store, near enough for bounds: UTF-16 length and a row's fixed cost. */
export const runWeight = (run: EventRun): number => {
  let weight = (run.fields?.length ?? 0) * run.messages.length
  for (const message of run.messages) weight += message.length + rowOverhead
  return weight
}

const rowOverhead = 32

/** The sources the daemon itself uses; the FIFOs add `pipe:NAME`. */
export const daemonSource = "daemon"
export const httpSource = "http"
