import { assert, describe, it } from "@effect/vitest"
import { copyFile, readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import { OperationFailed } from "../../../src/services/operations/Operation.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { makeWorld, operation, ran, type WorldOptions } from "./support.ts"

const asked = (hostname: string, rest: object = {}) => ({
  workspace: "production",
  provider: "upcloud",
  plan: "2xCPU-4GB",
  hostname,
  ...rest
})

/** The program of the fixture, in a folder of its own. */
const start = Effect.fnUntraced(function* (options: WorldOptions = {}) {
  const folder = yield* temporaryFolder
  const program = join(folder, "provisioning")
  yield* Effect.promise(() => copyFile(join(import.meta.dirname, "../../fixtures/provisioning"), program))
  const read = (name: string) => Effect.promise(() => readFile(join(folder, name), "utf8"))
  const world = yield* makeWorld({ ...options, config: `[provisioning]\ncli_path = "${program}"\n` })
  const create = (id: string, hostname: string, rest: object = {}) =>
    operation(id, "server.create", asked(hostname, rest))
  return { ...world, create, read }
})

describe("the cli driver", () => {
  it.live("makes a server, tells its progress and what came of it, and passes no secrets on", () =>
    Effect.gen(function* () {
      const environment = { PATH: process.env["PATH"] ?? "", HOME: "/root", JWT_SECRET: "hidden" }
      const { create, inventory, progress, read, run } = yield* start({ environment })
      const result = yield* run(create("op-1", "own-01", { tags: ["a", "b"] }))
      assert.deepStrictEqual(result, {
        cores: 2,
        server_id: "upc-own-01",
        ip_address: "192.0.2.8",
        hostname: "own-01",
        workspace: "production"
      })
      assert.deepStrictEqual(progress, [[0.25, "asked the provider"]])
      const server = yield* inventory.server("upc-own-01")
      assert.deepInclude(server, { hostname: "own-01", ipAddress: "192.0.2.8", status: "running", operation: "op-1" })
      assert.lengthOf(yield* inventory.servers, 1)
      assert.strictEqual(
        yield* read("calls"),
        "9\nserver\ncreate\n--workspace=production\n--provider=upcloud\n--plan=2xCPU-4GB\n--hostname=own-01\n--tags=a,b\n--yes\n--out=json\n"
      )
      const variables = (yield* read("environment")).split("\n").map((line) => line.slice(0, line.indexOf("=")))
      // The shell adds its own.
      assert.sameMembers(
        variables.filter((name) => !["", "PWD", "OLDPWD", "SHLVL", "_"].includes(name)),
        ["PATH", "HOME"]
      )
    })
  )

  it.live("understands a result over several lines, and one that names nothing", () =>
    Effect.gen(function* () {
      const { create, run } = yield* start()
      assert.deepInclude(yield* run(create("op-1", "many-01")), { server_id: "upc-many", ip_address: "192.0.2.10" })
      const plain = yield* run(create("op-2", "plain-01"))
      assert.deepInclude(plain, { ip_address: "192.0.2.7", hostname: "plain-01" })
      assert.match(JSON.stringify(plain), /"server_id":"srv-[0-9a-z]{12}"/u)
    })
  )

  it.live("says how the program failed, and keeps a server that may be there to be deleted", () =>
    Effect.gen(function* () {
      const { create, fails, inventory, run } = yield* start()
      const cases = [
        ["fail-01", "command_failed", "provisioning server create: exit status 3: quota exceeded"],
        ["error-01", "command_failed", "provisioning server create: no such plan"],
        ["text-01", "invalid_result", "it ended well, but printed no JSON object"],
        ["odd-01", "invalid_result", "its server_id is none"],
        ["nowhere-01", "invalid_result", "its ip_address is none"]
      ] as const
      for (const [hostname, code, message] of cases) {
        const failed = yield* fails(create(`create ${hostname}`, hostname))
        assert.strictEqual(failed.code, code)
        assert.include(failed.message, message)
        const server = (yield* inventory.servers).find((each) => each.hostname === hostname)
        assert.strictEqual(server?.status, "failed", hostname)
        const again = yield* fails(create(`again ${hostname}`, hostname))
        assert.deepInclude(again, { code: "already_exists" })
        assert.include(again.message, "delete it first")
      }
      assert.deepStrictEqual((yield* fails(create("op-x", "fail-02"))).details, {
        exit_code: 3,
        signal: null,
        stderr: "quota exceeded"
      })
      const failed = (yield* inventory.servers)[1] ?? assert.fail()
      assert.strictEqual(failed.hostname, "error-01")
      // The program misbehaves by name, so one that behaves stands in: what is deleted is the row.
      yield* fails(operation("delete it", "server.delete", { server_id: failed.id }))
      assert.strictEqual((yield* inventory.server(failed.id))?.status, "failed")
      const text = (yield* inventory.servers).find(({ hostname }) => hostname === "text-01") ?? assert.fail()
      yield* run(operation("delete text", "server.delete", { server_id: text.id }))
      assert.isNull(yield* inventory.server(text.id))
    })
  )

  it.live("does not let two servers have one id", () =>
    Effect.gen(function* () {
      const { create, fails, inventory, run } = yield* start()
      yield* run(create("op-1", "twin-01"))
      const failed = yield* fails(create("op-2", "twin-02"))
      assert.deepInclude(failed, { code: "invalid_result", message: "its server_id, upc-twin, is another server's" })
      assert.deepStrictEqual(
        (yield* inventory.servers).map(({ hostname, status }) => [hostname, status]),
        [
          ["twin-01", "running"],
          ["twin-02", "failed"]
        ]
      )
    })
  )

  it.live("passes a dry run on and changes nothing", () =>
    Effect.gen(function* () {
      const { create, fails, inventory, read, run } = yield* start()
      const result = yield* run(create("op-1", "web-01", { check_mode: true }))
      assert.deepStrictEqual(result, {
        would: "do it",
        server_id: null,
        ip_address: null,
        hostname: "web-01",
        workspace: "production",
        check_mode: true
      })
      assert.include(yield* read("calls"), "--check\n--out=json\n")
      assert.notInclude(yield* read("calls"), "--yes")
      assert.lengthOf(yield* inventory.servers, 0)
      assert.lengthOf(yield* inventory.workspaces, 0)
      yield* run(create("op-2", "web-01"))
      assert.strictEqual((yield* fails(create("op-3", "web-01", { check_mode: true }))).code, "already_exists")
    })
  )

  it.live("puts a task service on servers that the inventory need not know", () =>
    Effect.gen(function* () {
      const { inventory, run } = yield* start()
      const input = { workspace: "production", name: "kubernetes", servers: ["web-01", "web-02"] }
      const made = yield* run(operation("op-1", "taskserv.create", input))
      const [taskserv] = yield* inventory.taskservs
      assert.deepStrictEqual(made, { ...input, taskserv_id: taskserv?.id ?? "", name: "kubernetes" })
      yield* run(operation("op-2", "taskserv.delete", { workspace: "production", name: "kubernetes" }))
      assert.lengthOf(yield* inventory.taskservs, 0)
    })
  )

  it.effect("leaves nothing where nothing was begun", () =>
    Effect.gen(function* () {
      const notStarted = new OperationFailed({ code: "not_started", message: "no such program" })
      const { create, fails, inventory } = yield* start({ command: () => Effect.fail(notStarted) })
      assert.strictEqual((yield* fails(create("op-1", "web-01"))).code, "not_started")
      assert.lengthOf(yield* inventory.servers, 0)
    })
  )

  it.effect("leaves what was cancelled to be deleted, for nobody knows how far it was", () =>
    Effect.gen(function* () {
      const ended = new OperationFailed({ code: "cancelled", message: "cancelled" })
      const { cancel, create, fails, inventory } = yield* start({ command: () => Effect.fail(ended) })
      cancel("op-1")
      assert.strictEqual((yield* fails(create("op-1", "web-01"))).code, "cancelled")
      assert.deepInclude((yield* inventory.servers)[0], { hostname: "web-01", status: "failed" })
    })
  )

  it.effect("tells a call that took too long from one that failed", () =>
    Effect.gen(function* () {
      const late = ran("", { exit: { _tag: "Signaled", signal: "SIGTERM" }, timedOut: true })
      const { create, fails } = yield* start({ command: () => Effect.succeed(late) })
      const failed = yield* fails(create("op-1", "web-01"))
      assert.deepInclude(failed, {
        code: "timed_out",
        message: "provisioning server create: timed out after 300000 ms"
      })
    })
  )
})
