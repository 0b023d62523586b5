/**
 * Each actor killed at each of its states, in each way that a fiber can end: what waits in its mailbox is kept, who asked
 * gets an answer, it runs again after its back-off, and the number of restarts and the reason are there to see. Where
 * restarts are limited, the supervisor gives up loudly.
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as CertificateReloader from "../../src/actors/CertificateReloader.ts"
import * as CommandExecutor from "../../src/actors/CommandExecutor.ts"
import * as ConfigReloader from "../../src/actors/ConfigReloader.ts"
import * as EventStore from "../../src/actors/EventStore.ts"
import * as LifeRecorder from "../../src/actors/LifeRecorder.ts"
import * as PipeReader from "../../src/actors/PipeReader.ts"
import * as Retention from "../../src/actors/Retention.ts"
import { BasicSecret } from "../../src/services/auth/BasicSecret.ts"
import { Executor } from "../../src/services/commands/Executor.ts"
import { load } from "../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import { EventLog, StoreFull } from "../../src/services/events/EventLog.ts"
import { Disk } from "../../src/services/files/Disk.ts"
import { StorageLost } from "../../src/services/storage/EventStorage.ts"
import { ServiceManager } from "../../src/services/systemd/ServiceManager.ts"
import { ServerCertificate } from "../../src/services/tls/ServerCertificate.ts"
import { startDaemon } from "../harness/daemon.ts"
import { runOf } from "../harness/events.ts"
import { makeFakeStorage } from "../harness/FakeStorage.ts"
import { makeKillable, type Way, ways } from "../harness/killable.ts"
import { mockEventLog, mockProcessLog } from "../harness/mocks.ts"
import { temporaryFolder } from "../harness/temporaryFolder.ts"
import { exited, makeFakeSpawner, script } from "../services/commands/support.ts"
import { makeFakeFifo, makeFakeLog, pipe } from "../services/fifo/support.ts"

const quiet = Effect.provideService(References.MinimumLogLevel, "None")

/** A place where work can be held: `reached` when somebody is there, `open` lets everyone through. */
const makeGate = Effect.gen(function* () {
  const reached = yield* Queue.unbounded<void>()
  const open = yield* Deferred.make<void>()
  return {
    pass: Effect.andThen(Queue.offer(reached, undefined), Deferred.await(open)),
    reached: Queue.take(reached),
    open: Deferred.succeed(open, undefined)
  }
})

/** What an asker hears whose message was in hand. */
const restarted = /EventStore.*restarted while it worked on this request/u

const inEachWay = (title: string, test: (way: Way) => Effect.Effect<void, unknown, Scope.Scope>) =>
  describe(title, () => {
    it.effect.each(ways)("by %s", (way) => quiet(test(way)))
  })

