import { assert, describe, it } from "@effect/vitest"
import { readServiceGiven } from "../../../src/services/systemd/ServiceGiven.ts"

const pid = 4711

describe("what a service manager tells in the environment", () => {
  it("is nothing where there is none", () => {
    assert.deepStrictEqual(readServiceGiven({}, pid), { notifySocket: undefined, watchdogMs: undefined, sockets: [] })
  })

  it.each([
    ["ours", { WATCHDOG_USEC: "3000000", WATCHDOG_PID: "4711" }, 3000],
    ["anybody's", { WATCHDOG_USEC: "2500" }, 2.5],
    ["another process's", { WATCHDOG_USEC: "3000000", WATCHDOG_PID: "4712" }, undefined],
    ["turned off", { WATCHDOG_USEC: "0" }, undefined],
    ["no number", { WATCHDOG_USEC: "3s" }, undefined],
    ["of a process that is no number", { WATCHDOG_USEC: "3000000", WATCHDOG_PID: "-1" }, undefined]
  ])("has a watchdog that is %s", (_, env, expected) => {
    assert.strictEqual(readServiceGiven(env, pid).watchdogMs, expected)
  })

  it("has sockets from descriptor 3 on, with their names", () => {
    const env = { LISTEN_PID: "4711", LISTEN_FDS: "3", LISTEN_FDNAMES: "web:system api:" }
    assert.deepStrictEqual(readServiceGiven(env, pid).sockets, [
      { fd: 3, name: "web" },
      { fd: 4, name: "system api" },
      { fd: 5, name: "unknown" }
    ])
  })

  it("has no sockets that are another process's, and no more than a service can have", () => {
    assert.deepStrictEqual(readServiceGiven({ LISTEN_PID: "1", LISTEN_FDS: "1" }, pid).sockets, [])
    assert.deepStrictEqual(readServiceGiven({ LISTEN_FDS: "1" }, pid).sockets, [])
    assert.lengthOf(readServiceGiven({ LISTEN_PID: "4711", LISTEN_FDS: "999999999" }, pid).sockets, 1024)
  })
})
