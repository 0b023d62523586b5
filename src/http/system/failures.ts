/** What a capability's errors are over HTTP. */
import * as Effect from "effect/Effect"
import type { ActorUnavailable } from "../../services/ActorUnavailable.ts"
import type { StoreFailed, StoreFull } from "../../services/events/EventLog.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"

/** An actor is back within its back-off. */
const retrySoon = { "retry-after": "1" }

export const storeFailure = (error: StoreFull | StoreFailed | ActorUnavailable): HttpFailure =>
  error._tag === "StoreFull" ? failure(507, error.message) : failure(503, error.message, retrySoon)

export const orStoreFailure: <A, R>(
  effect: Effect.Effect<A, StoreFull | StoreFailed | ActorUnavailable, R>
) => Effect.Effect<A, HttpFailure, R> = Effect.mapError(storeFailure)

/** Errors of a disk that is full or read-only: the request was right, and will be taken when there is room (507). */
export const isNoRoom = (code: string): boolean => code === "ENOSPC" || code === "EDQUOT" || code === "EROFS"
