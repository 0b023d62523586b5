/** Drawn commands to the store and to a model of it, which must not be told apart; closed and opened again on the way. */
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { NewOperation } from "../../../src/services/operations/Operation.ts"
import { finalStatuses, operationStatuses } from "../../../src/services/operations/Operation.ts"
import { random } from "../../harness/random.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { askedOf, countsOf, entryOf, openAt, outputOf } from "./rows.ts"
import { StoredModel } from "./StoredModel.ts"

const steps = 300

/** Of an output of one segment that is shorter than 64 bytes: two numbers of a byte each. */
const overhead = 2

describe("the store and its model", () => {
  for (const seed of [1, 2, 3, 4]) {
    it.effect(`answer alike, seed ${seed}`, () =>
      Effect.gen(function* () {
        const path = join(yield* temporaryFolder, "operations.sqlite")
        const draw = random(seed)
        const below = (n: number) => Math.floor(draw() * n)
        const oneOf = <A>(first: A, ...others: ReadonlyArray<A>): A =>
          [first, ...others][below(others.length + 1)] ?? first
        const model = new StoredModel()
        let { close, store } = yield* openAt(path)
        let made = 0
        /** Of those that were made, mostly the late ones. */
        const anyId = () => `op${Math.max(0, made - below(oneOf(5, 5, 200)))}`

        for (let now = 1; now <= steps; now++) {
          const step = below(14)
          if (step < 4) {
            const idempotency = {
              owner: oneOf("ann", "bob"),
              key: `k${below(20)}`,
              fingerprint: oneOf("f", "f", "g")
            }
            const asked: NewOperation = askedOf(`op${++made}`, {
              kind: oneOf("action", "server.create"),
              who: oneOf("ann", "bob", "cid"),
              parent: oneOf(null, anyId()),
              idempotency: oneOf(null, null, idempotency)
            })
            const answer = yield* Effect.match(store.submit(asked, now, 25), {
              onSuccess: ({ operation }) => operation.id,
              onFailure: ({ _tag }) => (_tag === "TooManyOperations" ? "many" : "conflict")
            })
            assert.strictEqual(answer, model.submit(asked, now, 25))
          } else if (step < 7) {
            const id = anyId()
            assert.strictEqual(yield* store.begin(id, now), model.begin(id, now))
          } else if (step === 7) {
            const id = anyId()
            const fraction = oneOf(null, draw())
            yield* store.progress(id, fraction, `${now}`, now)
            model.progress(id, fraction, `${now}`, now)
          } else if (step === 8) {
            const entry = entryOf(anyId(), `e${below(3)}`, { begunAt: now, exit: oneOf(null, { now }) })
            yield* store.note(entry)
            model.note(entry)
          } else if (step === 9) {
            const id = anyId()
            const output = outputOf("x".repeat(1 + below(60)))
            yield* store.keepOutput(id, output)
            model.keepOutput(id, output.bytes)
          } else if (step === 10) {
            const id = anyId()
            yield* store.requestCancel(id, "eve", now)
            model.cancel(id, "eve", now)
          } else if (step === 11) {
            const limits = { maxCount: below(40), maxAgeMs: below(steps), maxBytes: below(600) }
            assert.isFalse(yield* store.prune(limits, now))
            model.prune(limits, now, overhead)
          } else {
            const id = anyId()
            const ending = {
              status: oneOf(...finalStatuses),
              result: oneOf(null, { now }),
              error: oneOf(null, { code: "command_failed", message: "no" }),
              output: oneOf(null, outputOf("y".repeat(1 + below(60))))
            }
            assert.strictEqual(yield* store.end(id, ending, now), model.end(id, ending, now))
          }
          if (below(50) === 0) {
            yield* close
            ;({ close, store } = yield* openAt(path))
          }
          const query = {
            statuses: oneOf(
              null,
              operationStatuses.filter(() => below(2) === 0)
            ),
            kind: oneOf(null, "action"),
            who: oneOf(null, "ann", "bob"),
            before: oneOf(null, below(made + 2)),
            limit: 1 + below(30)
          }
          const id = anyId()
          const after = below(made + 1)
          assert.deepStrictEqual(yield* store.list(query), model.list(query))
          assert.deepStrictEqual(yield* store.unfinished(after, 10), model.unfinished(after, 10))
          assert.deepStrictEqual(yield* countsOf(store), model.counts())
          assert.deepStrictEqual(yield* store.get(id), model.get(id))
          assert.deepStrictEqual(yield* store.journal(id), model.journal(id))
          assert.strictEqual((yield* store.output(id))?.bytes, model.output(id))
        }
      })
    )
  }
})
