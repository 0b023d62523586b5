import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { NewOperation, Operation } from "../../../src/services/operations/Operation.ts"
import { makeWorld, operation, type WorldOptions } from "./support.ts"

const asked = (hostname: string, rest: object = {}) => ({
  workspace: "production",
  provider: "upcloud",
  plan: "2xCPU-4GB",
  hostname,
  zone: "de-fra1",
  tags: ["web", "production"],
  ...rest
})

const create = (id: string, hostname: string, rest: object = {}) =>
  operation(id, "server.create", asked(hostname, rest))

const taskserv = (id: string, servers: ReadonlyArray<string>, rest: object = {}) =>
  operation(id, "taskserv.create", { workspace: "production", name: "kubernetes", servers, ...rest })

/** Actions as templates; what they are asked is kept, and their end is as told. */
const withTemplates = Effect.fnUntraced(function* (ends: Readonly<Record<string, Partial<Operation>>> = {}) {
  const children: Array<Pick<NewOperation, "kind" | "name" | "input">> = []
  const options: WorldOptions = {
    config: `
[provisioning.templates]
server_create = "make"
server_delete = "unmake"
[actions.make]
command = "true"
args = [{ name = "workspace" }, { name = "hostname" }, { name = "ip_address" }, { name = "tags" }, { name = "check_mode", type = "bool" }, { name = "own", default = "x" }]
[actions.unmake]
command = "true"
args = [{ name = "server_id" }]
`,
    child: (child) => {
      children.push(child)
      return ends[child.name] ?? {}
    }
  }
  return { ...(yield* makeWorld(options)), children }
})

const printed = (stdout: string): Partial<Operation> => ({ result: { stdout: { head: stdout, tail: "" } } })

