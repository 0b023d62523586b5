import { assert, describe, it } from "@effect/vitest"
import { parseShow } from "../../../src/services/units/parseShow.ts"
import { shown } from "./support.ts"

describe("what systemctl shows", () => {
  it("is told as it writes it, times and numbers apart", () => {
    const states = parseShow(shown("a.service", { NRestarts: "3", MemoryCurrent: "1048576" }), ["a.service"])
    assert.deepStrictEqual(states.get("a.service"), {
      load_state: "loaded",
      active_state: "active",
      sub_state: "running",
      unit_file_state: "enabled",
      main_pid: "42",
      exit_code: "0",
      exit_status: "0",
      result: "success",
      restarts: 3,
      since: Date.UTC(2026, 10, 22, 14, 32, 53, 86),
      memory_bytes: 1_048_576,
      invocation_id: "5820b04827554229a88f129c37d191ae"
    })
  })

  it("of several units is of each, in whatever order, with blank lines between", () => {
    const text = [shown("b.service"), shown("a.service", { SubState: "dead" })].join("\n")
    const states = parseShow(text, ["a.service", "b.service"])
    assert.deepStrictEqual(
      [states.get("a.service")?.sub_state, states.get("b.service")?.sub_state],
      ["dead", "running"]
    )
  })

  it("of an alias is found by its names, and by its place where those do not have it", () => {
    const real = shown("real.service", { Names: "real.service nick.service" })
    const escaped = shown(String.raw`esc\x2dape.service`, { Names: String.raw`"esc\\x2dape.service"` })
    const other = shown("other.service", { SubState: "exited" })
    const asked = ["nick.service", "real.service", String.raw`esc\x2dape.service`, "unnamed.service"]
    const states = parseShow([real, real, escaped, other].join("\n"), asked)
    assert.deepStrictEqual([...states.keys()], asked)
    assert.strictEqual(states.get("unnamed.service")?.sub_state, "exited")
  })

  it("is nothing of a unit that it does not show", () => {
    const states = parseShow(shown("a.service"), ["a.service", "b.service"])
    assert.deepStrictEqual([...states.keys()], ["a.service"])
  })

  it.each([
    ["MemoryCurrent", "18446744073709551615", "memory_bytes"],
    ["MemoryCurrent", "[not set]", "memory_bytes"],
    ["MemoryCurrent", "infinity", "memory_bytes"],
    ["NRestarts", "", "restarts"],
    ["NRestarts", "-1", "restarts"],
    ["StateChangeTimestamp", "", "since"],
    ["StateChangeTimestamp", "n/a", "since"],
    ["StateChangeTimestamp", "Sun 2026-13-41 14:32:53.086457 UTC", "since"],
    ["StateChangeTimestamp", "Sun 2026-11-22 14:32:53 CET", "since"],
    ["UnitFileState", "", "unit_file_state"],
    ["InvocationID", "", "invocation_id"]
  ] as const)("%s=%s is null", (property, value, member) => {
    assert.isNull(parseShow(shown("a.service", { [property]: value }), ["a.service"]).get("a.service")?.[member])
  })

  it("of a socket has no process", () => {
    const text =
      "Result=success\nId=a.socket\nNames=a.socket\nLoadState=loaded\nActiveState=active\nSubState=listening\n"
    const state = parseShow(text, ["a.socket"]).get("a.socket")
    assert.deepStrictEqual([state?.main_pid, state?.exit_code, state?.restarts], [null, null, null])
  })

  it("is not led astray by values with equals signs, by junk and by nothing", () => {
    const text = `junk\n=x\n${shown("a.service", { Result: "a=b" })}\n\n\n${shown("b.service")}`
    const states = parseShow(text, ["a.service", "b.service"])
    assert.deepStrictEqual([states.get("a.service")?.result, states.size], ["a=b", 2])
    assert.strictEqual(parseShow("", ["a.service"]).size, 0)
    assert.strictEqual(parseShow("\n\n", ["a.service"]).size, 0)
  })

  it("takes whole seconds for a time", () => {
    const text = shown("a.service", { StateChangeTimestamp: "Sun 2026-11-22 14:32:53 UTC" })
    assert.strictEqual(parseShow(text, ["a.service"]).get("a.service")?.since, Date.UTC(2026, 10, 22, 14, 32, 53))
  })
})
