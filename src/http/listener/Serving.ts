/**
 * Between the listener and the application: each request becomes an effect, whose answer is sent. What is done when it
 * is asked for (a health check, an answer kept as bytes) needs no fiber and gets none; all else runs in one fiber per
 * request, uninterruptible but for what the application marks, and is interrupted when its client leaves.
 *
 * Bounds: those on connections and streams, which are those on fibers. It owns the fibers; `end` interrupts them.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import type { Handler } from "./Exchanges.ts"
import { type Incoming, NodeIncoming } from "./Incoming.ts"
import { breakOff, type Outgoing, send } from "./Sending.ts"

/** Answers every request; a failure it did not foresee is a defect, and costs the client its connection. */
export type App = (request: Incoming) => Effect.Effect<HttpServerResponse>

export interface Serving {
  readonly handler: Handler
  /** Interrupts what runs, and waits for it. */
  readonly end: Effect.Effect<void>
}

export const serve = (app: App, context: Context.Context<never>): Serving => {
  const running = new Set<Fiber.Fiber<void>>()
  const run = Effect.runForkWith(context)

  const handler: Handler = (request, response, { certificate }) => {
    const sent = answered(app, new NodeIncoming(request, certificate), response)
    if (Exit.isExit(sent) && Exit.isSuccess(sent)) return undefined
    const fiber = run(
      Effect.catchCause(sent, (cause) => breakOff(response, cause)),
      { uninterruptible: true }
    )
    if (fiber.pollUnsafe() !== undefined) return undefined
    running.add(fiber)
    fiber.addObserver(() => running.delete(fiber))
    return () => fiber.interruptUnsafe()
  }

  return { handler, end: Effect.suspend(() => Fiber.interruptAll(running)) }
}

const answered = (app: App, request: NodeIncoming, response: Outgoing): Effect.Effect<void> => {
  try {
    return Effect.flatMapEager(app(request), (answer) => send(request, response, answer))
  } catch (defect) {
    return Effect.die(defect)
  }
}
