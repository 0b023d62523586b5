/**
 * The actor that runs operations: it knows whose turn it is. What becomes of an operation in its turn is in
 * OperationsTurns.ts, how its kind runs it in OperationsRunner.ts and OperationsContext.ts.
 *
 * Operations, queue and fibers belong to the layer and not to the actor's fiber, so a restart of the actor loses none of
 * them. It begins with what an earlier daemon left (OperationsRecovery.ts); until that is done operations are taken and
 * shown, and none is run.
 *
 * Bounds: `operations.max_pending` wait, in a few hundred bytes each; how many run is the kinds' business. On failure of
 * the store what is asked fails with `OperationsUnavailable`; what runs waits until it can be written down. At the stop
 * commands are ended and written down, within `stopWait`; what is unfinished then goes on after the next start.
 */
import { randomUUID } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { reapWait, stopGrace } from "../services/commands/Attendant.ts"
import { Executor } from "../services/commands/Executor.ts"
import { liveOfKept } from "../services/commands/LiveOutput.ts"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import { EventLog } from "../services/events/EventLog.ts"
import { Processes } from "../services/operations/leftovers/Processes.ts"
import { endOf, type LiveOperation, makeLive, outputOf, withProgress } from "../services/operations/LiveOperation.ts"
import { isFinal, type NewOperation, type Operation, OperationFailed } from "../services/operations/Operation.ts"
import { OperationKinds, type OperationLimits } from "../services/operations/OperationKinds.ts"
import { emptyOutput } from "../services/operations/OperationOutput.ts"
import { OperationQueue, type Turn } from "../services/operations/OperationQueue.ts"
import { OperationNotFound, Operations } from "../services/operations/Operations.ts"
import { OperationStore } from "../services/operations/OperationStore.ts"
import { insistently } from "../services/workflow/Journal.ts"
import * as Mailbox from "./kernel/Mailbox.ts"
import { Supervisor } from "./kernel/Supervisor.ts"
import { eachUnfinished, recover } from "./OperationsRecovery.ts"
import { type LoadRunner, makeTurns } from "./OperationsTurns.ts"

const actor = "Operations"

/** TERM, KILL, the answers, and writing them down. */
const stopWait = Duration.sum(Duration.sum(stopGrace, reapWait), Duration.seconds(1))

/** Whose kind is not known any more fails as soon as it is looked at. */
const unknownLimits: OperationLimits = { group: "unknown", concurrency: 1, perName: 1 }

/** How long a limit that was raised may go unnoticed where nothing else happens. */
const lookAgain = Duration.minutes(1)

/** There may be somebody whose turn has come. All that waits is one: it is looked for everywhere. */
type Message = "Stirred"

