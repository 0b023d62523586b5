/** The harness itself: a guest boots, is a machine of its own, and keeps its disk when it boots anew. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Guest, inGuest } from "./harness/Guest.ts"

inGuest("a guest", Guest.layer(), (it) => {
  it.effect("is booted by systemd, with a journal, and nothing in it has failed", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      assert.strictEqual((yield* guest.exec(["systemctl", "is-system-running"])).out, "running\n")
      yield* guest.must("logger", "--tag=harness", "hello")
      const [entry] = yield* guest.journal("--identifier=harness")
      assert.strictEqual(entry?.["MESSAGE"], "hello")
    })
  )

  it.effect("runs units, writes files, and tells the state of a unit", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.write("/etc/systemd/system/wrong.service", "[Service]\nType=oneshot\nExecStart=/bin/false\n")
      yield* guest.must("systemctl", "daemon-reload")
      assert.strictEqual((yield* guest.exec(["systemctl", "start", "wrong.service"])).code, 1)
      const state = yield* guest.unit("wrong.service")
      assert.strictEqual(state["ActiveState"], "failed")
      assert.strictEqual(state["ExecMainStatus"], "1")
      yield* guest.must("systemctl", "reset-failed", "wrong.service")
    })
  )

  it.effect("has a network of its own, in which this machine's programs can be run", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const { out } = yield* guest.inNetwork(["cat", "/proc/net/dev"])
      assert.deepStrictEqual(
        out.match(/^ *\w+(?=:)/gmu)?.map((name) => name.trim()),
        ["lo"]
      )
    })
  )

  it.effect("boots anew with the disk as it was", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.write("/var/lib/kept", "kept")
      const before = yield* guest.must("cat", "/proc/1/stat")
      yield* guest.reboot
      assert.notStrictEqual(yield* guest.must("cat", "/proc/1/stat"), before)
      assert.strictEqual(yield* guest.must("cat", "/var/lib/kept"), "kept")
    })
  )
})