describe("EventStore killed", () => {
  const begin = Effect.gen(function* () {
    const killable = yield* makeKillable
    const storage = makeFakeStorage()
    const scope = yield* Scope.fork(yield* Effect.scope)
    const layer = EventStore.layer({ recent: { events: 100, bytes: 1024 * 1024 } })
    const context = yield* Layer.buildWithScope(
      Layer.fresh(layer.pipe(Layer.provide([storage.layer, killable.layer]))),
      scope
    )
    const log = Context.get(context, EventLog)
    const append = (message: string) => log.append([runOf([message])])
    const stored = () => storage.events.map(({ message }) => message)
    return { ...killable, storage, log, append, stored, stop: Scope.close(scope, Exit.void) }
  })

  inEachWay("while it waits for work", (way) =>
    Effect.gen(function* () {
      const { append, crash, stored } = yield* begin
      yield* append("before")
      const { lastFailure, restarts } = yield* crash("EventStore", way)
      assert.strictEqual(restarts, 1)
      assert.include(lastFailure, way === "interrupt" ? "nterrupted" : "killed by the test")
      assert.deepStrictEqual(yield* append("after"), { first: 2, last: 2 })
      assert.deepStrictEqual(stored(), ["before", "after"])
    })
  )

  inEachWay("with a message in hand and nothing of it stored", (way) =>
    Effect.gen(function* () {
      const { append, crash, storage, stored } = yield* begin
      const gate = yield* makeGate
      storage.beforeStore = gate.pass
      const inHand = yield* Effect.forkChild(Effect.flip(append("in hand")))
      yield* gate.reached
      const waiting = yield* Effect.forkChild(append("waiting"))
      yield* TestClock.adjust("1 milli")
      storage.beforeStore = Effect.void
      yield* crash("EventStore", way)
      assert.match((yield* Fiber.join(inHand)).message, restarted)
      assert.deepStrictEqual(yield* Fiber.join(waiting), { first: 1, last: 1 })
      assert.deepStrictEqual(stored(), ["waiting"])
    })
  )

  inEachWay("when a message is stored and its asker not told", (way) =>
    Effect.gen(function* () {
      const { append, crash, log, storage, stored } = yield* begin
      const gate = yield* makeGate
      storage.afterStore = gate.pass
      const inHand = yield* Effect.forkChild(Effect.flip(append("in hand")))
      yield* gate.reached
      const waiting = yield* Effect.forkChild(append("waiting"))
      yield* TestClock.adjust("1 milli")
      storage.afterStore = Effect.void
      yield* crash("EventStore", way)
      assert.match((yield* Fiber.join(inHand)).message, restarted)
      assert.deepStrictEqual(yield* Fiber.join(waiting), { first: 2, last: 2 })
      assert.deepStrictEqual(stored(), ["in hand", "waiting"])
      assert.strictEqual(log.recent.last, 2)
    })
  )

  inEachWay("while it reads back at its restart", (way) =>
    Effect.gen(function* () {
      const { append, kill, runsAgain, storage, stored } = yield* begin
      const gate = yield* makeGate
      storage.beforeRead = gate.pass
      yield* kill("EventStore", way)
      yield* Effect.raceFirst(gate.reached, Effect.forever(TestClock.adjust("100 millis")))
      yield* kill("EventStore", way)
      storage.beforeRead = Effect.void
      assert.strictEqual((yield* runsAgain("EventStore", 2)).restarts, 2)
      yield* append("after")
      assert.deepStrictEqual(stored(), ["after"])
    })
  )

  inEachWay("takes what comes during the back-off, and stores it once it is back", (way) =>
    Effect.gen(function* () {
      const { append, kill, statusOf, storage, stored } = yield* begin
      storage.beforeRead = Effect.fail(new StorageLost({ reason: "gone" }))
      yield* kill("EventStore", way)
      while ((yield* statusOf("EventStore")).restarts < 3) yield* TestClock.adjust("100 millis")
      const waiting = yield* Effect.forkChild(append("waiting"))
      yield* TestClock.adjust("1 milli")
      while ((yield* statusOf("EventStore")).state !== "backing-off") yield* TestClock.adjust("100 millis")
      assert.strictEqual((yield* statusOf("EventStore")).mailbox?.depth, 1)
      storage.beforeRead = Effect.void
      yield* Effect.raceFirst(Fiber.await(waiting), Effect.forever(TestClock.adjust("1 second")))
      assert.deepStrictEqual(stored(), ["waiting"])
    })
  )

  inEachWay("during the stop holds it up no longer than its deadline", (way) =>
    Effect.gen(function* () {
      const { append, kill, stop, storage } = yield* begin
      const gate = yield* makeGate
      storage.beforeStore = gate.pass
      const inHand = yield* Effect.forkChild(Effect.flip(append("in hand")))
      yield* gate.reached
      const stopping = yield* Effect.forkChild(stop)
      yield* TestClock.adjust("1 milli")
      yield* kill("EventStore", way)
      assert.match((yield* Fiber.join(inHand)).message, restarted)
      yield* TestClock.adjust("6 seconds")
      yield* Fiber.join(stopping)
    })
  )
})

