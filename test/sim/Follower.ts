/**
 * A client that follows the log live, reads at its own pace, loses its connection and comes back where it was. It must
 * see every event once and in order, but for those that a gap record says retention has removed.
 */
import * as Schema from "effect/Schema"
import { send } from "./Requests.ts"
import type { Connection } from "./Connection.ts"
import type { Simulation } from "./Simulation.ts"

const decodeEvent = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ seq: Schema.Int, message: Schema.String }))
)
const decodeGap = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ from: Schema.Int, to: Schema.Int, reason: Schema.String }))
)

/** As many as look at once; more would be more of the same. */
const followersMax = 4

const slowReadMs = 400

export class Follower {
  private readonly sim: Simulation
  private readonly name: string
  private cursor: number
  private rest = ""
  private connection: Connection | undefined

  static start(sim: Simulation): void {
    if (!sim.isUp || sim.followers.size >= followersMax) return
    const follower = new Follower(sim)
    sim.followers.add(follower)
    follower.connect()
  }

  private constructor(sim: Simulation) {
    this.sim = sim
    this.name = sim.name("follower")
    this.cursor = sim.random.between(0, sim.log.known)
  }

  get position(): number {
    return this.cursor
  }

  /** It stops looking. */
  leave(): void {
    this.sim.followers.delete(this)
    this.connection?.leave()
  }

  private connect(): void {
    const { sim } = this
    const { random, trace, world } = sim
    this.rest = ""
    this.connection = send(
      this.sim,
      {
        method: "GET",
        target: `/api/v1/events/stream?after=${this.cursor}`,
        headers: random.chance(0.5) ? { "last-event-id": String(this.cursor) } : {}
      },
      {
        mayLeave: false,
        trusted: true,
        piece: (text) => this.take(text),
        ended: (ending) => {
          const cut = ending._tag === "broken" && ending.why.includes("closed") && this.connection?.eager !== false
          sim.judge.check(!cut, "stops in order", () => `${this.name} was cut off instead of ended`)
          this.again()
        }
      }
    )
    // Refused, or with the wrong password: another try.
    if (this.connection === undefined) return this.again()
    if (random.chance(0.4)) this.readSlowly(this.connection)
    if (random.chance(0.3)) {
      const { connection } = this
      world.after(random.next() * 20_000, () => {
        if (!connection.isOver) trace.count("follower cut and back")
        connection.leave()
      })
    }
  }

  private again(): void {
    if (!this.sim.followers.has(this)) return
    this.sim.world.after(this.sim.random.between(50, 1000), () => {
      if (this.sim.followers.has(this) && this.connection?.isOver !== false) this.connect()
    })
  }

  /** Some do not read at all, as long as there are faults. */
  private readSlowly(connection: Connection): void {
    const { random, trace, world } = this.sim
    const stuck = random.chance(0.3)
    trace.count(stuck ? "follower stuck" : "follower reads slowly")
    connection.eager = false
    const next = () => {
      if (connection.isOver) return
      connection.eager = this.sim.healing
      if (!stuck || this.sim.healing) connection.takePiece()
      if (!this.sim.healing) world.after(random.next() * slowReadMs, next)
    }
    world.after(random.next() * slowReadMs, next)
  }

  private take(text: string): void {
    const blocks = (this.rest + text).split("\n\n")
    this.rest = blocks.pop() ?? ""
    for (const block of blocks) this.record(block)
  }

  private record(block: string): void {
    const { judge, log, storage, trace } = this.sim
    const start = block.indexOf("\ndata: ")
    if (start === -1) return
    const data = block.slice(start + "\ndata: ".length)
    if (block.includes("event: gap")) {
      const { from, reason, to } = decodeGap(data)
      trace.count("gap told to a follower")
      judge.check(
        // One that has all there is is not told of a gap.
        reason === "removed by retention" && from > this.cursor && to >= from && to <= storage.removedThrough,
        "followers miss nothing",
        () =>
          `${this.name} after ${this.cursor}: gap ${from} to ${to}, ${reason}; removed through ${storage.removedThrough}`
      )
      judge.check(
        log.isNext(this.cursor, from) && !log.isNext(from - 1, to + 1),
        "followers miss nothing",
        () => `${this.name} after ${this.cursor}: gap ${from} to ${to}, where there is none, or a larger one`
      )
      this.cursor = to
      return
    }
    const { message, seq } = decodeEvent(data)
    trace.count("event told to a follower")
    judge.check(
      seq > this.cursor && log.isNext(this.cursor, seq),
      "followers miss nothing",
      () => `${this.name}: event ${seq} after ${this.cursor}`
    )
    log.holds(seq, message, this.name)
    this.cursor = seq
  }
}
