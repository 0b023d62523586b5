import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { qualities } from "../../../src/http/edge/accepts.ts"

const types = ["application/json", "text/plain"]

describe("what a client accepts", () => {
  it.each<[string | undefined, ReadonlyArray<number>]>([
    [undefined, [1, 1]],
    ["*/*", [1, 1]],
    ["text/plain", [0, 1]],
    ["TEXT/Plain ; charset=utf-8", [0, 1]],
    ["text/*;q=0.5, */*;q=0.1", [0.1, 0.5]],
    // The most exact range decides, wherever it stands and whatever the others say.
    ["*/*, application/json;q=0", [0, 1]],
    ["text/plain;q=0.2, text/*;q=0.9", [0, 0.2]],
    ["text/plain;q=0.2, text/plain;version=1;q=0.7", [0, 0.7]],
    ["application/json;q=0.333,text/plain;q=1.000", [0.333, 1]],
    // What cannot be read asks for nothing.
    ["text/plain;q=2", [0, 0]],
    ["text/plain;q=0.1234", [0, 0]],
    ["text", [0, 0]],
    ["", [0, 0]],
    [",,;q=1", [0, 0]]
  ])("is read of %j", (field, wanted) => assert.deepStrictEqual(qualities(field, types), wanted))

  it.effect.prop("is a number from 0 to 1 of whatever is sent", [Schema.String], ([field]) =>
    Effect.sync(() => {
      for (const quality of qualities(field, types)) assert.isTrue(quality >= 0 && quality <= 1)
    })
  )
})
