/**
 * The kinds of operations that provision. What they do is loaded with the first of them: a daemon that provisions nothing
 * starts without it.
 *
 * All four are counted together (`provisioning.max_concurrent_operations`); one server or task service is created, or
 * deleted, by one operation at a time.
 */
import * as Effect from "effect/Effect"
import * as Semaphore from "effect/Semaphore"
import type { CurrentConfig } from "../config/CurrentConfig.ts"
import type { Json, Operation, OperationFailed } from "../operations/Operation.ts"
import type { Durable, OperationContext, OperationKind } from "../operations/OperationKinds.ts"
import type { OperationStore } from "../operations/OperationStore.ts"
import type { Inventory } from "./Inventory.ts"
import type { Provisioning } from "./lifecycle.ts"

export interface ProvisioningServices {
  readonly config: CurrentConfig["Service"]
  readonly inventory: Inventory["Service"]
  readonly operations: Pick<OperationStore["Service"], "get">
  /** The daemon's own. */
  readonly environment: Readonly<Record<string, string | undefined>>
}

type Run = (operation: Operation, context: OperationContext) => Effect.Effect<Json, OperationFailed, Durable>

export const makeProvisioningKinds = ({
  config,
  environment,
  inventory,
  operations
}: ProvisioningServices): ReadonlyArray<OperationKind> => {
  const limits: OperationKind["limits"] = () => ({
    group: "provisioning",
    concurrency: config.get().provisioning.max_concurrent_operations,
    perName: 1
  })

  let loaded: Promise<Readonly<Record<string, Run>>> | undefined
  const load = async () => {
    const [{ makeBuiltinProvisioner }, { makeCliProvisioner }, servers, taskservs] = await Promise.all([
      import("./BuiltinProvisioner.ts"),
      import("./CliProvisioner.ts"),
      import("./serverOperations.ts"),
      import("./taskservOperations.ts")
    ])
    const provisioning: Provisioning = {
      inventory,
      operations,
      driver: () => config.get().provisioning.driver,
      provisioners: {
        builtin: makeBuiltinProvisioner(config.get),
        cli: makeCliProvisioner(() => config.get().provisioning, environment)
      },
      alone: Semaphore.makeUnsafe(1).withPermits(1)
    }
    const runs: Readonly<Record<string, Run>> = {
      "server.create": servers.createServer(provisioning),
      "server.delete": servers.deleteServer(provisioning),
      "taskserv.create": taskservs.createTaskserv(provisioning),
      "taskserv.delete": taskservs.deleteTaskserv(provisioning)
    }
    return runs
  }

  const kind = (name: string): OperationKind => ({
    kind: name,
    limits,
    run: (operation, context) =>
      Effect.flatMap(
        Effect.promise(() => (loaded ??= load())),
        (runs) => {
          const run = runs[name]
          return run === undefined ? Effect.die(new Error(`${name} is not provided for`)) : run(operation, context)
        }
      )
  })

  return ["server.create", "server.delete", "taskserv.create", "taskserv.delete"].map(kind)
}
