/**
 * EventStorage over the storage worker thread. Requests carry an id and are answered in order; when the worker dies,
 * whatever was outstanding fails with `StorageLost` and the next request opens the store anew.
 *
 * Bounds: the EventStore actor sends one append at a time, and at most `scansMax` pages are asked for at a time, however
 * many readers there are. Nothing here waits without end: a worker that is gone has failed everything it owed.
 */
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { Worker } from "node:worker_threads"
import { workerUrl } from "../workers/workerUrl.ts"
import { EventStorage, howToRecover, StorageFailed, StorageFull, StorageLost, StoreUnusable } from "./EventStorage.ts"
import type { StorageAnswer, StorageRequest, StorageValue } from "./protocol.ts"
import { toPage, toScanRange, toWire } from "./wire.ts"

/** Pages asked for at a time: an append waits behind them, so it waits for two pages at the most. */
const scansMax = 2

type Fault = StorageFull | StorageFailed | StorageLost
type RequestBody = StorageRequest extends infer R ? (R extends StorageRequest ? Omit<R, "id"> : never) : never

interface Connection {
  readonly request: (body: RequestBody) => Effect.Effect<StorageValue, Fault>
  readonly close: Effect.Effect<void>
  readonly alive: () => boolean
}

const connect = (directory: string): Effect.Effect<Connection, StoreUnusable> =>
  Effect.callback((resume) => {
    const pending = new Map<number, Deferred.Deferred<StorageValue, Fault>>()
    let nextId = 1
    let gone: string | undefined
    const worker = new Worker(workerUrl("storage", import.meta.url), { workerData: directory, name: "storage" })

    const end = (reason: string) => {
      gone ??= reason
      for (const deferred of pending.values())
        Deferred.doneUnsafe(deferred, Effect.fail(new StorageLost({ reason: gone })))
      pending.clear()
      resume(Effect.fail(new StoreUnusable({ directory, kind: "failed", reason: gone })))
    }
    worker.on("error", (error) => end(`the storage worker failed: ${String(error)}`))
    worker.on("exit", () => end("the storage worker ended"))
    worker.on("message", (message: StorageAnswer) => {
      switch (message.tag) {
        case "opened":
          return resume(Effect.succeed(connection))
        case "open-failed":
          return resume(Effect.fail(new StoreUnusable({ directory, kind: message.kind, reason: message.reason })))
        case "ok":
        case "fault": {
          const deferred = pending.get(message.id)
          pending.delete(message.id)
          if (deferred === undefined) return
          Deferred.doneUnsafe(
            deferred,
            message.tag === "ok"
              ? Effect.succeed(message.value)
              : Effect.fail(toError(message.kind, message.reason, directory))
          )
        }
      }
    })

    const request = (body: RequestBody) =>
      Effect.suspend(() => {
        if (gone !== undefined) return Effect.fail(new StorageLost({ reason: gone }))
        const id = nextId++
        const deferred = Deferred.makeUnsafe<StorageValue, Fault>()
        pending.set(id, deferred)
        worker.postMessage({ ...body, id })
        return Deferred.await(deferred)
      })
    const connection: Connection = {
      request,
      close: Effect.andThen(
        Effect.ignore(request({ tag: "close" })),
        Effect.promise(() => worker.terminate())
      ),
      alive: () => gone === undefined
    }
    // Whoever waited for it is gone: a worker that nobody knows would hold the store for ever.
    return Effect.promise(() => worker.terminate())
  })

const toError = (kind: string, reason: string, directory: string): Fault => {
  switch (kind) {
    case "full":
      return new StorageFull({ reason })
    case "lost":
      return new StorageLost({ reason })
    case "corrupt":
      return new StorageFailed({ reason: `store.sqlite is damaged: ${reason}. ${howToRecover(directory)}` })
    default:
      return new StorageFailed({ reason })
  }
}

export const layerWorker = (directory: string): Layer.Layer<EventStorage, StoreUnusable> =>
  Layer.effect(
    EventStorage,
    Effect.gen(function* () {
      let current = yield* connect(directory)
      yield* Effect.addFinalizer(() => Effect.suspend(() => current.close))
      const reopening = yield* Semaphore.make(1)
      /** Not interrupted: it may run for a reader that leaves, and everyone else needs what it opens. */
      const reopen = reopening.withPermit(
        Effect.uninterruptible(
          Effect.suspend(() =>
            current.alive()
              ? Effect.succeed(current)
              : connect(directory).pipe(
                  Effect.mapError((error) => new StorageLost({ reason: error.message })),
                  Effect.tap((connection) =>
                    Effect.sync(() => {
                      current = connection
                    })
                  )
                )
          )
        )
      )
      const scanning = yield* Semaphore.make(scansMax)
      const send = (body: RequestBody) =>
        Effect.suspend(() =>
          current.alive() ? current.request(body) : Effect.flatMap(reopen, (fresh) => fresh.request(body))
        )
      const ask = <T extends StorageValue["tag"]>(body: RequestBody, tag: T) =>
        Effect.filterOrElse(
          send(body),
          (value) => hasTag(value, tag),
          (value) => Effect.die(new Error(`storage answered ${value.tag}, not ${tag}`))
        )
      /** Reading cannot fail for lack of room. */
      const readOnly = <A>(effect: Effect.Effect<A, Fault>) =>
        Effect.catchTag(effect, "StorageFull", (full) => Effect.fail(new StorageFailed({ reason: full.reason })))

      return EventStorage.of({
        append: (runs) =>
          Effect.map(ask({ tag: "append", appends: toWire(runs) }, "appended"), (appended) => appended.range),
        scan: (query) =>
          scanning.withPermit(Effect.map(readOnly(ask({ tag: "scan", range: toScanRange(query) }, "scanned")), toPage)),
        retain: (limits) => ask({ tag: "retain", limits }, "retained"),
        state: readOnly(ask({ tag: "state" }, "state"))
      })
    })
  )

const hasTag = <T extends StorageValue["tag"]>(
  value: StorageValue,
  tag: T
): value is Extract<StorageValue, { readonly tag: T }> => value.tag === tag
