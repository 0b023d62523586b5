/**
 * SIGHUP, the wish to read the configuration again, from the moment this is run: without a listener the signal would end
 * the process, also in the middle of its start. A second one while one is being handled is remembered, more are the same
 * wish. Ends with the scope.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"

const pendingSignals = 1

export const hangUps = Effect.map(
  Effect.acquireRelease(
    Effect.map(Queue.dropping<void>(pendingSignals), (signals) => {
      const onSignal = () => void Queue.offerUnsafe(signals, undefined)
      process.on("SIGHUP", onSignal)
      return { signals, onSignal }
    }),
    ({ onSignal }) => Effect.sync(() => process.off("SIGHUP", onSignal))
  ),
  ({ signals }): Queue.Dequeue<void> => signals
)
