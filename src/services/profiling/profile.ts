/**
 * A CPU profile of the running daemon, as V8 writes it (`.cpuprofile`, opened by Chromium's and VS Code's profilers).
 * One at a time: a profile slows the process, and two would measure each other.
 */
import { Session } from "node:inspector/promises"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

export class ProfileRunning extends Schema.TaggedError<ProfileRunning>()("ProfileRunning", {}) {
  override get message() {
    return "a profile is being taken already"
  }
}

let running = false

/** JSON text of the profile of the next `seconds`. */
export const cpuProfile = (seconds: number): Effect.Effect<string, ProfileRunning> =>
  Effect.acquireUseRelease(
    Effect.suspend(() => {
      if (running) return Effect.fail(new ProfileRunning())
      running = true
      const session = new Session()
      session.connect()
      return Effect.succeed(session)
    }),
    (session) =>
      Effect.gen(function* () {
        yield* Effect.promise(() => session.post("Profiler.enable"))
        yield* Effect.promise(() => session.post("Profiler.start"))
        yield* Effect.sleep(seconds * 1000)
        const { profile } = yield* Effect.promise(() => session.post("Profiler.stop"))
        return JSON.stringify(profile)
      }),
    (session) =>
      Effect.sync(() => {
        session.disconnect()
        running = false
      })
  )
