/**
 * GPUs as the built daemon tells of them, with an nvidia-smi that imitates the real one in its good and bad moods
 * (test/guest/harness/nvidia-smi): it hangs and ignores TERM, floods, prints no UTF-8, loses a GPU.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { chmod, readdir, readFile, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { GpuAnswer, GpuList, SmiBody } from "../../src/http/api/status/Gpus.ts"
import { type Answer, eventsOf, jsonOf, request } from "./client.ts"
import { eventually, start, temporaryFolder } from "./support.ts"

const imitation = join(import.meta.dirname, "../guest/harness/nvidia-smi")

const smiOf = (answer: Answer) => Schema.decodeUnknownSync(SmiBody)(jsonOf(answer))
const listOf = (answer: Answer) => Schema.decodeUnknownSync(GpuList)(jsonOf(answer))
const gpuOf = (answer: Answer) => Schema.decodeUnknownSync(GpuAnswer)(jsonOf(answer)).gpu
const detailOf = (answer: Answer) =>
  Schema.decodeUnknownSync(Schema.Struct({ detail: Schema.String }))(jsonOf(answer)).detail

/** A daemon with an nvidia-smi of its own, whose mood can be changed between two questions. */
const serve = Effect.fnUntraced(function* (seconds: number, watchMs = 0) {
  const folder = yield* temporaryFolder
  const program = join(folder, "nvidia-smi")
  const mood = join(folder, "mood")
  yield* Effect.promise(async () => {
    const text = await readFile(imitation, "utf8")
    await writeFile(program, text.replaceAll("/run/fake-nvidia-smi.conf", mood))
    await chmod(program, 0o755)
  })
  const daemon = yield* start({
    folder,
    config: `
[[listeners]]
address = "127.0.0.1:0"
[status]
command_timeout_seconds = ${seconds}
[gpus]
command = "${program}"
fresh_ms = 0
kill_grace_ms = 500
watch_interval_ms = ${watchMs}
[watch]
interval_ms = 0
`
  })
  const ask = (path: string) => request(`${daemon.url}${path}`)
  return {
    daemon,
    program,
    is: (text: string) => Effect.promise(() => writeFile(mood, `${text.replaceAll(" ", "\n")}\n`)),
    ask,
    smi: (query = "") => Effect.map(ask(`/gpu/nvidia-smi${query}`), smiOf),
    list: Effect.map(ask("/gpus"), listOf)
  }
})

class Box extends Context.Service<Box, Effect.Success<ReturnType<typeof serve>>>()("test/system/gpus/Box") {
  static readonly layer = Layer.effect(Box, serve(5))
}

/** In milliseconds, by the clock of this machine. */
const timed = Effect.fnUntraced(function* <A>(effect: Effect.Effect<A>) {
  const before = yield* Clock.monotonicTimeNanos
  const value = yield* effect
  return { value, ms: Number((yield* Clock.monotonicTimeNanos) - before) / 1e6 }
})

/** What the daemon has started and is not gone. */
const children = (parent: number): Effect.Effect<ReadonlyArray<string>> =>
  Effect.promise(async () => {
    const found: Array<string> = []
    for (const name of await readdir("/proc")) {
      if (!/^\d+$/u.test(name)) continue
      const stat = await readFile(`/proc/${name}/stat`, "latin1").catch(() => "")
      const [state, of] = stat.slice(stat.lastIndexOf(")") + 2).split(" ")
      if (Number(of) === parent && state !== "Z") found.push(stat)
    }
    return found
  })

