/** Provisioning as the actor Operations runs it: in its turn, cancelled, and with a daemon that is killed meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Queue from "effect/Queue"
import { load } from "../../src/services/config/ConfigFile.ts"
import type { Config } from "../../src/services/config/Config.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import { makeProvisioningKinds } from "../../src/services/provisioning/provisioningKinds.ts"
import { makeMemoryOperations } from "../harness/memoryOperations.ts"
import { asking, kindOf, startOperations } from "../harness/operationsUnderTest.ts"
import { steppedInventory } from "../harness/steppedInventory.ts"
import { exited } from "../services/commands/support.ts"

const input = { workspace: "production", provider: "upcloud", plan: "2xCPU-4GB", hostname: "web-01" }
const create = asking("server.create", "production/web-01", { input })
const removal = asking("server.delete", "production/web-01", { input: { workspace: "production", hostname: "web-01" } })

const soon = Duration.seconds(30)

/** A machine: what is stored outlives the daemons that are started on it. */
const machine = Effect.fnUntraced(function* (provisioning: Partial<Config["provisioning"]>) {
  const { config } = yield* load(undefined, {})
  const memory = makeMemoryOperations()
  const inventory = yield* steppedInventory()
  let actions = 0
  const current = CurrentConfig.layer({ ...config, provisioning: { ...config.provisioning, ...provisioning } })
  const start = Effect.gen(function* () {
    const kinds = makeProvisioningKinds({
      config: yield* Effect.provide(CurrentConfig, current),
      inventory,
      operations: memory.store,
      environment: { PATH: "/bin" }
    })
    /** In place of the actions: a command, as theirs is. */
    const action = kindOf("action", ({ name }, context) =>
      Effect.suspend(() => {
        actions += 1
        const grace = Duration.seconds(1)
        const limits = { timeout: soon, outputGrace: grace, killGrace: grace, concurrency: 1 }
        return Effect.map(
          context.command(
            { name, argv: [name], env: {}, headBytes: 1000, tailBytes: 1000, ...limits },
            { again: false }
          ),
          ({ stdout }) => ({ stdout: { head: stdout.head, tail: stdout.tail } })
        )
      })
    )
    return yield* startOperations({ memory, kinds: [...kinds, action] })
  })
  const rows = Effect.map(inventory.servers, (all) => all.map(({ hostname, id, status }) => [hostname, id, status]))
  return { start, rows, inventory, actions: () => actions }
})

const cli = { driver: "cli", cli_path: "/opt/provisioning" } as const
const templates = { templates: { server_create: "make", server_delete: "unmake" } }

type Daemon = Effect.Success<ReturnType<typeof startOperations>>

/** The command that was started last ends with this. */
const ends = Effect.fnUntraced(function* ({ started }: Daemon, stdout: string, code = 0) {
  const process = yield* started
  process.finishOutput(stdout)
  process.disband()
  process.end(exited(code))
  return process.spec.argv
})

describe("a server", () => {
  it.effect("is made by the program and deleted by it, and its operation says so", () =>
    Effect.gen(function* () {
      const { rows, start } = yield* machine(cli)
      const daemon = yield* start
      const { operation } = yield* daemon.operations.submit(create)
      const argv = yield* ends(daemon, '{"server_id":"upc-1","ip_address":"192.0.2.1"}\n')
      assert.deepStrictEqual(argv.slice(0, 3), ["/opt/provisioning", "server", "create"])
      const made = yield* daemon.operations.wait(operation.id, soon)
      assert.deepStrictEqual(
        [made.status, made.result],
        ["completed", { server_id: "upc-1", ip_address: "192.0.2.1", hostname: "web-01", workspace: "production" }]
      )
      assert.deepStrictEqual(yield* rows, [["web-01", "upc-1", "running"]])
      const gone = (yield* daemon.operations.submit(removal)).operation
      assert.include(yield* ends(daemon, ""), "--id=upc-1")
      assert.strictEqual((yield* daemon.operations.wait(gone.id, soon)).status, "completed")
      assert.deepStrictEqual(yield* rows, [])
    })
  )

  it.effect("whose daemon is killed while the program runs is not asked for twice, and can be deleted", () =>
    Effect.gen(function* () {
      const { rows, start } = yield* machine(cli)
      const first = yield* start
      const { operation } = yield* first.operations.submit(create)
      yield* first.started
      assert.strictEqual((yield* rows)[0]?.[2], "creating")
      yield* first.kill
      const second = yield* start
      const failed = yield* second.operations.wait(operation.id, soon)
      assert.deepStrictEqual([failed.status, failed.error?.code], ["failed", "interrupted_by_restart"])
      assert.strictEqual((yield* rows)[0]?.[2], "failed")
      const gone = (yield* second.operations.submit(removal)).operation
      // The first process that this daemon starts.
      assert.strictEqual((yield* ends(second, ""))[2], "delete")
      assert.strictEqual((yield* second.operations.wait(gone.id, soon)).status, "completed")
      assert.deepStrictEqual(yield* rows, [])
    })
  )

  it.effect("that is cancelled while the program runs is left to be deleted, and the program is ended", () =>
    Effect.gen(function* () {
      const { rows, start } = yield* machine(cli)
      const { operations, started } = yield* start
      const { operation } = yield* operations.submit(create)
      const process = yield* started
      const cancelling = yield* Effect.forkChild(operations.cancel(operation.id, "mara"), { startImmediately: true })
      assert.strictEqual(yield* Queue.take(process.signals), "SIGTERM")
      process.finishOutput("")
      process.disband()
      process.end({ _tag: "Signaled", signal: "SIGTERM" })
      assert.isTrue((yield* Fiber.join(cancelling)).accepted)
      assert.strictEqual((yield* operations.wait(operation.id, soon)).status, "cancelled")
      assert.strictEqual((yield* rows)[0]?.[2], "failed")
    })
  )

  it.effect("is made by one run of its template, though the daemon is killed while that waits for its end", () =>
    Effect.gen(function* () {
      const { actions, rows, start } = yield* machine(templates)
      const first = yield* start
      const { operation } = yield* first.operations.submit(create)
      yield* first.started
      yield* first.kill
      const second = yield* start
      const failed = yield* second.operations.wait(operation.id, soon)
      assert.deepStrictEqual([failed.status, failed.error?.code], ["failed", "template_failed"])
      assert.deepInclude(failed.error?.details, { action: "make", error: "interrupted_by_restart" })
      assert.strictEqual((yield* rows)[0]?.[2], "failed")
      // Once for each daemon, and the second asks the journal.
      assert.strictEqual(actions(), 2)
    })
  )

  it.effect("that is cancelled while its template runs is taken back by the one that deletes", () =>
    Effect.gen(function* () {
      const { rows, start } = yield* machine(templates)
      const daemon = yield* start
      const { operation } = yield* daemon.operations.submit(create)
      const process = yield* daemon.started
      yield* Effect.forkChild(daemon.operations.cancel(operation.id, "mara"), { startImmediately: true })
      assert.strictEqual(yield* Queue.take(process.signals), "SIGTERM")
      process.finishOutput("")
      process.disband()
      process.end({ _tag: "Signaled", signal: "SIGTERM" })
      assert.deepStrictEqual(yield* ends(daemon, ""), ["unmake"])
      assert.strictEqual((yield* daemon.operations.wait(operation.id, soon)).status, "cancelled")
      assert.deepStrictEqual(yield* rows, [])
    })
  )
})
