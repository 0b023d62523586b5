import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as IdentityKeeper from "../../src/actors/IdentityKeeper.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { Audit, type AuditEntry, AuditFailed } from "../../src/services/audit/Audit.ts"
import { actOf } from "../../src/cli/consoleActs.ts"
import type { ConsoleAct } from "../../src/services/identity/ConsoleNotes.ts"
import { IdentityStore } from "../../src/services/identity/IdentityStore.ts"
import { IdentityFile } from "../../src/services/storage/identity/IdentityFile.ts"
import { inMemory } from "../../src/services/storage/databaseFile.ts"
import { IdentityView } from "../../src/services/storage/identity/IdentityView.ts"
import { IdentityStorage } from "../../src/services/storage/IdentityStorage.ts"
import { storageOver } from "../../src/services/storage/IdentityStorageHere.ts"
import * as StoredIdentities from "../../src/services/identity/StoredIdentities.ts"
import { stepped } from "../harness/steppedClock.ts"
import { makeKillable, ways } from "../harness/killable.ts"
import { userOf } from "../services/identity/rows.ts"

/** A store that the console changes and the daemon keeps, and an audit log that fails when told to. */
const begin = Effect.gen(function* () {
  const file = new IdentityFile(inMemory)
  const over = (who: string | undefined) =>
    StoredIdentities.layer.pipe(
      Layer.provide(
        Layer.effect(
          IdentityStorage,
          storageOver(inMemory, file, new IdentityView(inMemory, () => 0), (command) => {
            const act = who === undefined ? undefined : actOf(command)
            if (act === undefined) return undefined
            const whole: ConsoleAct = { at: 77, who: `console:${who}`, ...act }
            return JSON.stringify(whole)
          })
        )
      ),
      Layer.fresh
    )
  const entries: Array<AuditEntry> = []
  const control: { fails: boolean; hold: Effect.Effect<void> } = { fails: false, hold: Effect.void }
  const audit = Layer.mock(Audit, {
    record: () => {},
    degraded: () => undefined,
    stats: () => ({ recorded: 0, summed: 0, failed: 0 }),
    durably: (some) =>
      Effect.andThen(
        Effect.suspend(() => control.hold),
        Effect.suspend(() => {
          if (control.fails) return Effect.fail(new AuditFailed({ reason: "no room", full: true }))
          entries.push(...some)
          return Effect.void
        })
      )
  })
  const console = Context.get(yield* Layer.build(over("root")), IdentityStore)
  const daemon = over(undefined)
  return { audit, console, control, daemon, entries, file }
})

describe("the keeper of the identity store", () => {
  it.effect("takes what the console did into the audit log, in order, once", () =>
    Effect.gen(function* () {
      const { audit, console, daemon, entries } = yield* begin
      yield* console.createUser(userOf("ann", { roles: ["admin"] }))
      yield* console.changeUser("ann", { disabled: true, endSessions: true }, 1)
      // What changes nothing leaves no note.
      yield* Effect.flip(console.deleteUser("bob", 1))
      for (let i = 0; i < 150; i++) yield* console.createUser(userOf(`u${i}`))
      yield* Layer.build(IdentityKeeper.layer.pipe(Layer.provide([audit, daemon, Supervisor.layer])))
      yield* TestClock.adjust("1 second")
      const [first, second] = entries
      assert.deepStrictEqual(first, {
        kind: "socket",
        address: "",
        listener: "console",
        requestId: undefined,
        action: "user.created",
        outcome: "succeeded",
        who: "console:root",
        on: "ann",
        detail: "roles: admin",
        credential: undefined,
        atMs: 77
      })
      assert.deepStrictEqual([second?.action, second?.on, second?.detail], ["user.changed", "ann", "disabled"])
      assert.lengthOf(entries, 152)
      yield* console.deleteUser("ann", 2)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(entries.at(-1)?.action, "user.deleted")
      assert.lengthOf(entries, 153)
    })
  )

  it.effect("keeps them while the log refuses them", () =>
    Effect.gen(function* () {
      const { audit, console, control, daemon, entries } = yield* begin
      control.fails = true
      yield* console.createUser(userOf("ann"))
      yield* Layer.build(IdentityKeeper.layer.pipe(Layer.provide([audit, daemon, Supervisor.layer])))
      yield* TestClock.adjust("1 minute")
      assert.lengthOf(entries, 0)
      control.fails = false
      yield* TestClock.adjust("5 seconds")
      assert.lengthOf(entries, 1)
    })
  )

  it.effect("removes what has expired, but believes no step of the clock before an hour", () =>
    Effect.gen(function* () {
      const { audit, console, daemon } = yield* begin
      yield* TestClock.setTime(1_000_000_000_000)
      const day = 86_400_000
      yield* console.revokeAccess("soon", 1_000_000_030_000)
      yield* console.revokeAccess("later", 1_000_000_000_000 + 20 * day)
      let stepMs = 0
      const kept = yield* Layer.build(daemon)
      const keeper = IdentityKeeper.layer.pipe(Layer.provide([audit, Layer.succeedContext(kept), Supervisor.layer]))
      yield* stepped(() => stepMs, Layer.build(keeper))
      const revoked = Effect.map(Context.get(kept, IdentityStore).fresh, ({ revokedTokens }) => [...revokedTokens])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* revoked, ["soon", "later"])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* revoked, ["later"])
      stepMs = 30 * day
      yield* TestClock.adjust("50 minutes")
      assert.deepStrictEqual(yield* revoked, ["later"])
      yield* TestClock.adjust("20 minutes")
      assert.deepStrictEqual(yield* revoked, [])
    })
  )

  it.effect.each(ways)(
    "killed (%s) while it writes the log, it writes again what it does not know to be there",
    (way) =>
      Effect.gen(function* () {
        const { audit, console, control, daemon, entries } = yield* begin
        const killable = yield* makeKillable
        const reached = yield* Deferred.make<void>()
        control.hold = Effect.andThen(Deferred.succeed(reached, undefined), Effect.never)
        yield* console.createUser(userOf("ann"))
        yield* Layer.build(IdentityKeeper.layer.pipe(Layer.provide([audit, daemon, killable.layer])))
        yield* Deferred.await(reached)
        control.hold = Effect.void
        yield* killable.crash("IdentityKeeper", way)
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(
          entries.map(({ on }) => on),
          ["ann"]
        )
      })
  )
})
