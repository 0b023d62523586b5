/**
 * Collects events in order into as few runs as possible: neighbours that differ in message and time only share one.
 * What 256 clients sent at once becomes one statement of the store this way, and one entry of the memory window.
 *
 * Bounds: a run that is large, or was joined before, is passed on as it is, since joining it would save nothing; a
 * joined one ends at `joinedEventsMax` and `joinedWeightMax`, because the memory window lets go of whole runs. Never
 * changes a run it is given: what it joins is its own copy.
 */
import { type EventRun, offsetMax, runWeight } from "./Event.ts"

/** From here on a run is worth a statement of its own. */
const largeRun = 64

const joinedEventsMax = 2048
const joinedWeightMax = 256 * 1024

interface OpenRun extends EventRun {
  offsets: Array<number> | undefined
  readonly messages: Array<string>
}

export class RunJoiner {
  readonly runs: Array<EventRun> = []
  /** The last of the runs, as long as it may grow. */
  private open: OpenRun | undefined
  private weight = 0

  /** What one sender has joined already stays as it is. */
  addAll(runs: ReadonlyArray<EventRun>): void {
    const [only] = runs
    if (only !== undefined && runs.length === 1) return this.add(only)
    this.open = undefined
    for (const run of runs) this.runs.push(run)
  }

  add(run: EventRun): void {
    if (run.messages.length === 0) return
    if (run.messages.length >= largeRun || run.offsets !== undefined) {
      this.open = undefined
      this.runs.push(run)
      return
    }
    if (this.open === undefined || !this.join(this.open, run)) this.begin(run)
    this.weight += runWeight(run)
  }

  private begin({ fields, level, messages, receivedAt, source, who }: EventRun): void {
    this.open = { receivedAt, offsets: undefined, source, who, level, fields, messages: [...messages] }
    this.weight = 0
    this.runs.push(this.open)
  }

  private join(open: OpenRun, run: EventRun): boolean {
    if (
      run.level !== open.level ||
      run.fields !== open.fields ||
      run.who !== open.who ||
      run.source !== open.source ||
      this.weight >= joinedWeightMax ||
      open.messages.length >= joinedEventsMax
    ) {
      return false
    }
    const offset = run.receivedAt === open.receivedAt ? 0 : Number(run.receivedAt - open.receivedAt)
    if (Math.abs(offset) > offsetMax) return false
    if (offset !== 0) open.offsets ??= open.messages.map(() => 0)
    for (const message of run.messages) {
      open.messages.push(message)
      open.offsets?.push(offset)
    }
    return true
  }
}
