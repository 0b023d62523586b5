import { assert, describe, it } from "@effect/vitest"
import { workerUrl } from "../../../src/services/workers/workerUrl.ts"

describe("workerUrl", () => {
  it("finds the source beside a source", () => {
    const url = workerUrl("spawner", "file:///srv/src/services/commands/SpawnerWorker.ts")
    assert.strictEqual(url.href, "file:///srv/src/services/commands/spawner.worker.ts")
  })

  it("finds the bundled worker beside the bundle", () => {
    assert.strictEqual(workerUrl("spawner", "file:///srv/dist/main.js").href, "file:///srv/dist/spawner.worker.js")
  })

  it("keeps what a path must escape", () => {
    assert.strictEqual(workerUrl("x", "file:///a%20b/main.js").href, "file:///a%20b/x.worker.js")
  })
})
