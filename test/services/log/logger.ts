/** A program for the process log's test: logs at several levels, changes level and format, and ends at once. */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import { layer, ProcessLog } from "../../../src/services/log/ProcessLog.ts"

const program = Effect.gen(function* () {
  const log = yield* ProcessLog
  yield* Effect.annotateLogs(Effect.logInfo("told", "and more"), { actor: "Test" })
  yield* Effect.logDebug("not shown")
  yield* Effect.logWarning("failed", Cause.fail(new Error("because")))
  log.request(0, { method: "GET", path: "/livez", status: 200, durationMs: 0.5, address: "", who: undefined, id: "a" })
  yield* log.configure({ json: false, level: "Debug" })
  yield* Effect.logDebug("shown after the change")
  yield* log.configure({ json: true, level: "Info" })
  yield* Effect.logDebug("not shown again")
  yield* Effect.annotateLogs(Effect.logInfo("as JSON"), { odd: 10n })
})

Effect.runFork(Effect.provide(program, layer({ json: false, level: "Info" })))