export const layerWith = (load: LoadRunner) =>
  Layer.effect(
    Operations,
    Effect.gen(function* () {
      const config = yield* CurrentConfig
      const executor = yield* Executor
      const kinds = yield* OperationKinds
      const log = yield* EventLog
      const processes = yield* Processes
      const store = yield* OperationStore
      const supervisor = yield* Supervisor
      const mailbox = yield* Mailbox.make<Message>({ actor, capacity: 1, whenFull: "drop-oldest" })
      const fibers = yield* FiberSet.make<void, never>()
      const stopping = yield* Deferred.make<void>()
      const giveUp = yield* Deferred.make<void>()
      const recovered = yield* Deferred.make<void>()
      const lives = new Map<string, LiveOperation>()
      /** Something may be in the store that nobody was told of. */
      let isDoubtful = false
      const queue = new OperationQueue((kind, name) => kinds.get(kind)?.limits(name) ?? unknownLimits)

      const stir = Effect.orDie(mailbox.tell("Stirred"))

      /** Known from now on, and in line if it waits. */
      const admit = (operation: Operation, doubtful = false) => {
        const { id, kind, name, status } = operation
        if (isFinal(status) || lives.has(id)) return
        lives.set(id, makeLive(operation, doubtful))
        if (status === "pending") queue.add(kind, name, { id, seq: operation.seq })
      }

      const submitAs = Effect.fnUntraced(function* (asked: NewOperation, maxPending: number) {
        const submitted = yield* Effect.tapErrorTag(
          store.submit(asked, yield* Clock.currentTimeMillis, maxPending),
          "OperationsUnavailable",
          () => {
            isDoubtful = true
            return stir
          }
        )
        if (submitted.replayed) return submitted
        admit(submitted.operation)
        yield* stir
        return submitted
      }, Effect.uninterruptible)

      const get = Effect.fnUntraced(function* (id: string) {
        const operation = yield* store.get(id)
        return operation === null ? yield* new OperationNotFound({ id }) : withProgress(operation, lives.get(id))
      })

      const cancel: Operations["Service"]["cancel"] = (id, who) =>
        Effect.andThen(Deferred.await(recovered), Effect.uninterruptible(cancelKnown(id, who)))

      const cancelKnown = Effect.fnUntraced(function* (id: string, who: string) {
        const operation = yield* store.requestCancel(id, who, yield* Clock.currentTimeMillis)
        if (operation === null) return yield* new OperationNotFound({ id })
        const live = lives.get(id)
        if (live === undefined) return { operation, accepted: false }
        if (operation.status === "running") {
          yield* turns.cancel(live)
          return { operation: withProgress(operation, live), accepted: true }
        }
        // One that has run has just ended, and its turn is about to tell.
        if (live.run !== undefined) return { operation, accepted: false }
        queue.remove(live.kind, live.name, live.seq)
        yield* turns.ended(live, operation)
        return { operation, accepted: true }
      })

      /** Found where it is there already: after a restart a parent asks again. */
      const submitChild = (asked: NewOperation): Effect.Effect<Operation, OperationFailed> =>
        Effect.gen(function* () {
          const known = yield* store.get(asked.id)
          return known ?? (yield* submitAs(asked, Number.MAX_SAFE_INTEGER)).operation
        }).pipe(
          Effect.map((operation) => Result.succeed(operation)),
          Effect.catchTag(["TooManyOperations", "IdempotencyConflict"], ({ message }) =>
            Effect.succeed(Result.fail(new OperationFailed({ code: "internal", message })))
          ),
          insistently,
          Effect.flatMap((result) => Effect.fromResult(result))
        )

      const turns = yield* makeTurns({
        store,
        kinds,
        executor,
        processes,
        log,
        lives,
        stopping,
        giveUp,
        load,
        cancel,
        submitChild,
        outputLimits: () => {
          const { output_head_bytes: headBytes, output_tail_bytes: tailBytes } = config.get().operations
          return { headBytes, tailBytes }
        }
      })

      const begin = (turn: Turn, begun?: Operation) => {
        const live = lives.get(turn.id)
        const taken = live === undefined ? Effect.void : turns.take(live, begun)
        const over = Effect.andThen(
          Effect.sync(() => queue.giveBack(turn)),
          stir
        )
        return FiberSet.run(fibers, Effect.ensuring(taken, over))
      }

      /** Whole or not at all: a turn that was taken is one that is begun. */
      const settle = Effect.uninterruptible(
        Effect.suspend(() =>
          Deferred.isDoneUnsafe(stopping) ? Effect.void : Effect.forEach(queue.takeTurns(), (turn) => begin(turn))
        )
      )

      /** Whoever ran goes on, whether or not there is room. */
      const resume = Effect.fnUntraced(function* (running: ReadonlyArray<Operation>) {
        for (const operation of running) admit(operation)
        yield* Deferred.succeed(recovered, undefined)
        if (Deferred.isDoneUnsafe(stopping)) return
        for (const operation of running) {
          yield* begin(queue.resume(operation.kind, operation.name, operation.id), operation)
        }
      }, Effect.uninterruptible)

      /** A submit that failed may have been stored all the same: it is to be run now, and not after the next restart. */
      const lookForMore = Effect.gen(function* () {
        if (!isDoubtful) return
        isDoubtful = false
        yield* eachUnfinished(store, (operation) => {
          if (operation.status === "pending") admit(operation, true)
        })
      }).pipe(
        Effect.catch(() =>
          Effect.sync(() => {
            isDoubtful = true
          })
        )
      )

      const loop = Effect.gen(function* () {
        if (!(yield* Deferred.isDone(recovered))) yield* resume(yield* recover({ log, processes, store }, admit))
        while (true) {
          yield* lookForMore
          yield* settle
          // Limits may be others by then.
          if (Option.isNone(yield* Effect.timeoutOption(mailbox.take, lookAgain))) queue.stir()
        }
      })

      const keptOf = (id: string) =>
        Effect.map(insistently(store.output(id)), (kept) => liveOfKept(kept ?? emptyOutput))

      yield* Effect.forkScoped(Effect.andThen(executor.stopping, Deferred.succeed(stopping, undefined)))
      yield* supervisor.start({ name: actor, run: loop, restart: "permanent", mailbox })
      yield* Effect.addFinalizer(() =>
        Effect.gen(function* () {
          yield* Deferred.succeed(stopping, undefined)
          yield* Effect.interruptible(Effect.timeoutOption(FiberSet.awaitEmpty(fibers), stopWait))
          yield* Deferred.succeed(giveUp, undefined)
        })
      )

      return Operations.of({
        submit: (asked) =>
          Effect.suspend(() => submitAs({ ...asked, id: randomUUID() }, config.get().operations.max_pending)),
        get,
        list: (query) => Effect.map(store.list(query), (all) => all.map((one) => withProgress(one, lives.get(one.id)))),
        wait: Effect.fnUntraced(function* (id, atMost) {
          const operation = yield* get(id)
          if (isFinal(operation.status)) return operation
          const end = Effect.suspend(() => {
            const live = lives.get(id)
            return live === undefined ? Effect.void : Effect.asVoid(endOf(live))
          })
          yield* Effect.timeoutOption(Effect.andThen(Deferred.await(recovered), end), atMost)
          return yield* get(id)
        }),
        cancel,
        position: ({ kind, name, seq }) => queue.position(kind, name, seq),
        output: Effect.fnUntraced(function* (id) {
          const operation = yield* get(id)
          if (!isFinal(operation.status)) yield* Deferred.await(recovered)
          const live = lives.get(id)
          if (live !== undefined) return outputOf(live, keptOf(id))
          return liveOfKept((yield* store.output(id)) ?? emptyOutput)
        }),
        counts: store.counts,
        endings: turns.endings
      })
    })
  )

export const layer = layerWith(Effect.promise(() => import("./OperationsRunner.ts")))
