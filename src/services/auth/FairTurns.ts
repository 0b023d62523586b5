/**
 * A few turns at a time, given fairly: who waits stands in the lane it names, and lanes are served one after another, so
 * that a crowd in one of them makes the others wait for one turn of its, not for all.
 *
 * Bounds: `atATime` run, `waitingMax` wait in all lanes together. Where that is full, a newcomer takes the place of the
 * last in the longest lane, if that is longer than its own would be by then; else it is refused itself. Whoever is
 * interrupted while waiting gives its place away; a turn ends with what was run in it, however that ends.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"

interface Waiter<E> {
  readonly turn: Deferred.Deferred<void, E>
  readonly lane: string
  granted: boolean
}

export interface FairTurnsOptions<E> {
  readonly atATime: number
  readonly waitingMax: number
  /** For whoever finds no place, or loses it. */
  readonly refusal: (waiting: number) => E
}

export class FairTurns<E> {
  readonly #options: FairTurnsOptions<E>
  // A Map keeps the order of insertion: the first lane is the next, and goes to the end when it was served.
  readonly #lanes = new Map<string, Array<Waiter<E>>>()
  #running = 0
  #waiting = 0

  constructor(options: FairTurnsOptions<E>) {
    this.#options = options
  }

  get waiting(): number {
    return this.#waiting
  }

  run<A, E2>(lane: string, effect: Effect.Effect<A, E2>): Effect.Effect<A, E | E2> {
    return Effect.uninterruptibleMask((restore) =>
      Effect.suspend((): Effect.Effect<A, E | E2> => {
        const inTurn = Effect.ensuring(
          restore(effect),
          Effect.sync(() => this.#next())
        )
        if (this.#running < this.#options.atATime) {
          this.#running += 1
          return inTurn
        }
        const waiter = this.#enter(lane)
        if (waiter === undefined) return Effect.fail(this.#options.refusal(this.#waiting))
        const waited = Effect.onInterrupt(restore(Deferred.await(waiter.turn)), () =>
          Effect.sync(() => this.#leave(waiter))
        )
        return Effect.andThen(waited, inTurn)
      })
    )
  }

  #enter(lane: string): Waiter<E> | undefined {
    const own = this.#lanes.get(lane)
    if (this.#waiting >= this.#options.waitingMax && !this.#makeRoom((own?.length ?? 0) + 1)) return undefined
    const waiter: Waiter<E> = { turn: Deferred.makeUnsafe(), lane, granted: false }
    if (own === undefined) this.#lanes.set(lane, [waiter])
    else own.push(waiter)
    this.#waiting += 1
    return waiter
  }

  /** Whether somebody had to give way to a lane of this length. */
  #makeRoom(length: number): boolean {
    let longest: Array<Waiter<E>> = []
    for (const lane of this.#lanes.values()) if (lane.length > longest.length) longest = lane
    const last = longest.length > length ? longest.pop() : undefined
    if (last === undefined) return false
    this.#waiting -= 1
    Deferred.doneUnsafe(last.turn, Effect.fail(this.#options.refusal(this.#options.waitingMax)))
    return true
  }

  #leave(waiter: Waiter<E>): void {
    if (waiter.granted) return this.#next()
    const lane = this.#lanes.get(waiter.lane)
    const place = lane?.indexOf(waiter) ?? -1
    // It was refused at the same moment.
    if (lane === undefined || place === -1) return
    lane.splice(place, 1)
    if (lane.length === 0) this.#lanes.delete(waiter.lane)
    this.#waiting -= 1
  }

  /** Passes a turn that has ended on. */
  #next(): void {
    for (const [name, lane] of this.#lanes) {
      const waiter = lane.shift()
      this.#lanes.delete(name)
      if (lane.length > 0) this.#lanes.set(name, lane)
      if (waiter === undefined) continue
      this.#waiting -= 1
      waiter.granted = true
      Deferred.doneUnsafe(waiter.turn, Effect.void)
      return
    }
    this.#running -= 1
  }
}
