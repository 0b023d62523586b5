/** Between two slices of a long piece of work: lets everybody else have a turn of the event loop. */
import * as Effect from "effect/Effect"

export const turn = Effect.callback<void>((resume) => {
  const immediate = setImmediate(() => resume(Effect.void))
  return Effect.sync(() => clearImmediate(immediate))
})
