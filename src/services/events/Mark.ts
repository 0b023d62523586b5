/**
 * How far a source of events has been read, kept with the events that came of it: in the same transaction, so that after
 * a kill the source is read on from exactly where the log has it, and nothing is in the log twice or not at all.
 *
 * A move says where it begins. The store makes it only there, so that an append whose answer was lost can be sent again,
 * and one that a reader left behind in the mailbox, when it was restarted, cannot come in between.
 *
 * Bounds: those of markBounds.ts; the marks that were moved the longest ago are forgotten first.
 */
import * as Schema from "effect/Schema"

export interface Mark {
  /** Of the source: `journal:k3s`. */
  readonly name: string
  /** What the source understands. */
  readonly value: string
}

export interface MarkMove extends Mark {
  /** What the mark is before; undefined: there is none. */
  readonly from: string | undefined
}

/** The mark is not where the move begins: nothing was stored. */
export class MarkMoved extends Schema.TaggedError<MarkMoved>()("MarkMoved", {
  name: Schema.String,
  value: Schema.UndefinedOr(Schema.String)
}) {
  override get message() {
    return `the mark of ${this.name} is not where the append begins`
  }
}