describe("CommandExecutor killed", () => {
  const begin = Effect.gen(function* () {
    const killable = yield* makeKillable
    const fake = yield* makeFakeSpawner
    const context = yield* Layer.build(
      Layer.fresh(CommandExecutor.layer.pipe(Layer.provide([fake.layer, killable.layer])))
    )
    yield* Effect.addFinalizer(() => fake.endAll)
    const executor = Context.get(context, Executor)
    const run = (name: string) =>
      executor.run({
        ...script(name),
        name,
        timeout: Duration.hours(1),
        outputGrace: Duration.millis(100),
        killGrace: Duration.seconds(2),
        concurrency: 1,
        queueLength: 4,
        onAbandon: "continue",
        who: "test"
      })
    const end = Effect.map(Queue.take(fake.started), (command) => {
      command.finishOutput("")
      command.disband()
      command.end(exited(0))
    })
    return { ...killable, run, started: Queue.take(fake.started), end }
  })

  inEachWay("while it waits for work", (way) =>
    Effect.gen(function* () {
      const { crash, end, run } = yield* begin
      assert.strictEqual((yield* crash("CommandExecutor", way)).restarts, 1)
      const ran = yield* Effect.forkChild(run("after"))
      yield* end
      assert.deepStrictEqual((yield* Fiber.join(ran)).exit, exited(0))
    })
  )

  inEachWay("loses neither the command that runs nor the one that waits for its turn", (way) =>
    Effect.gen(function* () {
      const { crash, end, run, started } = yield* begin
      const first = yield* Effect.forkChild(run("one"))
      const running = yield* started
      const second = yield* Effect.forkChild(run("one"))
      yield* TestClock.adjust("1 milli")
      yield* crash("CommandExecutor", way)
      running.finishOutput("")
      running.disband()
      running.end(exited(0))
      assert.deepStrictEqual((yield* Fiber.join(first)).exit, exited(0))
      yield* end
      assert.deepStrictEqual((yield* Fiber.join(second)).exit, exited(0))
    })
  )

  inEachWay("more than ten times in a minute is given up, which ends the daemon", (way) =>
    Effect.gen(function* () {
      const { crash, kill, statusOf, supervisor } = yield* begin
      for (let n = 0; n < 10; n++) yield* crash("CommandExecutor", way)
      yield* kill("CommandExecutor", way)
      const gaveUp = yield* Effect.flip(supervisor.join)
      assert.match(gaveUp.message, /^gave up on CommandExecutor after 10 restarts: /u)
      assert.strictEqual((yield* statusOf("CommandExecutor")).state, "failed")
    })
  )
})

describe("pipe killed", () => {
  const begin = Effect.gen(function* () {
    const killable = yield* makeKillable
    const fifo = yield* makeFakeFifo
    const log = yield* makeFakeLog
    yield* Layer.build(
      Layer.fresh(PipeReader.layerNoDeps([pipe("fake")]).pipe(Layer.provide([fifo.layer, log.layer, killable.layer])))
    )
    yield* fifo.opened
    yield* fifo.resumed
    return { ...killable, fifo, log }
  })

  inEachWay("while it reads: an unfinished line and what is left in the FIFO are kept, and it is opened again", (way) =>
    Effect.gen(function* () {
      const { crash, fifo, log } = yield* begin
      fifo.write("whole\nunfinished")
      fifo.left = " but for this\nleft"
      yield* crash("pipe:test", way)
      yield* fifo.opened
      yield* fifo.resumed
      fifo.write("after\n")
      assert.deepStrictEqual(yield* log.take(4), ["whole", "unfinished but for this", "left", "after"])
    })
  )

  inEachWay("while the log refuses its lines: they are stored in order once it takes them", (way) =>
    Effect.gen(function* () {
      const { crash, fifo, log } = yield* begin
      log.before = Effect.fail(new StoreFull({ reason: "no space left on device" }))
      fifo.write("one\n")
      yield* Queue.take(log.asked)
      fifo.write("two\n")
      yield* crash("pipe:test", way)
      yield* fifo.opened
      fifo.write("three\n")
      log.before = Effect.void
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* log.take(3), ["one", "two", "three"])
    })
  )

  inEachWay("again and again while it cannot open the FIFO never ends the daemon", (way) =>
    Effect.gen(function* () {
      const { fifo, kill, runsAgain, statusOf } = yield* begin
      fifo.broken = "cannot open it: too many open files"
      yield* kill("pipe:test", way)
      while ((yield* statusOf("pipe:test")).restarts < 20) yield* TestClock.adjust("1 second")
      fifo.broken = undefined
      yield* Effect.raceFirst(fifo.opened, Effect.forever(TestClock.adjust("1 second")))
      yield* runsAgain("pipe:test", 20)
    })
  )
})

