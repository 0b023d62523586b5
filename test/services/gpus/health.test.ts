import { assert, describe, it } from "@effect/vitest"
import type { GpuReport, GpuSeen, Xid } from "../../../src/services/gpus/Gpus.ts"
import { judgeDriver, judgeGpu, worst } from "../../../src/services/gpus/health.ts"
import { gpuSeen as well } from "./readings.ts"
import { parseXid } from "../../../src/services/gpus/Xids.ts"

const day = 86_400_000
const now = 10 * day

const xidOf = (number: number, at: number, bus = "0000:19:00"): Xid => {
  const message = `NVRM: Xid (PCI:${bus}): ${number}, pid='<unknown>', name=<unknown>, trouble`
  const xid = parseXid({ cursor: `c${number}`, message, realtimeUs: at * 1000 })
  if (xid === undefined) throw new Error(`no Xid: ${message}`)
  return xid
}

describe("a GPU", () => {
  it("is well with corrected errors, and with uncorrected ones of earlier days", () => {
    assert.deepStrictEqual(judgeGpu(well, [], now), { verdict: "ok", reasons: [] })
  })
  it.each<[Partial<GpuSeen>, string, string]>([
    [{ seen: "lost" }, "failed", "lost"],
    [{ faults: ["power.draw: [GPU is lost]"] }, "failed", "lost"],
    [{ seen: "missing" }, "failed", "missing"],
    [{ seen: "unreadable" }, "degraded", "unreadable"],
    [{ faults: ["power.draw: [GPU requires reset]"] }, "failed", "reset_required"],
    [{ remapped: { corrected: 0, uncorrected: 1, pending: false, failed: true } }, "failed", "row_remap_failed"],
    [{ remapped: { corrected: 0, uncorrected: 1, pending: true, failed: false } }, "degraded", "row_remap_pending"],
    [{ pagesPending: true }, "degraded", "page_retirement_pending"],
    [{ uncorrectedVolatile: 2 }, "degraded", "uncorrected_ecc"],
    [{ hardwareSlowdown: true }, "degraded", "thermal_slowdown"],
    [{ softwareSlowdown: true }, "degraded", "thermal_slowdown"],
    [{ faults: ["power.draw: ERR!"] }, "degraded", "query_error"]
  ])("with %j is %s: %s", (change, verdict, code) => {
    const judged = judgeGpu({ ...well, ...change }, [], now)
    assert.strictEqual(judged.verdict, verdict)
    assert.deepStrictEqual(
      judged.reasons.map((reason) => reason.code),
      [code]
    )
  })
  it("is degraded by a critical Xid of its own, for a day", () => {
    const judge = (...xids: ReadonlyArray<Xid>) => judgeGpu(well, xids, now).verdict
    assert.strictEqual(judge(xidOf(79, now - 1000)), "degraded")
    assert.strictEqual(judge(xidOf(79, now - day)), "ok")
    assert.strictEqual(judge(xidOf(13, now - 1000)), "ok")
    assert.strictEqual(judge(xidOf(79, now - 1000, "0000:3b:00")), "ok")
    assert.strictEqual(judge(xidOf(79, now - 1000), xidOf(31, now - 10)), "degraded")
  })
  it("is as bad as the worst of its reasons", () => {
    const { reasons, verdict } = judgeGpu({ ...well, seen: "lost", uncorrectedVolatile: 1 }, [], now)
    assert.strictEqual(verdict, "failed")
    assert.deepStrictEqual(
      reasons.map(({ code }) => code),
      ["lost", "uncorrected_ecc"]
    )
    assert.strictEqual(worst([]), "ok")
    assert.strictEqual(worst(["degraded", "failed", "ok"]), "failed")
  })
})

describe("the driver", () => {
  const report = (change: Partial<GpuReport>): GpuReport => ({
    exitCode: 0,
    message: null,
    driverVersion: "570.172.08",
    gpus: [well],
    ...change
  })
  it.each<[Partial<GpuReport>, string, string | undefined]>([
    [{}, "ok", undefined],
    [{ gpus: [] }, "failed", "no_devices"],
    [{ gpus: [{ ...well, seen: "missing" }] }, "failed", "no_devices"],
    [{ exitCode: 6, gpus: [] }, "failed", "no_devices"],
    [{ exitCode: 9, gpus: [] }, "failed", "driver_absent"],
    [{ exitCode: 15, gpus: [{ ...well, seen: "lost" }] }, "failed", "lost"],
    [{ exitCode: 18, gpus: [] }, "failed", "version_mismatch"],
    [{ exitCode: 255, message: "strange" }, "degraded", "exit_status"],
    [{ exitCode: -11, gpus: [] }, "failed", "exit_status"]
  ])("with %j is %s: %s", (change, verdict, code) => {
    const judged = judgeDriver(report(change))
    assert.strictEqual(judged.verdict, verdict)
    assert.strictEqual(judged.reasons[0]?.code, code)
  })
  it("says what it said, where the exit status alone says nothing", () => {
    assert.strictEqual(judgeDriver(report({ exitCode: 255, message: "strange" })).reasons[0]?.message, "strange")
  })
})
