/**
 * One request of a simulated client: its body comes in pieces, its answer is taken at the client's own pace, and it can
 * end at any time, by the client or because the daemon is no more. It is served as the real listener serves it: the
 * request's fiber is interrupted when the client leaves.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { BodyBroken, type Incoming } from "../../src/http/listener/Incoming.ts"
import { stopping } from "../../src/http/listener/Listener.ts"
import type { RunningDaemon } from "./SimDaemon.ts"
import type { Process } from "./World.ts"

export interface Ask {
  readonly method: "GET" | "POST"
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  /** Pieces of the body, the first of which is there from the beginning. */
  readonly body: ReadonlyArray<string>
  readonly address: string
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
}

/** `broken`: no answer, or not all of it. */
export type Ending =
  | { readonly _tag: "answered"; readonly answer: Answer }
  | { readonly _tag: "broken"; readonly why: string }

export interface Watcher {
  /** Called once. */
  readonly ended: (ending: Ending) => void
  readonly head?: ((status: number) => void) | undefined
  /** Of an answer in pieces; without it they are collected. */
  readonly piece?: ((text: string) => void) | undefined
}

export class Connection {
  /** Takes what comes at once; else a piece at a time, when told. */
  eager = true
  readonly ask: Ask
  private readonly watcher: Watcher
  private readonly unsent: Array<string>
  private body: Queue.Queue<Uint8Array, BodyBroken | Cause.Done> | undefined
  private fiber: Fiber.Fiber<void, unknown> | undefined
  private taking: (() => void) | undefined
  private over = false
  private text = ""

  constructor(ask: Ask, watcher: Watcher) {
    this.ask = ask
    this.watcher = watcher
    this.unsent = [...ask.body]
  }

  get isOver(): boolean {
    return this.over
  }

  get hasMoreToSend(): boolean {
    return !this.over && this.unsent.length > 0
  }

  get hasMoreToTake(): boolean {
    return !this.over && this.taking !== undefined
  }

  open(daemon: RunningDaemon, owner: Process): void {
    const serve = Effect.gen({ self: this }, function* () {
      this.body = yield* Queue.unbounded<Uint8Array, BodyBroken | Cause.Done>()
      this.send()
      const request = requestOf(this.ask, Stream.fromQueue(this.body))
      const response = yield* Effect.provideService(daemon.app(request), stopping, daemon.stopping)
      this.watcher.head?.(response.status)
      yield* Effect.interruptible(this.take(response))
      this.end({ _tag: "answered", answer: { status: response.status, headers: response.headers, text: this.text } })
    })
    this.fiber = owner.fork(Effect.uninterruptible(serve))
    this.fiber.addObserver(() => this.end({ _tag: "broken", why: "the daemon ended the request" }))
  }

  /** The next piece of the body, and its end after the last. */
  send(): void {
    if (this.body === undefined) return
    const piece = this.unsent.shift()
    if (piece !== undefined) Queue.offerUnsafe(this.body, Buffer.from(piece, "latin1"))
    if (this.unsent.length === 0) Queue.endUnsafe(this.body)
  }

  /** The client goes away, in the middle of whatever there is. */
  leave(): void {
    if (this.over) return
    // Whatever is answered from here on, nobody hears it.
    this.cut("the client left")
    if (this.body !== undefined && this.unsent.length > 0)
      Queue.failCauseUnsafe(this.body, Cause.fail(new BodyBroken()))
    this.fiber?.interruptUnsafe()
  }

  /** The daemon is no more, or has closed the connection. */
  cut(why: string): void {
    this.end({ _tag: "broken", why })
  }

  /** Closed by the daemon: its side ends too. */
  close(): void {
    if (this.over) return
    this.cut("the daemon closed the connection")
    this.fiber?.interruptUnsafe()
  }

  takePiece(): void {
    const { taking } = this
    this.taking = undefined
    taking?.()
  }

  private take({ body }: HttpServerResponse): Effect.Effect<void> {
    switch (body._tag) {
      case "Uint8Array":
        return Effect.sync(() => this.took(body.body))
      case "Stream":
        return Effect.orDie(
          Stream.runForEach(body.stream, (piece) =>
            Effect.andThen(
              this.pace,
              Effect.sync(() => this.took(piece))
            )
          )
        )
      default:
        return Effect.void
    }
  }

  private readonly pace = Effect.suspend(() =>
    this.eager
      ? Effect.void
      : Effect.callback<void>((resume) => {
          this.taking = () => resume(Effect.void)
        })
  )

  private took(piece: Uint8Array): void {
    if (this.over) return
    const text = Buffer.from(piece).toString("utf8")
    if (this.watcher.piece === undefined) this.text += text
    else this.watcher.piece(text)
  }

  private end(ending: Ending): void {
    if (this.over) return
    this.over = true
    this.watcher.ended(ending)
  }
}

const requestOf = ({ address, headers, method, target }: Ask, body: Incoming["body"]): Incoming => ({
  method,
  url: target,
  headers,
  address,
  peer: undefined,
  isRepeated: () => false,
  body
})