describe("the builtin driver", () => {
  it.effect("gives servers the lowest addresses that are free, and takes them back", () =>
    Effect.gen(function* () {
      const { fails, inventory, run } = yield* makeWorld({ config: '[provisioning]\nnetwork = "10.9.0.0/30"\n' })
      const first = yield* run(create("op-1", "web-01"))
      assert.deepInclude(first, { ip_address: "10.9.0.1", hostname: "web-01", workspace: "production" })
      assert.deepInclude(yield* run(create("op-2", "web-02")), { ip_address: "10.9.0.2" })
      const full = yield* fails(create("op-3", "web-03"))
      assert.deepInclude(full, {
        code: "no_address",
        message: "every address of provisioning.network, 10.9.0.0/30, is taken"
      })
      yield* run(operation("op-4", "server.delete", { workspace: "production", hostname: "WEB-01" }))
      assert.deepInclude(yield* run(create("op-5", "web-03")), { ip_address: "10.9.0.1" })
      assert.deepStrictEqual(
        (yield* inventory.servers).map(({ hostname, status, tags, zone }) => [hostname, status, zone, tags]),
        [
          ["web-02", "running", "de-fra1", ["web", "production"]],
          ["web-03", "running", "de-fra1", ["web", "production"]]
        ]
      )
      assert.deepStrictEqual(
        (yield* inventory.workspaces).map(({ name }) => name),
        ["production"]
      )
    })
  )

  it.effect("gives no two servers one address, however many are made at once", () =>
    Effect.gen(function* () {
      const { inventory, run } = yield* makeWorld()
      yield* Effect.forEach(
        Array.from({ length: 50 }, (_, index) => create(`op-${index}`, `web-${index}`)),
        run,
        { concurrency: "unbounded" }
      )
      const addresses = (yield* inventory.servers).map(({ ipAddress }) => ipAddress)
      assert.strictEqual(new Set(addresses).size, 50)
    })
  )

  it.effect("lets one of two that ask for the same server have it", () =>
    Effect.gen(function* () {
      const { inventory, run } = yield* makeWorld()
      const ends = yield* Effect.forEach([1, 2, 3], (n) => Effect.exit(run(create(`op-${n}`, "web-01"))), {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(
        ends.map(({ _tag }) => _tag),
        ["Success", "Failure", "Failure"]
      )
      assert.lengthOf(yield* inventory.servers, 1)
    })
  )

  it.effect("runs templates with what they declare, and takes an address that one prints last", () =>
    Effect.gen(function* () {
      const { children, inventory, run } = yield* withTemplates({
        make: printed('booting\n{"ip_address":"192.0.2.50","extra":1}\n')
      })
      const made = yield* run(create("op-1", "web-01"))
      const [server] = yield* inventory.servers
      assert.deepStrictEqual(made, {
        server_id: server?.id ?? "",
        ip_address: "192.0.2.50",
        hostname: "web-01",
        workspace: "production"
      })
      assert.deepInclude(server, { ipAddress: "192.0.2.50", status: "running" })
      yield* run(operation("op-2", "server.delete", { server_id: server?.id ?? "" }))
      assert.deepStrictEqual(children, [
        {
          kind: "action",
          name: "make",
          input: {
            args: {
              workspace: "production",
              hostname: "web-01",
              ip_address: "10.0.0.1",
              tags: "web,production",
              check_mode: "false"
            }
          }
        },
        { kind: "action", name: "unmake", input: { args: { server_id: server?.id ?? "" } } }
      ])
      assert.lengthOf(yield* inventory.servers, 0)
    })
  )

  it.effect("says which action failed, and keeps the server to be deleted", () =>
    Effect.gen(function* () {
      const error = { code: "command_failed", message: "exit status 2", details: { exit_code: 2 } }
      const { children, fails, inventory, operations, run } = yield* withTemplates({
        make: { status: "failed", error }
      })
      const failed = yield* fails(create("op-1", "web-01"))
      assert.deepInclude(failed, { code: "template_failed", message: "action make: exit status 2" })
      const child = [...operations.values()].find(({ kind }) => kind === "action")
      assert.deepStrictEqual(failed.details, {
        action: "make",
        operation: child?.id ?? "",
        error: "command_failed",
        exit_code: 2
      })
      const [server] = yield* inventory.servers
      assert.strictEqual(server?.status, "failed")
      assert.lengthOf(children, 1)
      yield* run(operation("op-2", "server.delete", { server_id: server?.id ?? "" }))
      assert.lengthOf(yield* inventory.servers, 0)
    })
  )

  it.effect("takes back what a cancelled create has begun", () =>
    Effect.gen(function* () {
      const { cancel, children, fails, inventory } = yield* withTemplates({ make: { status: "cancelled" } })
      cancel("op-1")
      assert.strictEqual((yield* fails(create("op-1", "web-01"))).code, "cancelled")
      assert.deepStrictEqual(
        children.map(({ name }) => name),
        ["make", "unmake"]
      )
      assert.lengthOf(yield* inventory.servers, 0)
    })
  )

  it.effect("keeps it where it cannot be taken back", () =>
    Effect.gen(function* () {
      const { cancel, fails, inventory, said } = yield* withTemplates({
        make: { status: "cancelled" },
        unmake: { status: "failed", error: { code: "command_failed", message: "exit status 1" } }
      })
      cancel("op-1")
      yield* fails(create("op-1", "web-01"))
      assert.strictEqual((yield* inventory.servers)[0]?.status, "failed")
      assert.include(said.join("\n"), "not undone: action unmake: exit status 1")
    })
  )

  it.effect("leaves nothing of a template that never began", () =>
    Effect.gen(function* () {
      const { cancel, children, fails, inventory } = yield* withTemplates({
        make: { status: "cancelled", startedAt: null }
      })
      cancel("op-1")
      yield* fails(create("op-1", "web-01"))
      assert.lengthOf(children, 1)
      assert.lengthOf(yield* inventory.servers, 0)
    })
  )

  it.effect("refuses an address that is none, and leaves nothing of an action that was not run", () =>
    Effect.gen(function* () {
      const odd = yield* withTemplates({ make: printed('{"ip_address":"; rm -rf /"}') })
      assert.strictEqual((yield* odd.fails(create("op-1", "web-01"))).code, "invalid_result")
      const error = { code: "invalid_input", message: 'argument "size": found nothing' }
      const refused = yield* withTemplates({ make: { status: "failed", error } })
      assert.strictEqual((yield* refused.fails(create("op-1", "web-01"))).code, "template_failed")
      assert.lengthOf(yield* refused.inventory.servers, 0)
    })
  )

  it.effect("changes nothing in a dry run, and says what is wrong", () =>
    Effect.gen(function* () {
      const { children, fails, inventory, run } = yield* withTemplates()
      const dry = { check_mode: true }
      assert.deepStrictEqual(yield* run(create("op-1", "web-01", dry)), {
        template: "make",
        server_id: null,
        ip_address: "10.0.0.1",
        hostname: "web-01",
        workspace: "production",
        check_mode: true
      })
      assert.strictEqual((yield* fails(taskserv("op-2", ["web-01"], dry))).code, "not_found")
      assert.deepStrictEqual([children.length, (yield* inventory.workspaces).length], [0, 0])
      yield* run(create("op-3", "web-01"))
      assert.strictEqual((yield* fails(create("op-4", "web-01", dry))).code, "already_exists")
      assert.deepInclude(yield* run(taskserv("op-5", ["web-01"], dry)), { taskserv_id: null, template: null })
      const [server] = yield* inventory.servers
      yield* run(operation("op-6", "server.delete", { server_id: server?.id ?? "", ...dry }))
      assert.deepStrictEqual((yield* inventory.servers)[0], server)
      assert.lengthOf(yield* inventory.taskservs, 0)
    })
  )
})

describe("task services", () => {
  it.effect("go on servers that run, and keep them from being deleted", () =>
    Effect.gen(function* () {
      const { fails, inventory, run } = yield* makeWorld()
      assert.deepInclude(yield* fails(taskserv("op-1", ["web-01", "web-02"])), {
        code: "not_found",
        message: "there is no server production/web-01"
      })
      yield* run(create("op-2", "web-01"))
      yield* run(create("op-3", "web-02"))
      const made = yield* run(taskserv("op-4", ["WEB-01", "web-02"]))
      const [there] = yield* inventory.taskservs
      assert.deepStrictEqual(made, {
        taskserv_id: there?.id ?? "",
        name: "kubernetes",
        workspace: "production",
        servers: ["web-01", "web-02"]
      })
      assert.match(there?.id ?? "", /^tsk-[0-9a-z]{12}$/u)
      const [server] = yield* inventory.servers
      const refused = yield* fails(operation("op-5", "server.delete", { server_id: server?.id ?? "" }))
      assert.deepInclude(refused, { code: "conflict" })
      assert.include(refused.message, "the task service kubernetes")
      assert.strictEqual((yield* inventory.servers)[0]?.status, "running")
      yield* run(operation("op-6", "taskserv.delete", { taskserv_id: there?.id ?? "" }))
      yield* run(operation("op-7", "server.delete", { server_id: server?.id ?? "" }))
      assert.lengthOf(yield* inventory.servers, 1)
    })
  )

  it.effect("that are not there cannot be deleted, and what is asked for wrongly is not done", () =>
    Effect.gen(function* () {
      const { fails } = yield* makeWorld()
      for (const [kind, input, code] of [
        ["taskserv.delete", { taskserv_id: "tsk-nobody" }, "not_found"],
        ["server.delete", { server_id: "srv-nobody" }, "not_found"],
        ["server.delete", { workspace: "production", hostname: "nobody" }, "not_found"],
        ["server.delete", {}, "invalid_input"],
        ["server.create", { ...asked("web-01"), plan: "; reboot" }, "invalid_input"],
        ["server.create", [], "invalid_input"],
        ["taskserv.create", { workspace: "production", name: "k", servers: [] }, "invalid_input"]
      ] as const) {
        assert.strictEqual((yield* fails(operation(`${kind} ${code}`, kind, input))).code, code, kind)
      }
    })
  )
})