layer(Box.layer, { timeout: 60_000, excludeTestServices: true })("GPUs that are well", (it) => {
  it.effect("are shown as nvidia-smi prints them", () =>
    Effect.gen(function* () {
      const { ask, is, program, smi } = yield* Box
      yield* is("mode=ok")
      const answer = yield* ask("/gpu/nvidia-smi")
      assert.strictEqual(answer.status, 200)
      assert.match(String(answer.headers["age"]), /^\d+$/u)
      assert.deepStrictEqual(Object.keys(smiOf(answer)), [
        "command",
        "exit_code",
        "stdout",
        "stderr",
        "stdout_lines",
        "stderr_lines",
        "stdout_truncated",
        "stderr_truncated",
        "detail",
        "gpu",
        "status"
      ])
      const all = smiOf(answer)
      assert.deepInclude(all, { command: [program], exit_code: 0, detail: false, gpu: "all", status: "ok", stderr: "" })
      assert.strictEqual(`${all.stdout_lines.join("\n")}\n`, all.stdout)
      const one = yield* smi("?gpu=07&detail=on")
      assert.deepInclude(one, { command: [program, "-q", "-i", "7"], gpu: "7", detail: true, status: "ok" })
    })
  )

  it.effect("are shown in detail to the last line, though that is long", () =>
    Effect.gen(function* () {
      const { is, smi } = yield* Box
      yield* is("mode=ok")
      const { stdout, stdout_truncated } = yield* smi("?detail=true")
      assert.isFalse(stdout_truncated)
      assert.isAbove(stdout.length, 75_000)
      assert.strictEqual(stdout.match(/^GPU 0000/gmu)?.length, 8)
    })
  )

  it.effect("are told of one by one", () =>
    Effect.gen(function* () {
      const { ask, is, list } = yield* Box
      yield* is("mode=ok gpus=16")
      const { driver_version, gpus, stale, verdict } = yield* list
      assert.deepInclude(
        { driver_version, stale, verdict },
        { driver_version: "570.172.08", stale: false, verdict: "ok" }
      )
      assert.deepStrictEqual(
        gpus.map(({ index }) => index),
        Array.from({ length: 16 }, (_, index) => index)
      )
      const [, one] = gpus
      assert.deepInclude(one, { name: "NVIDIA H200", pci_bus_id: "00000000:3B:00.0", mig_mode: "Disabled" })
      assert.deepStrictEqual(one?.memory, { total_mib: 143_771, used_mib: 1, free_mib: 143_316 })
      assert.deepStrictEqual(one?.remapped_rows, { corrected: 0, uncorrected: 0, pending: false, failed: false })
      for (const name of ["1", one?.uuid ?? "", one?.uuid?.toUpperCase() ?? ""]) {
        const gpu = gpuOf(yield* ask(`/gpus/${name}`))
        assert.strictEqual(gpu.uuid, one?.uuid, name)
      }
      const absent = yield* ask("/gpus/16")
      assert.deepStrictEqual([absent.status, jsonOf(absent)], [404, { detail: "no GPU has this index or UUID" }])
    })
  )

  it.effect("are asked for by parameters that are what they may be", () =>
    Effect.gen(function* () {
      const { ask } = yield* Box
      for (const gpu of ["-1", "x", "1.5", "", "1e3", "%20", "0x1", "all%20", "-q", "9".repeat(30)]) {
        const answer = yield* ask(`/gpu/nvidia-smi?gpu=${gpu}`)
        assert.strictEqual(answer.status, 400, gpu)
        assert.include(detailOf(answer), "gpu")
      }
      for (const detail of ["perhaps", "", "2", "-q"]) {
        const answer = yield* ask(`/gpu/nvidia-smi?gpu=x&detail=${detail}`)
        assert.strictEqual(answer.status, 422, detail)
      }
    })
  )
})

layer(Box.layer, { timeout: 60_000, excludeTestServices: true })("GPUs that are not", (it) => {
  it.effect.each([
    ["mode=nodriver", "?", 9, "driver_absent"],
    ["mode=mismatch", "?", 18, "version_mismatch"],
    ["mode=lost", "?", 15, "lost"],
    ["gpus=0", "?", 6, "no_devices"],
    ["mode=ok", "?gpu=99", 6, undefined],
    ["mode=stderr", "?", 255, undefined]
  ] as const)("as %j says, are an answer of status error", ([mood, query, exitCode, code]) =>
    Effect.gen(function* () {
      const { is, list, smi } = yield* Box
      yield* is(mood)
      const body = yield* smi(query)
      assert.deepInclude(body, { exit_code: exitCode, status: "error" })
      assert.isAbove(body.stdout.length, 10)
      if (mood === "mode=stderr") assert.lengthOf(body.stderr_lines, 1)
      if (code === undefined) return
      const { reasons, verdict } = yield* list
      assert.strictEqual(verdict, "failed")
      assert.strictEqual(reasons[0]?.code, code)
    })
  )

  it.effect("print bytes that are no text, and have an answer that is", () =>
    Effect.gen(function* () {
      const { is, smi } = yield* Box
      yield* is("mode=binary")
      const { status, stdout } = yield* smi()
      assert.strictEqual(status, "ok")
      assert.strictEqual(stdout, "ok \ufffd\ufffd\ufffd \0 end\n")
    })
  )

  it.effect("are told of each with its own verdict, of an old driver too", () =>
    Effect.gen(function* () {
      const { is, list } = yield* Box
      yield* is("gpus=8")
      assert.strictEqual((yield* list).gpus.length, 8)
      yield* is("gpus=8 ecc=2 broken=1 hidden=5 unknown=temperature.memory,clocks_event_reasons.hw_thermal_slowdown")
      const { gpus, verdict } = yield* list
      assert.strictEqual(verdict, "failed")
      assert.deepStrictEqual(
        gpus.map((gpu) => `${gpu.verdict} ${gpu.reasons.map(({ code }) => code).join(" ")}`.trim()),
        ["ok", "degraded query_error", "degraded uncorrected_ecc", "ok", "ok", "failed missing", "ok", "ok"]
      )
      assert.deepStrictEqual(gpus[0]?.temperature, {
        gpu_c: 24,
        memory_c: null,
        hardware_slowdown: false,
        software_slowdown: false
      })
    })
  )

  it.effect("are gone with the tool", () =>
    Effect.gen(function* () {
      const { ask, daemon, is, program } = yield* Box
      yield* is("mode=ok")
      yield* Effect.promise(() => rm(program))
      for (const path of ["/gpu/nvidia-smi", "/gpus", "/gpus/0"]) {
        const answer = yield* ask(path)
        assert.strictEqual(answer.status, 503, path)
        assert.deepStrictEqual(jsonOf(answer), { detail: { error: "missing_binary", binary: "nvidia-smi" } })
      }
      assert.deepStrictEqual(yield* children(daemon.pid), [])
    })
  )
})

