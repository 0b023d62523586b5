/**
 * OperationsStorage over the storage thread. Whatever is asked while one batch is there goes as the next, in the order in
 * which it was asked: one transaction and one fsync for all of it. A fault fails its whole batch.
 *
 * Bounds: what a batch weighs and what waits (operations/batches.ts). A request from outside is refused where too much waits, and
 * fails when there is no answer within `patience`, after which nobody knows whether it was done: who sends it again with
 * the same id or key gets what it did. What an operation says of itself waits until it is stored.
 */
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import { batchesOf, isRequest, waitingWeightMax, weightOf } from "./operations/batches.ts"
import type { OperationsCommand, OperationsValue } from "./operations/commands.ts"
import { OperationsStorage, storageOf } from "./OperationsStorage.ts"
import type { StorageFault } from "./sqliteFault.ts"
import { StorageWorker } from "./StorageWorker.ts"

/** A disk that takes longer hangs. */
const patience = Duration.seconds(10)

interface Waiting {
  readonly command: OperationsCommand
  readonly weight: number
  readonly answer: Deferred.Deferred<OperationsValue, StorageFault>
  /** Nobody waits for it any longer: it is not sent, if it has not been. */
  left: boolean
}

type Send = (commands: ReadonlyArray<OperationsCommand>) => Effect.Effect<ReadonlyArray<OperationsValue>, StorageFault>

const ended: StorageFault = { kind: "lost", reason: "the storage has ended" }
const crowded: StorageFault = { kind: "busy", reason: "too much waits for the disk; try again" }
const slow: StorageFault = { kind: "busy", reason: `no answer within ${Duration.toSeconds(patience)} s` }

/** Commands one by one, to be sent in batches until the scope closes. */
export const batched = (
  send: Send
): Effect.Effect<(command: OperationsCommand) => Effect.Effect<OperationsValue, StorageFault>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const queue = yield* Queue.unbounded<Waiting>()
    const owed = new Set<Waiting>()
    let weight = 0
    let isOver = false

    const answered = (waiting: Waiting, exit: Exit.Exit<OperationsValue, StorageFault>) => {
      if (!owed.delete(waiting)) return
      weight -= waiting.weight
      Deferred.doneUnsafe(waiting.answer, exit)
    }
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        isOver = true
        for (const waiting of owed) answered(waiting, Exit.fail(ended))
      })
    )
    const sendBatch = (batch: ReadonlyArray<Waiting>) =>
      Effect.suspend(() => {
        for (const waiting of batch) if (waiting.left) answered(waiting, Exit.fail(ended))
        const sent = batch.filter(({ left }) => !left)
        if (sent.length === 0) return Effect.void
        return Effect.map(Effect.exit(send(sent.map(({ command }) => command))), (exit) => {
          for (const [i, waiting] of sent.entries()) {
            answered(waiting, Exit.isSuccess(exit) ? valueAt(exit.value, i) : Exit.failCause(exit.cause))
          }
        })
      })
    const next = Effect.flatMap(Queue.takeAll(queue), (all) =>
      // What is at the worker is waited for: its answer is somebody's.
      Effect.forEach(batchesOf(all), (batch) => Effect.uninterruptible(sendBatch(batch)), { discard: true })
    )
    yield* Effect.forkScoped(Effect.forever(next), { startImmediately: true })

    const request = (command: OperationsCommand) =>
      Effect.suspend(() => {
        if (isOver) return Effect.fail(ended)
        const own = weightOf(command)
        if (isRequest(command) && weight + own > waitingWeightMax) return Effect.fail(crowded)
        const answer = Deferred.makeUnsafe<OperationsValue, StorageFault>()
        const waiting: Waiting = { command, weight: own, answer, left: false }
        weight += own
        owed.add(waiting)
        Queue.offerUnsafe(queue, waiting)
        return Effect.onInterrupt(Deferred.await(answer), () =>
          Effect.sync(() => {
            waiting.left = true
          })
        )
      })
    return (command) =>
      isRequest(command)
        ? Effect.timeoutOrElse(request(command), { duration: patience, orElse: () => Effect.fail(slow) })
        : request(command)
  })

const valueAt = (values: ReadonlyArray<OperationsValue>, i: number): Exit.Exit<OperationsValue> => {
  const value = values[i]
  return value === undefined
    ? Exit.die(new Error("the storage thread answered less than it was asked"))
    : Exit.succeed(value)
}

export const layer: Layer.Layer<OperationsStorage, never, StorageWorker> = Layer.effect(
  OperationsStorage,
  Effect.gen(function* () {
    const worker = yield* StorageWorker
    const request = yield* batched((commands) =>
      Effect.map(worker.ask({ tag: "operations", commands }, "operations"), ({ values }) => values)
    )
    return storageOf(request)
  })
)
