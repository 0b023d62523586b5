/**
 * FIFOs and those who write into them. The kernel's buffer is bounded, so writers wait; bytes reach the reader in pieces
 * of any size, cut anywhere. A FIFO can be removed or replaced under its reader, reading can fail, and what is in the
 * buffer when the daemon is killed may be lost with it or not.
 *
 * It keeps what each open FIFO gave its reader, so that the events can be held against it.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { AsideFile } from "../../src/services/fifo/AsideFile.ts"
import { Fifo } from "../../src/services/fifo/Fifo.ts"
import type { OpenFifo, Receive } from "../../src/services/fifo/FifoSocket.ts"
import { FifoUnusable } from "../../src/services/fifo/FifoUnusable.ts"
import type { Random } from "./Random.ts"
import type { Trace } from "./Trace.ts"
import type { Process, World } from "./World.ts"

const bufferBytes = 64 * 1024

/** Between a byte's coming and its being read. */
const readDelayMs = 2

export interface FifoListener {
  /** The reader was given these bytes. */
  readonly onRead: (path: string, text: string) => void
  /** Nothing more comes of what was open; an unfinished line ends here. */
  readonly onClosed: (path: string) => void
  /** What was read of a file in the place of a FIFO is forgotten. */
  readonly onBrokenOff: (path: string) => void
  /** The file is removed. */
  readonly onIngested: (path: string, text: string) => void
}

interface Node {
  readonly identity: string
  /** Written and not read yet. */
  buffer: string
  /** Who reads it, and whether it does at the moment. */
  reader:
    | { readonly receive: Receive; reading: boolean; readonly failed: Deferred.Deferred<never, FifoUnusable> }
    | undefined
  pending: boolean
}

interface Place {
  readonly path: string
  node: Node | undefined
  /** What writers have not been able to write. */
  waiting: string
  /** A regular file in the place of the FIFO, and one that was put aside. */
  file: string | undefined
  aside: string | undefined
}

export class SimFifo {
  /** The next look, open or making of a FIFO fails, so many times. */
  failures = 0
  listener: FifoListener = { onRead: () => {}, onClosed: () => {}, onBrokenOff: () => {}, onIngested: () => {} }
  private readonly places = new Map<string, Place>()
  private identities = 0
  private readonly world: World
  private readonly random: Random
  private readonly trace: Trace

  constructor(world: World, random: Random, trace: Trace) {
    this.world = world
    this.random = random
    this.trace = trace
  }

  layer(owner: Process): Layer.Layer<Fifo> {
    return Layer.succeed(Fifo, {
      place: (path) =>
        this.attempt(path, owner, () => {
          const place = this.at(path)
          if (place.file !== undefined) {
            if (place.aside !== undefined) return "aside-in-use"
            place.aside = place.file
            place.file = undefined
          }
          place.node ??= this.makeNode()
          return "placed"
        }),
      open: (path, receive) => this.open(path, receive, owner),
      identity: (path) =>
        this.attempt(path, owner, () => (this.at(path).file === undefined ? this.at(path).node?.identity : "a file")),
      openAside: (path) => this.openAside(path, owner)
    })
  }

  /** A writer writes; what does not fit waits for the reader. */
  write(path: string, text: string, owner: Process | undefined): void {
    const place = this.at(path)
    place.waiting += text
    this.fill(place, owner)
  }

  remove(path: string): void {
    this.at(path).node = undefined
  }

  /** A service that logs before there is a FIFO, or that has removed it, makes a file of its own. */
  putFile(path: string, text: string): void {
    const place = this.at(path)
    place.node = undefined
    place.file = (place.file ?? "") + text
  }

  replace(path: string): void {
    this.at(path).node = this.makeNode()
  }

  /** Reading fails, as it does when the device goes away. */
  breakReading(path: string): void {
    const reader = this.at(path).node?.reader
    if (reader === undefined) return
    this.trace.count("fifo reading failed")
    Deferred.doneUnsafe(reader.failed, Effect.fail(new FifoUnusable({ path, reason: "cannot read it: i/o error" })))
  }

  /** The daemon was killed. Somebody may have held the FIFO open, who keeps its bytes alive. */
  crash(): void {
    for (const { node } of this.places.values()) {
      if (node === undefined) continue
      node.reader = undefined
      node.pending = false
      if (this.random.chance(0.5)) node.buffer = ""
    }
  }

  /** Whether everything written has been read. */
  isDry(path: string): boolean {
    const { node, waiting } = this.at(path)
    return waiting === "" && (node === undefined || node.buffer === "")
  }