describe("certificate killed", () => {
  const begin = Effect.gen(function* () {
    yield* TestClock.setTime(Date.UTC(2026, 10, 22))
    const killable = yield* makeKillable
    const folder = yield* temporaryFolder
    let reading: Effect.Effect<void> = Effect.void
    const disk = Layer.effect(
      Disk,
      Effect.map(Disk, (real) =>
        Disk.of({
          ...real,
          stat: (path) =>
            Effect.andThen(
              Effect.suspend(() => reading),
              real.stat(path)
            )
        })
      )
    ).pipe(Layer.provide(Disk.layer))
    const files = {
      certPath: join(folder, "cert.pem"),
      keyPath: join(folder, "key.pem"),
      createIfMissing: true,
      hosts: []
    }
    const context = yield* Layer.build(
      Layer.fresh(CertificateReloader.layer(files).pipe(Layer.provide([disk, killable.layer, mockEventLog({})])))
    )
    const hold = (by: Effect.Effect<void>) => {
      reading = by
    }
    return {
      ...killable,
      name: `certificate:${files.certPath}`,
      certificate: Context.get(context, ServerCertificate),
      hold
    }
  })

  inEachWay("while it waits: the certificate in force stays, and a reload works again", (way) =>
    Effect.gen(function* () {
      const { certificate, crash, name } = yield* begin
      const before = certificate.current().fingerprint256
      yield* crash(name, way)
      assert.strictEqual(yield* certificate.reload, "unchanged")
      assert.strictEqual(certificate.current().fingerprint256, before)
    })
  )

  inEachWay("while it reads the files: who asked for a reload is told, and the next one works", (way) =>
    Effect.gen(function* () {
      const { certificate, crash, hold, name } = yield* begin
      // The second one is behind the first look of the actor's own.
      for (let i = 0; i < 2; i++) assert.strictEqual(yield* certificate.reload, "unchanged")
      const gate = yield* makeGate
      hold(gate.pass)
      const asked = yield* Effect.forkChild(Effect.flip(certificate.reload))
      yield* gate.reached
      hold(Effect.void)
      yield* crash(name, way)
      assert.match((yield* Fiber.join(asked)).message, /restarted while it worked on this request/u)
      assert.strictEqual(yield* certificate.reload, "unchanged")
    })
  )
})

describe("ConfigReloader killed", () => {
  const begin = Effect.gen(function* () {
    const killable = yield* makeKillable
    const path = join(yield* temporaryFolder, "systemapi-config.toml")
    yield* Effect.promise(() => writeFile(path, "[actions]\none = 'echo one'\n"))
    const { config } = yield* load(path, {})
    const signals = yield* Queue.unbounded<void>()
    const recorded = yield* Queue.unbounded<string>()
    const gate = yield* makeGate
    let reloadSecret: Effect.Effect<void> = Effect.void
    yield* Layer.build(
      Layer.fresh(
        ConfigReloader.layer({ path, env: {}, flags: {}, alsoReload: [], signals }).pipe(
          Layer.provide([
            CurrentConfig.layer(config),
            killable.layer,
            mockEventLog({ record: (message) => Effect.asVoid(Queue.offer(recorded, message)) }),
            mockProcessLog({ configure: () => Effect.void }),
            Layer.mock(BasicSecret, {
              reload: Effect.suspend(() => reloadSecret),
              verifyNow: () => "open",
              version: () => 0,
              checkBootstrap: () => true
            })
          ])
        )
      )
    )
    const hold = (by: Effect.Effect<void>) => {
      reloadSecret = by
    }
    return { ...killable, hangUp: Queue.offer(signals, undefined), recorded: Queue.take(recorded), gate, hold }
  })

  inEachWay("in the middle of a reload: a signal that came meanwhile is heard", (way) =>
    Effect.gen(function* () {
      const { crash, gate, hangUp, hold, recorded } = yield* begin
      hold(gate.pass)
      yield* hangUp
      assert.strictEqual(yield* recorded, "configuration reloaded: nothing changed")
      yield* gate.reached
      hold(Effect.void)
      yield* hangUp
      yield* crash("ConfigReloader", way)
      assert.strictEqual(yield* recorded, "configuration reloaded: nothing changed")
    })
  )
})

