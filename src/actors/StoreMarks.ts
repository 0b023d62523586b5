/**
 * How far the sources have been read that feed the event log, as EventStore knows it: what is stored, and which appends of
 * a transaction may move it. Nobody else moves a mark, so what was read at the actor's start stays right until a commit.
 */
import * as Effect from "effect/Effect"
import { type MarkMove, MarkMoved } from "../services/events/Mark.ts"
import { markNameMax, markValueMax } from "../services/events/markBounds.ts"

/** An append that moves a mark, and who is told when it may not. */
export interface Marked {
  readonly move: MarkMove
  readonly refuse: (error: MarkMoved) => void
}

interface Admitted<A> {
  readonly going: ReadonlyArray<A>
  /** Where the marks are after them. */
  readonly moved: ReadonlyMap<string, string>
  /** Tells the others, once that is on the disk: whoever hears that a mark has moved goes on from there. */
  readonly refuse: () => void
}

export class StoreMarks {
  private stored: ReadonlyMap<string, string>

  constructor(stored: ReadonlyMap<string, string>) {
    this.stored = stored
  }

  get(name: string): string | undefined {
    return this.stored.get(name)
  }

  /** As the store has them: after an append whose outcome was lost. */
  reset(stored: ReadonlyMap<string, string>): void {
    this.stored = stored
  }

  /** The appends whose marks are where they begin, in order. */
  admit<A extends { readonly marked: Marked | undefined }>(appends: ReadonlyArray<A>): Admitted<A> {
    if (appends.every(({ marked }) => marked === undefined)) return { going: appends, moved: noMarks, refuse: () => {} }
    const refused: Array<() => void> = []
    const moved = new Map<string, string>()
    const going = appends.filter(({ marked }) => {
      if (marked === undefined) return true
      const { from, name, value } = marked.move
      const now = moved.get(name) ?? this.stored.get(name)
      if (now === from) moved.set(name, value)
      else refused.push(() => marked.refuse(new MarkMoved({ name, value: now })))
      return now === from
    })
    return { going, moved, refuse: () => refused.forEach((tell) => tell()) }
  }

  /** They are on the disk. */
  moved(marks: ReadonlyMap<string, string>): void {
    if (marks.size > 0) this.stored = new Map([...this.stored, ...marks])
  }
}

const noMarks: ReadonlyMap<string, string> = new Map()

/** Whoever feeds the log keeps to the bounds: a mark that does not is a bug. */
export const checkMark = ({ name, value }: MarkMove): Effect.Effect<void> =>
  name.length <= markNameMax && value.length <= markValueMax
    ? Effect.void
    : Effect.die(new Error(`the mark of ${name.slice(0, markNameMax)} is too long`))
