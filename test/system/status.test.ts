/**
 * The Status API of the built daemon, over TCP and a UNIX socket, with a systemctl and an nvidia-smi of the test's own: each
 * row of what its clients know. Journals are in a test of their own.
 */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { mkdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { type Answer, curl, request } from "./client.ts"
import { machineTools, type MachineTools } from "./machineTools.ts"
import { type Daemon, start, temporaryFolder } from "./support.ts"

interface Served {
  readonly daemon: Daemon
  readonly tools: MachineTools
  readonly folder: string
  /** Of the Status API's own listener. */
  readonly url: string
  readonly socket: string
}

const units = `
[units]
runs = { unit = "runs.service", description = "It runs" }
ran = { unit = "ran.service", oneshot_ok = true }
masked = { unit = "masked.service", masked_ok = true }
`

const serve = (more: string) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const tools = yield* machineTools(folder)
    yield* Effect.promise(async () => {
      await mkdir(join(folder, "disk/large/deep"), { recursive: true })
      await mkdir(join(folder, "disk/new\nline"))
      await writeFile(join(folder, "disk/large/deep/file"), Buffer.alloc(300_000))
      await writeFile(join(folder, "disk/small"), Buffer.alloc(5000))
      await symlink("/etc", join(folder, "disk/out"))
    })
    const socket = join(folder, "status.sock")
    const daemon = yield* start({
      folder,
      config: `
[[listeners]]
address = "127.0.0.1:0"
[[listeners]]
address = "127.0.0.1:0"
apis = ["status"]
auth = ["none"]
roles = ["status"]
[status]
listen_addr = "unix:${socket}"
units_fresh_ms = 0
command_timeout_seconds = 2
[gpus]
fresh_ms = 0
kill_grace_ms = 0
watch_interval_ms = 0
[watch]
interval_ms = 0
[disk]
roots = ["${folder}/disk"]
${more}`,
      env: { PATH: `${tools.path}:${process.env["PATH"] ?? "/usr/bin:/bin"}` }
    })
    const [, url = ""] = [...daemon.said().matchAll(/listening on (http:\S+)\n/gu)].map(([, each = ""]) => each)
    return { daemon, tools, folder, url, socket } satisfies Served
  })

class Status extends Context.Service<Status, Served>()("test/system/status/Status") {
  static readonly layer = Layer.effect(Status, serve(units))
}

const Json = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const bodyOf = ({ body }: Answer) => Effect.orDie(Schema.decodeEffect(Json)(body))

/** The same of both ways in. */
const everywhere = Effect.fnUntraced(function* (path: string, ...args: ReadonlyArray<string>) {
  const { socket, url } = yield* Status
  const byTcp = yield* curl(...args, `${url}${path}`)
  const bySocket = yield* curl(...args, "--unix-socket", socket, `http://localhost${path}`)
  assert.strictEqual(bySocket.status, byTcp.status, path)
  return [byTcp, bySocket] as const
})

const detailOf = Effect.fnUntraced(function* (path: string, ...args: ReadonlyArray<string>) {
  const answers = yield* everywhere(path, ...args)
  const [one, two] = [yield* bodyOf(answers[0]), yield* bodyOf(answers[1])]
  assert.deepStrictEqual(one, two)
  return [answers[0].status, one["detail"]] as const
})

