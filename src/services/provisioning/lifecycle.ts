/**
 * How a server or task service comes and goes, whichever it is and whoever provisions it:
 *
 *   hold      its row says "creating" or "deleting", of this operation; nobody else touches it from now on
 *   perform   the driver does it
 *   keep      the row says what is there now
 *   let go    where it was not done: the row is as it was, or says "failed" where something was begun
 *
 * Each step may be done again after a restart: what was held is in the operation's journal, what the driver did in the
 * journal or an operation of its own, and a row is only changed while it says that it is this operation's. A row is held by
 * one operation at a time; one whose operation has ended without letting it go is free for the next.
 *
 * Looks and changes of one step are not parted: `alone` lets one at a time through. Once the driver was asked, the store
 * is asked until it answers: an operation is not over before the inventory tells what came of it.
 */
import { createHash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { describeSchemaError } from "../describeSchemaError.ts"
import { isFinal, type Json, type Operation, OperationFailed } from "../operations/Operation.ts"
import type { Durable, OperationContext } from "../operations/OperationKinds.ts"
import type { OperationsUnavailable } from "../operations/Operations.ts"
import type { OperationStore } from "../operations/OperationStore.ts"
import type { Inventory, ProvisionStatus } from "./Inventory.ts"
import type { Done, Driver, DriverFailed, Order, Provisioner } from "./Provisioner.ts"

export interface Provisioning {
  readonly inventory: Inventory["Service"]
  readonly operations: Pick<OperationStore["Service"], "get">
  /** The one that is configured at the moment. */
  readonly driver: () => Driver
  readonly provisioners: Readonly<Record<Driver, Provisioner>>
  readonly alone: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
}

/** Servers or task services, as the steps see them. */
export interface Shelf {
  readonly change: (
    id: string,
    change: { readonly status: ProvisionStatus; readonly operation?: string },
    now: number
  ) => Effect.Effect<boolean, OperationsUnavailable>
  readonly remove: (id: string) => Effect.Effect<boolean, OperationsUnavailable>
}

interface Row {
  readonly id: string
  readonly status: ProvisionStatus
  readonly operation: string
}

type Found<R> = Effect.Effect<R | null, OperationsUnavailable>

export const fault = (code: string, message: string) => new OperationFailed({ code, message })

/** Checked again when its turn has come: not every request comes over HTTP, and a stored one may be an older daemon's. */
export const readInput =
  <A, E>(schema: Schema.Codec<A, E>) =>
  (input: unknown): Effect.Effect<A, OperationFailed> =>
    Effect.mapError(Schema.decodeUnknownEffect(schema)(input), (error) =>
      fault("invalid_input", describeSchemaError(error))
    )

/** Some 60 bits; from the operation, so that the row is found again whatever was lost. */
const idLength = 12

export const idOf = (prefix: "srv" | "tsk", operation: string): string => {
  const digest = createHash("sha256").update(operation).digest()
  return `${prefix}-${digest.readBigUInt64BE(0).toString(36).padStart(idLength, "0").slice(-idLength)}`
}

/** Before anything is begun: the operation fails, and may be asked for again. */
export const orUnavailable = <A>(
  effect: Effect.Effect<A, OperationFailed | OperationsUnavailable>
): Effect.Effect<A, OperationFailed> =>
  Effect.catchTag(effect, "OperationsUnavailable", (error) => Effect.fail(fault("unavailable", error.message)))

const patiently = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("10 seconds")])

export const settled = <A>(effect: Effect.Effect<A, OperationsUnavailable>): Effect.Effect<A> =>
  Effect.orDie(Effect.retry(effect, patiently))

/** The row for this operation alone, as it was before. */
export const claim = <R extends Row>(
  { operations }: Provisioning,
  shelf: Shelf,
  operation: Operation,
  find: Found<R>,
  what: string
): Effect.Effect<R, OperationFailed | OperationsUnavailable> =>
  Effect.gen(function* () {
    const row = yield* find
    if (row === null) return yield* fault("not_found", `there is no ${what}`)
    if (row.operation !== operation.id && (row.status === "creating" || row.status === "deleting")) {
      const holder = yield* operations.get(row.operation)
      if (holder !== null && !isFinal(holder.status)) {
        return yield* fault("conflict", `${what}: operation ${row.operation} has it (${row.status})`)
      }
    }
    yield* shelf.change(row.id, { status: "deleting", operation: operation.id }, yield* Clock.currentTimeMillis)
    return row
  })

/** If the row is still this operation's; to null: it is removed. */
export const move = <R extends Row>(
  { alone }: Provisioning,
  shelf: Shelf,
  operation: Operation,
  find: Found<R>,
  from: ProvisionStatus,
  to: ProvisionStatus | null
): Effect.Effect<void> =>
  settled(
    alone(
      Effect.gen(function* () {
        const row = yield* find
        if (row === null || row.operation !== operation.id || row.status !== from) return
        if (to === null) yield* shelf.remove(row.id)
        else yield* shelf.change(row.id, { status: to }, yield* Clock.currentTimeMillis)
      })
    )
  )

/** What is held when somebody removes it; of one whose holder had ended, or that is not known any more, something may be left. */
export const statusBefore = (row: Row | null): ProvisionStatus => (row?.status === "running" ? "running" : "failed")

/** What a driver does, between what the inventory tells before and after. */
export const carryOut = <Held>(steps: {
  readonly hold: Effect.Effect<Held, OperationFailed, Durable>
  readonly perform: (held: Held) => Effect.Effect<Done, DriverFailed, Durable>
  readonly keep: (held: Held, done: Done) => Effect.Effect<Json, OperationFailed, Durable>
  /** Null: nobody knows whether it was held. */
  readonly letGo: (held: Held | null, begun: boolean) => Effect.Effect<void, never, Durable>
}): Effect.Effect<Json, OperationFailed, Durable> =>
  Effect.gen(function* () {
    const held = yield* Effect.tapError(steps.hold, () => steps.letGo(null, false))
    const done = yield* Effect.catchTag(steps.perform(held), "DriverFailed", (failed) =>
      Effect.andThen(steps.letGo(held, failed.begun), Effect.fail(failed.fault))
    )
    return yield* steps.keep(held, done)
  })

/** Who does it and by what, decided once: a restart may bring another configuration. */
export const chosen = ({ driver, provisioners }: Provisioning, tag: Order["_tag"]) => {
  const name = driver()
  return { driver: name, means: provisioners[name].means(tag) }
}

/** A dry run: what the driver says would be done. */
export const rehearse = (
  { driver, provisioners }: Provisioning,
  order: Order,
  context: OperationContext
): Effect.Effect<Done, OperationFailed, Durable> =>
  Effect.catchTag(provisioners[driver()].rehearse(order, context), "DriverFailed", (failed) =>
    Effect.fail(failed.fault)
  )