  private at(path: string): Place {
    const known = this.places.get(path)
    if (known !== undefined) return known
    const made: Place = { path, node: undefined, waiting: "", file: undefined, aside: undefined }
    this.places.set(path, made)
    return made
  }

  private makeNode(): Node {
    this.identities += 1
    return { identity: `0:${this.identities}`, buffer: "", reader: undefined, pending: false }
  }

  private attempt<A>(path: string, owner: Process, work: () => A): Effect.Effect<A, FifoUnusable> {
    return Effect.uninterruptible(
      Effect.callback((resume) => {
        this.world.after(
          this.random.next() * readDelayMs,
          () => {
            if (this.failures === 0) return resume(Effect.sync(work))
            this.failures -= 1
            this.trace.count("fifo operation failed")
            resume(Effect.fail(new FifoUnusable({ path, reason: "cannot look at it: i/o error" })))
          },
          owner
        )
      })
    )
  }

  private openAside(path: string, owner: Process): Effect.Effect<AsideFile | undefined, FifoUnusable, Scope.Scope> {
    const place = this.at(path)
    let position = 0
    let removed = false
    const opened = this.attempt(path, owner, () => place.aside !== undefined)
    const file: AsideFile = {
      read: this.attempt(path, owner, () => {
        const text = (place.aside ?? "").slice(position, position + this.random.between(1, 60))
        position += text.length
        this.listener.onRead(path, text)
        return Buffer.from(text, "latin1")
      }),
      remove: this.attempt(path, owner, () => {
        removed = true
        this.trace.count("file in the place of a FIFO ingested")
        this.listener.onIngested(path, place.aside ?? "")
        place.aside = undefined
      })
    }
    const closed = Effect.sync(() => {
      if (!removed && position > 0) this.listener.onBrokenOff(path)
    })
    return Effect.map(
      Effect.acquireRelease(opened, () => closed),
      (there) => (there ? file : undefined)
    )
  }

  private open(path: string, receive: Receive, owner: Process) {
    return Effect.map(
      Effect.acquireRelease(
        this.attempt(path, owner, () => this.attach(path, receive, owner)),
        ({ close }) => this.attempt(path, owner, close).pipe(Effect.orElseSucceed(close))
      ),
      ({ opened }) => opened
    )
  }

  private attach(path: string, receive: Receive, owner: Process) {
    const place = this.at(path)
    const node = (place.node ??= this.makeNode())
    const reader = { receive, reading: false, failed: Deferred.makeUnsafe<never, FifoUnusable>() }
    node.reader = reader
    const opened: OpenFifo = {
      identity: node.identity,
      resume: () => {
        reader.reading = true
        this.flow(place, node, owner)
      },
      failed: Deferred.await(reader.failed)
    }
    let closed = false
    const close = () => {
      if (closed) return
      closed = true
      node.reader = undefined
      if (node.buffer !== "") this.give(place, node, reader.receive, node.buffer.length)
      this.listener.onClosed(path)
    }
    this.fill(place, owner)
    return { opened, close }
  }

  private fill(place: Place, owner: Process | undefined): void {
    const { node } = place
    // A writer of nothing but a name without reader waits in its open.
    if (node?.reader === undefined || place.waiting === "") return
    const room = bufferBytes - node.buffer.length
    node.buffer += place.waiting.slice(0, room)
    place.waiting = place.waiting.slice(room)
    if (owner !== undefined) this.flow(place, node, owner)
  }

  private flow(place: Place, node: Node, owner: Process): void {
    if (node.pending || node.buffer === "" || node.reader?.reading !== true) return
    node.pending = true
    const deliver = () => {
      node.pending = false
      const { reader } = node
      if (reader === undefined || !reader.reading || node.buffer === "") return
      const all = node.buffer.length
      const size = this.random.chance(0.5) ? all : this.random.between(1, Math.min(all, 40))
      reader.reading = this.give(place, node, reader.receive, size)
      if (!reader.reading) this.trace.count("fifo held back by its reader")
      this.fill(place, owner)
      this.flow(place, node, owner)
    }
    this.world.after(this.random.next() * readDelayMs, deliver, owner)
  }

  private give(place: Place, node: Node, receive: Receive, size: number): boolean {
    const text = node.buffer.slice(0, size)
    node.buffer = node.buffer.slice(size)
    this.listener.onRead(place.path, text)
    return receive(Buffer.from(text, "latin1"))
  }
}
