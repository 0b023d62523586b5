/**
 * The storage thread and the requests to it, each with an id and answered in order. When the thread ends, whatever was
 * outstanding fails as `lost`, and the next request starts another, which opens the store anew.
 *
 * Nothing here waits without end: a thread that is gone has failed everything it owed.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import { StoreUnusable } from "./EventStorage.ts"
import type { StorageAnswer, StoragePlaces, StorageRequest, StorageValue } from "./protocol.ts"
import type { StorageFault } from "./sqliteFault.ts"
import { takeThread } from "./storageThread.ts"

export type RequestBody = StorageRequest extends infer R ? (R extends StorageRequest ? Omit<R, "id"> : never) : never

type Heard = (value: StorageValue) => void

interface Pending {
  readonly answer: Deferred.Deferred<StorageValue, StorageFault>
  readonly heard: Heard
}

interface Connection {
  readonly request: (body: RequestBody, heard: Heard) => Effect.Effect<StorageValue, StorageFault>
  readonly close: Effect.Effect<void>
  readonly alive: () => boolean
}

export class StorageWorker extends Context.Service<
  StorageWorker,
  {
    /**
     * Succeeds with an answer of the tag. `heard` is told of it first, in the order of the requests, and also where nobody waits for it
     * any longer.
     */
    readonly ask: <T extends StorageValue["tag"]>(
      body: RequestBody,
      tag: T,
      heard?: Heard
    ) => Effect.Effect<Extract<StorageValue, { readonly tag: T }>, StorageFault>
    /** Told when the thread has ended, and its connections with it. */
    readonly onEnd: (told: () => void) => void
  }
>()("systemapi/services/storage/StorageWorker") {
  static readonly layer = (places: StoragePlaces): Layer.Layer<StorageWorker, StoreUnusable> =>
    Layer.effect(
      StorageWorker,
      Effect.gen(function* () {
        const ends: Array<() => void> = []
        const open = connect(places, () => {
          for (const told of ends) told()
        })
        let current = yield* open
        yield* Effect.addFinalizer(() => Effect.suspend(() => current.close))
        const reopening = yield* Semaphore.make(1)
        /** Not interrupted: it may run for a reader that leaves, and everyone else needs what it opens. */
        const reopen = reopening.withPermit(
          Effect.uninterruptible(
            Effect.suspend(() =>
              current.alive()
                ? Effect.succeed(current)
                : open.pipe(
                    Effect.mapError((error): StorageFault => ({ kind: "lost", reason: error.message })),
                    Effect.tap((connection) =>
                      Effect.sync(() => {
                        current = connection
                      })
                    )
                  )
            )
          )
        )
        const send = (body: RequestBody, heard: Heard) =>
          Effect.suspend(() =>
            current.alive()
              ? current.request(body, heard)
              : Effect.flatMap(reopen, (fresh) => fresh.request(body, heard))
          )
        return StorageWorker.of({
          ask: (body, tag, heard = () => {}) =>
            Effect.filterOrElse(
              send(body, heard),
              (value) => hasTag(value, tag),
              (value) => Effect.die(new Error(`storage answered ${value.tag}, not ${tag}`))
            ),
          onEnd: (told) => void ends.push(told)
        })
      })
    )
}

const connect = (places: StoragePlaces, onEnd: () => void): Effect.Effect<Connection, StoreUnusable> =>
  Effect.callback((resume) => {
    const { directory } = places
    const pending = new Map<number, Pending>()
    let nextId = 1
    let gone: string | undefined
    let failure: string | undefined
    const worker = takeThread()
    worker.postMessage(places)

    worker.on("error", (error) => {
      failure = `the storage worker failed: ${String(error)}`
    })
    // Comes after an error too, when the thread has closed what it had open.
    worker.on("exit", () => {
      const reason = failure ?? "the storage worker ended"
      gone = reason
      for (const { answer } of pending.values()) Deferred.doneUnsafe(answer, Effect.fail({ kind: "lost", reason }))
      pending.clear()
      onEnd()
      resume(Effect.fail(new StoreUnusable({ directory, kind: "failed", reason })))
    })
    worker.on("message", (message: StorageAnswer) => {
      switch (message.tag) {
        case "opened":
          return resume(Effect.succeed(connection))
        case "open-failed":
          return resume(Effect.fail(new StoreUnusable({ directory, kind: message.kind, reason: message.reason })))
        case "ok":
        case "fault": {
          const waiting = pending.get(message.id)
          pending.delete(message.id)
          if (waiting === undefined) return
          if (message.tag === "fault") {
            const { kind, reason } = message
            return void Deferred.doneUnsafe(waiting.answer, Effect.fail({ kind, reason }))
          }
          waiting.heard(message.value)
          Deferred.doneUnsafe(waiting.answer, Effect.succeed(message.value))
        }
      }
    })

    const request = (body: RequestBody, heard: Heard): Effect.Effect<StorageValue, StorageFault> =>
      Effect.suspend(() => {
        if (gone !== undefined) return Effect.fail({ kind: "lost", reason: gone } as const)
        const id = nextId++
        const answer = Deferred.makeUnsafe<StorageValue, StorageFault>()
        pending.set(id, { answer, heard })
        worker.postMessage({ ...body, id })
        return Deferred.await(answer)
      })
    const connection: Connection = {
      request,
      close: Effect.andThen(
        Effect.ignore(request({ tag: "close" }, () => {})),
        Effect.promise(() => worker.terminate())
      ),
      alive: () => gone === undefined
    }
    // Whoever waited for it is gone: a worker that nobody knows would hold the store for ever.
    return Effect.promise(() => worker.terminate())
  })

const hasTag = <T extends StorageValue["tag"]>(
  value: StorageValue,
  tag: T
): value is Extract<StorageValue, { readonly tag: T }> => value.tag === tag