layer(Status.layer, { timeout: 60_000, excludeTestServices: true })("the Status API", (it) => {
  it.effect("is there", () =>
    Effect.gen(function* () {
      for (const answer of yield* everywhere("/health")) {
        assert.strictEqual(answer.status, 200)
        assert.deepInclude(yield* bodyOf(answer), { status: "ok" })
      }
    })
  )

  it.effect("lists the units, in the order of the file", () =>
    Effect.gen(function* () {
      for (const answer of yield* everywhere("/services")) {
        assert.deepStrictEqual(yield* bodyOf(answer), {
          services: [
            { id: "runs", unit: "runs.service", description: "It runs" },
            { id: "ran", unit: "ran.service", description: "" },
            { id: "masked", unit: "masked.service", description: "" }
          ]
        })
      }
    })
  )

  it.effect("tells the state of one", () =>
    Effect.gen(function* () {
      for (const answer of yield* everywhere("/services/runs/status")) {
        const { service, status, healthy, error } = yield* bodyOf(answer)
        assert.deepStrictEqual(
          { service, status, healthy, error },
          {
            service: { id: "runs", unit: "runs.service", description: "It runs" },
            status: {
              load_state: "loaded",
              active_state: "active",
              sub_state: "running",
              unit_file_state: "enabled",
              main_pid: "4711",
              exit_code: "0",
              exit_status: "0"
            },
            healthy: true,
            error: null
          }
        )
      }
    })
  )

  it.effect("shows no other unit, whatever it is called", () =>
    Effect.gen(function* () {
      for (const id of ["runs.service", "nothing", "constructor", "..%2Fruns", "--all"]) {
        assert.deepStrictEqual(yield* detailOf(`/services/${id}/status`), [404, "service not allowed"], id)
      }
    })
  )

  it.effect("shows what nvidia-smi prints, whatever its exit status", () =>
    Effect.gen(function* () {
      for (const answer of yield* everywhere("/gpu/nvidia-smi")) {
        const body = yield* bodyOf(answer)
        assert.deepInclude(body, {
          command: ["nvidia-smi"],
          exit_code: 0,
          stdout: "| NVIDIA-SMI 550.54 |\n| H200 |\n",
          stdout_lines: ["| NVIDIA-SMI 550.54 |", "| H200 |"],
          detail: false,
          gpu: "all",
          status: "ok"
        })
      }
      const [detailed] = yield* everywhere("/gpu/nvidia-smi?detail=yes&gpu=0")
      assert.deepInclude(yield* bodyOf(detailed), { command: ["nvidia-smi", "-q", "-i", "0"], detail: true, gpu: "0" })
      const [absent] = yield* everywhere("/gpu/nvidia-smi?gpu=9")
      assert.deepInclude(yield* bodyOf(absent), { exit_code: 6, status: "error", gpu: "9" })
      assert.strictEqual(absent.status, 200)
      for (const gpu of ["-1", "x", "0,1", "1.5"]) {
        const [status, detail] = yield* detailOf(`/gpu/nvidia-smi?gpu=${gpu}`)
        assert.deepStrictEqual([status, typeof detail], [400, "string"], gpu)
      }
      const [status, detail] = yield* detailOf("/gpu/nvidia-smi?detail=perhaps")
      assert.strictEqual(status, 422)
      assert.deepInclude(Object(detail)[0], { loc: ["query", "detail"] })
    })
  )

  it.effect("tells all of it at once", () =>
    Effect.gen(function* () {
      for (const answer of yield* everywhere("/overview")) {
        assert.strictEqual(answer.status, 200)
        const body = yield* bodyOf(answer)
        assert.deepStrictEqual(Object.keys(body), ["status", "services", "gpu", "timestamp"])
        assert.strictEqual(body["status"], "ok")
        assert.match(String(body["timestamp"]), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}\+00:00$/u)
      }
    })
  )

  it.effect("tells the host", () =>
    Effect.gen(function* () {
      for (const answer of yield* everywhere("/api/v1/host")) {
        const body = yield* bodyOf(answer)
        assert.deepInclude(body["kernel"], { name: "Linux" })
        assert.strictEqual(Object(body["tee"]).kind === "none", Object(body["tee"]).evidence === null)
        assert.isAbove(Object(body["memory"]).total_bytes, 0)
        assert.strictEqual(Object(body["cpu"]).usage_percent === null, false)
      }
    })
  )

  it.effect("tells what uses a disk, in its roots", () =>
    Effect.gen(function* () {
      const { folder } = yield* Status
      const disk = `${folder}/disk`
      for (const answer of yield* everywhere(`/disk/space?path=${disk}`)) {
        const body = yield* bodyOf(answer)
        assert.deepInclude(body, {
          path: disk,
          diagnostic_mode: false,
          max_depth: 1,
          top_n: 10,
          stdout_truncated: false,
          partial: false
        })
        const directories: ReadonlyArray<Readonly<Record<string, unknown>>> = Object(body["directories"])
        assert.deepStrictEqual(
          directories.map(({ depth, name, path }) => [name, path, depth]),
          [
            ["large", `${disk}/large`, 1],
            ["new\nline", `${disk}/new\nline`, 1]
          ]
        )
        assert.isAtLeast(Number(directories[0]?.["size_bytes"]), 300_000)
        assert.match(String(directories[0]?.["size_human"]), /^\d+\.\d KB$/u)
        const [filesystem, ...others] = Object(body["filesystems"])
        assert.deepStrictEqual(others, [])
        assert.includeMembers(Object.keys(filesystem), [
          "source",
          "target",
          "total_bytes",
          "total_human",
          "used_percent"
        ])
      }
      const [deep] = yield* everywhere(`/disk/space?path=${disk}&diagnostic=true&max_depth=2&top_n=1`)
      const { directories, max_depth, top_n } = yield* bodyOf(deep)
      assert.deepStrictEqual(
        Object(directories).map(({ path }: { readonly path: string }) => path),
        [`${disk}/large`, `${disk}/large/deep`]
      )
      assert.deepStrictEqual([max_depth, top_n], [2, 1])
      const refused: ReadonlyArray<readonly [string, number, unknown]> = [
        ["/", 403, "path not allowed"],
        ["/etc", 403, "path not allowed"],
        ["/nowhere", 403, "path not allowed"],
        [`${disk}/../status.sock`, 403, "path not allowed"],
        [`${disk}/out`, 403, "path not allowed"],
        [`${disk}/out/nowhere`, 403, "path not allowed"],
        [`${disk}/nothing`, 404, "path does not exist"],
        [`${disk}/small`, 400, "path is not a directory"],
        [`${disk}%00`, 403, "path not allowed"]
      ]
      for (const [path, status, detail] of refused) {
        assert.deepStrictEqual(yield* detailOf(`/disk/space?path=${path}`), [status, detail], path)
      }
      assert.strictEqual((yield* detailOf("/disk/space"))[0], 403)
      for (const wrong of [
        "max_depth=0",
        "max_depth=11",
        "top_n=101",
        "top_n=x",
        "diagnostic=2",
        "cross_filesystems="
      ]) {
        const [status, detail] = yield* detailOf(`/disk/space?path=${disk}&${wrong}`)
        assert.strictEqual(status, 422, wrong)
        const [{ loc, msg, type }] = Object(detail)
        assert.deepStrictEqual([loc, typeof msg, typeof type], [["query", wrong.split("=")[0]], "string", "string"])
      }
    })
  )

  it.effect("has no other path and no other method, and no shutdown for anybody", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* detailOf("/nowhere"), [404, "Not Found"])
      assert.deepStrictEqual(yield* detailOf("/api/v1/events"), [404, "Not Found"])
      assert.deepStrictEqual(yield* detailOf("/overview", "-X", "DELETE"), [405, "Method Not Allowed"])
      const { socket, tools, url } = yield* Status
      // Over TCP there are no credentials to be had here, over the socket there are.
      assert.strictEqual((yield* curl("-X", "POST", `${url}/system/shutdown`)).status, 403)
      const bySocket = yield* curl("-X", "POST", "--unix-socket", socket, "http://x/system/shutdown")
      assert.strictEqual(bySocket.status, 403)
      assert.deepStrictEqual(yield* tools.noted("powered-off"), [])
    })
  )

  it.effect("is mounted beside the System API, open as that is while there is no password", () =>
    Effect.gen(function* () {
      const { daemon, tools } = yield* Status
      assert.deepInclude(yield* bodyOf(yield* request(`${daemon.url}/health`)), { status: "ok" })
      assert.strictEqual((yield* request(`${daemon.url}/overview`)).status, 200)
      assert.deepStrictEqual(yield* bodyOf(yield* request(`${daemon.url}/nowhere`)), {
        code: 404,
        message: "Not found"
      })
      const { body, status } = yield* request(`${daemon.url}/system/shutdown`, { method: "POST" })
      assert.deepStrictEqual([status, Object.keys(JSON.parse(body))], [401, ["detail"]])
      assert.deepStrictEqual(yield* tools.noted("powered-off"), [])
    })
  )
})

