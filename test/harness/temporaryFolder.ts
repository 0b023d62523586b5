/** A folder that is gone, with all that is in it, when the test is. */
import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"

export const temporaryFolder = Effect.acquireRelease(
  Effect.promise(() => mkdtemp(join(tmpdir(), "systemapi-test-"))),
  (path) => Effect.promise(() => rm(path, { recursive: true, force: true }))
)
