import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { openDatagrams } from "../../../src/services/systemd/Datagrams.ts"
import {
  connect,
  extendTimeout,
  ready,
  reloading,
  ServiceManager,
  status,
  stopping,
  watchdog
} from "../../../src/services/systemd/ServiceManager.ts"
import { hasFfi, receiveDatagrams } from "../../harness/datagramReceiver.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"

const named = (name: string) => `@systemapi-test-${process.pid}-${name}`

describe("a service manager", () => {
  it.effect("is not there unless somebody says where", () =>
    Effect.gen(function* () {
      const manager = yield* ServiceManager
      assert.isFalse(manager.listens)
      yield* manager.tell(ready)
    })
  )

  it("is told nothing more by what is quoted in a status", () => {
    const [, text] = status("broken: a\nSTOPPING=1\u0000\u001b[2J")
    assert.strictEqual(text, "broken: a\\nSTOPPING=1\\u0000\\e[2J")
    assert.isAtMost(Buffer.byteLength(status("ä".repeat(5000))[1]), 480)
  })

  for (const [what, place] of [
    ["at a path", Effect.map(temporaryFolder, (folder) => join(folder, "notify"))],
    ["at a name in no folder", Effect.succeed(named("told"))]
  ] as const) {
    it.live.skipIf(!hasFfi)(`hears what it is told, ${what}`, () =>
      Effect.gen(function* () {
        const address = yield* place
        const receiver = yield* receiveDatagrams(address)
        const manager = yield* connect(address)
        assert.isTrue(manager?.listens)
        if (manager === undefined) return
        yield* manager.tell(ready, status("listening"))
        yield* manager.tell(...(yield* reloading))
        yield* manager.tell(watchdog)
        yield* manager.tell(extendTimeout(Duration.seconds(15)))
        yield* manager.tell(stopping)
        const [first, second = "", ...rest] = receiver.received()
        assert.strictEqual(first, "READY=1\nSTATUS=listening")
        const microseconds = Number(/^RELOADING=1\nMONOTONIC_USEC=(\d+)$/u.exec(second)?.[1])
        assert.approximately(microseconds, Number(process.hrtime.bigint() / 1000n), 60e6)
        assert.deepStrictEqual(rest, ["WATCHDOG=1", "EXTEND_TIMEOUT_USEC=15000000", "STOPPING=1"])
      })
    )
  }

  it.live.skipIf(!hasFfi)("that reads nothing, or is gone, holds nobody up", () =>
    Effect.gen(function* () {
      const address = named("full")
      const receiver = yield* receiveDatagrams(address)
      const datagrams = yield* Effect.acquireRelease(
        Effect.sync(() => openDatagrams(address, 64)),
        (open) => Effect.sync(() => open?.close())
      )
      const message = Buffer.from("WATCHDOG=1")
      let sent = 0
      // net.unix.max_dgram_qlen is 10 by default and 512 under systemd.
      while (datagrams?.send(message) === "sent" && sent < 10_000) sent += 1
      assert.strictEqual(datagrams?.send(message), "full")
      assert.lengthOf(receiver.received(), sent)
      assert.strictEqual(datagrams?.send(message), "sent")
      assert.strictEqual(datagrams?.send(Buffer.alloc(65)), "failed")
      const toNobody = yield* connect(named("nobody"))
      yield* toNobody?.tell(ready) ?? Effect.die(new Error("no way to a name"))
      datagrams?.close()
      assert.strictEqual(datagrams?.send(message), "failed")
    })
  )

  it("has no other kind of address", () => {
    for (const address of ["", "@", "relative", "vsock:2:1234", `/${"x".repeat(107)}`, "/a\0b"])
      assert.isUndefined(openDatagrams(address, 64), address)
  })
})