describe("a machine that is not well", () => {
  it.live("is told in time, and a crowd starts one tool of each kind", () =>
    Effect.gen(function* () {
      const { socket, tools, url } = yield* serve('[units]\nfailed = "failed.service"\nnothing = "nothing.service"\n')
      const overview = Effect.flatMap(request(`${url}/overview`), bodyOf)
      const degraded = yield* overview
      assert.strictEqual(degraded["status"], "degraded")
      const services: ReadonlyArray<Readonly<Record<string, unknown>>> = Object(degraded["services"])
      assert.deepStrictEqual(
        services.map(({ error, healthy, status }) => [healthy, error, Object(status).load_state]),
        [
          [false, null, "loaded"],
          [false, null, "not-found"]
        ]
      )

      yield* tools.mood("hang-nvidia-smi")
      const started = performance.now()
      const answers = yield* Effect.all(
        Array.from({ length: 32 }, () => overview),
        { concurrency: "unbounded" }
      )
      // The deadline is two seconds; the rest is what a busy machine takes for 32 answers.
      assert.isBelow(performance.now() - started, 5000)
      for (const { gpu, status } of answers) {
        assert.strictEqual(status, "degraded")
        assert.deepInclude(gpu, { status: "ok", stale: true, error: { error: "timeout", command: "nvidia-smi" } })
      }
      yield* tools.mood("no-bus")
      const failed = yield* bodyOf(yield* curl("--unix-socket", socket, "http://x/overview"))
      for (const { error, healthy } of Object(failed["services"])) {
        assert.deepStrictEqual(
          [healthy, error],
          [false, { error: "command_failed", command: "systemctl", exit_code: 1 }]
        )
      }
      for (const name of ["systemctl", "nvidia-smi"]) {
        const atOnce = (yield* tools.noted(`at-once-${name}`)).map((line) => Number(line.trim()))
        assert.isAbove(atOnce.length, 0, name)
        assert.strictEqual(Math.max(...atOnce), 1, name)
      }
    })
  )
})

