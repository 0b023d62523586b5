/**
 * `Idempotency-Key`: the same request sent again, because its answer was lost, is answered with the operation it has made
 * already; another request under the same key is refused (draft-ietf-httpapi-idempotency-key-header).
 *
 * A key is its sender's own: two people, or a person and nobody in particular, may use the same one. What is compared is
 * method, path and body, byte for byte; not the query, which says how one wants to be answered. It holds as long as the
 * operation is kept (`operations.max_age_s`).
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import type { Idempotency } from "../../services/operations/Operation.ts"
import { anonymousId } from "../../services/identity/Principal.ts"
import type { Call } from "../edge/Call.ts"
import { type HttpFailure, invalid } from "../edge/HttpFailure.ts"
import { readAgain } from "../edge/readBody.ts"

/** Visible ASCII; the draft writes it as a quoted string, and most clients do not. */
const keyPattern = /^[\x21-\x7e]{1,255}$/u

const wrong = invalid("Idempotency-Key: allowed: one of 1 to 255 visible ASCII characters without spaces")

/** The key of the request; null where it has none. What is compared of its body is at most `bodyMaxBytes`. */
export const idempotencyOf = (call: Call, bodyMaxBytes: number): Effect.Effect<Idempotency | null, HttpFailure> =>
  Effect.suspend(() => {
    const given = call.header("idempotency-key")
    if (given === undefined) return Effect.succeed(null)
    const key = /^"(.*)"$/u.exec(given)?.[1] ?? given
    if (!keyPattern.test(key) || call.request.isRepeated("idempotency-key")) return Effect.fail(wrong)
    // The handler reads the body as if nobody had.
    return Effect.map(readAgain(call, bodyMaxBytes), (body) => ({
      owner: call.principal?.owner ?? anonymousId,
      key,
      fingerprint: fingerprintOf(call, body)
    }))
  })

/** Neither a method nor a path has a line break. */
const fingerprintOf = ({ path, request }: Call, body: Uint8Array): string =>
  createHash("sha256").update(`${request.method}\n${path}\n`).update(body).digest("hex")
