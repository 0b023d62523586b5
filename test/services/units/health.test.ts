import { assert, describe, it } from "@effect/vitest"
import { isHealthy } from "../../../src/services/units/health.ts"
import { failedState, stateOf, unitOf } from "./support.ts"

const exited = stateOf({ sub_state: "exited", exit_code: "1" })
const dead = stateOf({ active_state: "inactive", sub_state: "dead" })
const masked = stateOf({ load_state: "masked", active_state: "inactive", sub_state: "dead" })

describe("a unit is well", () => {
  it.each([
    ["when it runs", {}, stateOf()],
    ["when it listens", { unit: "web.socket" }, stateOf({ sub_state: "listening" })],
    ["when it exited with 0 and may", { oneshot_ok: true }, exited],
    ["when it runs and might have exited", { oneshot_ok: true }, stateOf()],
    ["when it has run, exited with 0 and may", { oneshot_ok: true }, { ...dead, exit_code: "1" }],
    ["when it is masked and may be", { masked_ok: true }, masked],
    ["when it is a timer that waits", { unit: "web.timer" }, stateOf({ sub_state: "waiting" })],
    ["when it is a mount that is mounted", { unit: "srv.mount" }, stateOf({ sub_state: "mounted" })],
    ["when it is a target that is reached", { unit: "multi-user.target" }, stateOf({ sub_state: "active" })]
  ] as const)("%s", (_, options, state) => {
    assert.isTrue(isHealthy(unitOf(options), state))
  })
})

describe("a unit is not well", () => {
  it.each([
    ["when it failed", {}, failedState()],
    ["when it failed and may exit", { oneshot_ok: true }, failedState()],
    ["when it is not loaded", {}, stateOf({ load_state: "not-found" })],
    ["when its file is wrong", {}, stateOf({ load_state: "bad-setting" })],
    ["when nothing is known of it", {}, stateOf({ load_state: null, active_state: null, sub_state: null })],
    ["when it exited with 0 and may not", {}, exited],
    ["when it exited with 1 and may with 0", { oneshot_ok: true }, { ...exited, exit_status: "1" }],
    ["when it is dead", {}, { ...dead, exit_code: "1" }],
    ["when it has never run", { oneshot_ok: true }, dead],
    ["when a signal ended it", { oneshot_ok: true }, { ...dead, exit_code: "2" }],
    ["when it has run and its result is another", { oneshot_ok: true }, { ...dead, exit_code: "1", result: "timeout" }],
    ["when it is masked and may not be", { oneshot_ok: true }, masked],
    ["when it begins", {}, stateOf({ active_state: "activating", sub_state: "start" })],
    ["when it waits for a restart", {}, stateOf({ active_state: "activating", sub_state: "auto-restart" })],
    ["when it is a service that waits", {}, stateOf({ sub_state: "waiting" })],
    ["when it is a mount that is not", { unit: "srv.mount" }, { ...dead, sub_state: "dead" }]
  ] as const)("%s", (_, options, state) => {
    assert.isFalse(isHealthy(unitOf(options), state))
  })
})