describe("POST /system/shutdown", () => {
  it.live("powers the machine off for those who may, tells what failed, and is on record", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const tools = yield* machineTools(folder)
      const daemon = yield* start({
        folder,
        config: `
[general]
pipe_file = ""
basic_auth_secret_path = "secret"
[[listeners]]
address = "127.0.0.1:0"
[[listeners]]
address = "unix:${folder}/status.sock"
apis = ["status"]
auth = ["socket"]
roles = ["admin"]
[[listeners]]
address = "unix:${folder}/open.sock"
apis = ["status"]
auth = ["none"]
roles = ["admin"]
[status]
shutdown = true
[watch]
interval_ms = 0
[gpus]
watch_interval_ms = 0
`,
        env: { PATH: `${tools.path}:${process.env["PATH"] ?? "/usr/bin:/bin"}` }
      })
      const shutdown = (...args: ReadonlyArray<string>) => curl("-X", "POST", ...args)
      const main = `${daemon.url}/system/shutdown`
      assert.strictEqual((yield* shutdown(main)).status, 401, "no password is set")
      // Nobody, with all rights.
      const open = yield* shutdown("--unix-socket", `${folder}/open.sock`, "http://x/system/shutdown")
      assert.deepStrictEqual([open.status, JSON.parse(open.body)], [403, { detail: "shutdown needs credentials" }])
      yield* request(`${daemon.url}/api/v1/set-basic-auth`, { body: "secret" })
      assert.deepStrictEqual(yield* tools.noted("powered-off"), [])

      const { body, status } = yield* shutdown("-u", "admin:secret", main)
      const told = JSON.parse(body)
      assert.deepStrictEqual(
        [status, Object.keys(told), told.status],
        [200, ["status", "message", "timestamp"], "initiated"]
      )
      assert.strictEqual((yield* shutdown("-u", "admin:wrong", main)).status, 401)

      yield* tools.mood("no-rights")
      const failed = yield* shutdown("--unix-socket", `${folder}/status.sock`, "http://x/system/shutdown")
      assert.deepStrictEqual(
        [failed.status, JSON.parse(failed.body)],
        [502, { detail: { error: "command_failed", command: "systemctl", exit_code: 1 } }]
      )
      assert.deepStrictEqual(yield* tools.noted("powered-off"), [
        "--no-ask-password --no-wall poweroff",
        "--no-ask-password --no-wall poweroff"
      ])
      const authorization = `Basic ${Buffer.from("admin:secret").toString("base64")}`
      const log = Effect.map(request(`${daemon.url}/logs`, { headers: { authorization } }), ({ body }) => body)
      assert.match(yield* log, /the machine was not shut down: exit status 1: .*Interactive authentication required/u)
      assert.strictEqual((yield* log).match(/the machine is to be shut down/gu)?.length, 2)
    })
  )
})
