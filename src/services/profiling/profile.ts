/**
 * A CPU profile of the running daemon, as V8 writes it (`.cpuprofile`, opened by Chromium's and VS Code's profilers).
 * One at a time: a profile slows the process, and two would measure each other.
 */
import { Session } from "node:inspector/promises"
import * as Effect from "effect/Effect"
import type * as Semaphore from "effect/Semaphore"
import * as Schema from "effect/Schema"

export class ProfileRunning extends Schema.TaggedError<ProfileRunning>()("ProfileRunning", {}) {
  override get message() {
    return "a profile is being taken already"
  }
}

/** JSON text of the profile of the next `seconds`. */
export const cpuProfile = (seconds: number, turn: Semaphore.Semaphore): Effect.Effect<string, ProfileRunning> =>
  Effect.flatMap(turn.withPermitsIfAvailable(1)(profileFor(seconds)), (taken) =>
    Effect.mapError(Effect.fromOption(taken), () => new ProfileRunning())
  )

const profileFor = (seconds: number): Effect.Effect<string> =>
  Effect.acquireUseRelease(
    Effect.sync(() => {
      const session = new Session()
      session.connect()
      return session
    }),
    (session) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => session.post("Profiler.enable"))
        yield* Effect.promise(() => session.post("Profiler.start"))
        yield* Effect.sleep(seconds * 1000)
        const { profile } = yield* Effect.promise(() => session.post("Profiler.stop"))
        return JSON.stringify(profile)
      }),
    (session) => Effect.sync(() => session.disconnect())
  )
