import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { recordedMax } from "../../../src/services/config/UnitSection.ts"
import { configOf, problemsOf } from "./support.ts"

const unit = (id: string, more = "") => `[units.${id}]\nunit = "${id}.service"\nrecord = true\n${more}`

describe("a unit whose journal is recorded", () => {
  it.live("is one whose journal may be read", () =>
    Effect.gen(function* () {
      const config = yield* configOf(unit("web"))
      assert.isTrue(config.units.get("web")?.record)
      const problems = yield* problemsOf(unit("web", "logs = false\n"))
      assert.strictEqual(problems.length, 1)
      assert.match(
        problems[0] ?? "",
        /:3: units\.web\.record: found true, but logs = false lets nobody read its journal$/u
      )
    })
  )

  it.live("is one of so many, for each has a process", () =>
    Effect.gen(function* () {
      const units = (count: number) => Array.from({ length: count }, (_, i) => unit(`u${i}`)).join("")
      assert.strictEqual((yield* configOf(units(recordedMax))).units.size, recordedMax)
      const [problem] = yield* problemsOf(units(recordedMax + 1))
      assert.include(
        problem,
        `units: found ${recordedMax + 1} units with record = true, allowed: at most ${recordedMax}`
      )
    })
  )
})