describe("an nvidia-smi that does not end", () => {
  /** Beyond the deadline, on a machine of two cores that does other things too. */
  const slackMs = 400

  it.live.each(["hang", "hang-hard", "flood"])(
    "in mood %s holds nobody beyond the deadline, and is the only one",
    (mode) =>
      Effect.gen(function* () {
        const { ask, daemon, is } = yield* serve(1)
        yield* is(`mode=${mode}`)
        const never = yield* timed(ask("/gpu/nvidia-smi"))
        assert.strictEqual(never.value.status, 504)
        assert.deepStrictEqual(jsonOf(never.value), { detail: { error: "timeout", command: "nvidia-smi" } })
        assert.isBelow(never.ms, 1000 + slackMs)
        const paths = ["/gpu/nvidia-smi", "/gpus", "/overview", "/gpus/0", "/gpu/nvidia-smi?detail=1&gpu=3"]
        const many = yield* Effect.all(
          Array.from({ length: 40 }, (_, n) => timed(ask(paths[n % paths.length] ?? ""))),
          { concurrency: "unbounded" }
        )
        for (const { ms, value } of many) {
          assert.include([504, 200], value.status)
          assert.isBelow(ms, 1000 + slackMs)
        }
        assert.isAtMost((yield* children(daemon.pid)).length, 2, "an nvidia-smi, and a systemctl of /overview")
        yield* is("mode=ok")
        yield* eventually(
          "it is well again",
          Effect.map(ask("/gpu/nvidia-smi"), ({ status }) => status === 200)
        )
      })
  )

  it.live("leaves what was said before, with its age", () =>
    Effect.gen(function* () {
      const { is, list, smi } = yield* serve(1)
      yield* is("mode=ok")
      const well = yield* smi()
      assert.strictEqual((yield* list).verdict, "ok")
      yield* is("mode=hang-hard")
      const stale = yield* smi()
      assert.deepInclude(stale, { stale: true, status: "ok", stdout: well.stdout })
      assert.isAtLeast(stale.age_ms ?? 0, 900)
      assert.deepStrictEqual(stale.error, { error: "timeout", command: "nvidia-smi" })
      const survey = yield* list
      assert.deepInclude(survey, { stale: true, verdict: "degraded" })
      assert.strictEqual(survey.reasons[0]?.code, "no_answer")
      assert.strictEqual(survey.gpus.length, 8)
    })
  )
})

it.live("what becomes of GPUs is told in the event log", () =>
  Effect.gen(function* () {
    const { daemon, is } = yield* serve(5, 200)
    yield* is("broken=3")
    const tells = (pattern: RegExp) =>
      eventually(
        String(pattern),
        Effect.map(eventsOf(daemon.url), (events) => events.some(({ message }) => pattern.test(message)))
      )
    yield* tells(/^GPU 3 \(NVIDIA H200\) is degraded: it fails to tell power.draw/u)
    yield* is("hidden=6")
    yield* tells(/^GPU 3 \(NVIDIA H200\) is well again$/u)
    yield* tells(/^GPU 6 \(NVIDIA H200\) failed: it was there and is no more$/u)
  })
)