describe("Retention killed", () => {
  inEachWay("while it removes, and while it waits: it goes on, and tells what it removed", (way) =>
    Effect.gen(function* () {
      const killable = yield* makeKillable
      const storage = makeFakeStorage()
      const log = EventStore.layer({ recent: { events: 100, bytes: 1024 * 1024 } }).pipe(Layer.provide(storage.layer))
      storage.seed([runOf(Array.from({ length: 20 }, (_, i) => `${i + 1}`))])
      const gate = yield* makeGate
      storage.beforeStore = gate.pass
      yield* Layer.build(
        Layer.fresh(
          Retention.layer({
            maxCount: 2,
            maxBytes: 0,
            maxAgeSeconds: 0,
            audit: () => ({ maxCount: 0, maxAgeSeconds: 0 })
          }).pipe(Layer.provide(log), Layer.provide(killable.layer))
        )
      )
      yield* gate.reached
      storage.beforeStore = Effect.void
      yield* killable.crash("Retention", way)
      yield* killable.crash("Retention", way)
      yield* TestClock.adjust("1 minute")
      const left = storage.events.map(({ message }) => message)
      assert.isAtMost(left.length, 3)
      assert.isTrue(left.some((message) => message.startsWith("[system-api] retention removed events 1 to ")))
    })
  )
})

describe("LifeRecorder killed", () => {
  inEachWay("while it records: it is back for the next news", (way) =>
    Effect.gen(function* () {
      const killable = yield* makeKillable
      const recorded = yield* Queue.unbounded<string>()
      const gate = yield* makeGate
      let record: Effect.Effect<void> = gate.pass
      const log = mockEventLog({
        record: (message) =>
          Effect.andThen(
            Effect.suspend(() => record),
            Effect.asVoid(Queue.offer(recorded, message))
          )
      })
      yield* Layer.build(Layer.fresh(LifeRecorder.layer.pipe(Layer.provide([log, killable.layer]))))
      const run = Effect.never
      yield* killable.supervisor.start({ name: "Other", run, restart: "permanent" })
      yield* killable.kill("Other", way)
      yield* gate.reached
      record = Effect.void
      yield* killable.crash("LifeRecorder", way)
      yield* killable.crash("Other", way)
      const news: Array<string> = []
      const told = (what: string) => news.some((message) => message.startsWith(what))
      while (!(told("actor LifeRecorder runs again") && told("actor Other runs again (restart 2)"))) {
        news.push(yield* Queue.take(recorded))
      }
    })
  )
})

it.live("every actor that the daemon has is killed above, or in its own test", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const files = `tls_cert_path = "${folder}/cert.pem"\ntls_key_path = "${folder}/key.pem"`
    const { supervisor } = yield* startDaemon({
      folder,
      general: `tls_enabled = true\ntls_create_if_missing = true\n${files}`,
      service: { notifySocket: undefined, watchdogMs: 60_000, sockets: [] }
    }).pipe(Effect.provideService(ServiceManager, { listens: true, tell: () => Effect.void }))
    const kinds = (yield* supervisor.report).map(({ name }) => name.replace(/:.*/u, ""))
    assert.deepStrictEqual(kinds.toSorted(), [
      "CommandExecutor",
      "ConfigReloader",
      "EventStore",
      "GpuWatch",
      "IdentityKeeper",
      "JournalReader",
      "LifeRecorder",
      "Operations",
      "OperationsRetention",
      "Retention",
      "StatusTeller",
      "UnitWatch",
      "Watchdog",
      "certificate",
      "pipe"
    ])
  })
)
