/**
 * One simulated machine with the daemon on it: its devices, its clients, the models that know what must hold, and the
 * life of the daemon's process, which may end at any moment and is started again, as systemd would.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { type Answer, type Ask, Connection, type Watcher } from "./Connection.ts"
import { FileModel } from "./FileModel.ts"
import type { Follower } from "./Follower.ts"
import { Judge } from "./Judge.ts"
import { AuditModel } from "./AuditModel.ts"
import { JournalModel } from "./JournalModel.ts"
import { LogModel } from "./LogModel.ts"
import { PipeModel } from "./PipeModel.ts"
import { Random } from "./Random.ts"
import type { Interleaving } from "./Scheduler.ts"
import { SecretModel } from "./SecretModel.ts"
import { pipePaths, rereadOf, type Setup, secretFileOf, secretPath, setupOf } from "./Setup.ts"
import { type Replaced, type RunningDaemon, startDaemon } from "./SimDaemon.ts"
import { SimDisk } from "./SimDisk.ts"
import { SimIdentities } from "./SimIdentities.ts"
import { SimOperations } from "./SimOperations.ts"
import { SimFifo } from "./SimFifo.ts"
import { SimSpawner } from "./SimSpawner.ts"
import { SimStorage } from "./SimStorage.ts"
import { Trace } from "./Trace.ts"
import { WorkModel } from "./WorkModel.ts"
import { Process, World } from "./World.ts"

/** Tasks in one go; fibers that keep each other busy for longer make no progress. */
const tasksMax = 100_000

/** The grace of the listeners, the end of the commands, of the pipes and of the log, one after another. */
const stopWithinMs = 45_000

/** How a mutation may look at the simulation it works in. */
export type Mutate = (simulation: Simulation) => Replaced

export class Simulation {
  readonly seed: number
  readonly random: Random
  readonly world = new World()
  readonly trace = new Trace(this.world)
  readonly judge = new Judge()
  readonly storage: SimStorage
  readonly identities = new SimIdentities()
  readonly operations = new SimOperations()
  readonly disk: SimDisk
  readonly fifo: SimFifo
  readonly spawner: SimSpawner
  readonly audit: AuditModel
  readonly log: LogModel
  readonly pipes: PipeModel
  readonly journal: JournalModel
  readonly setup: Setup
  readonly connections = new Set<Connection>()
  readonly secret = new SecretModel("first", this.judge)
  readonly files: FileModel
  readonly work = new WorkModel(this.judge)
  readonly followers = new Set<Follower>()
  /** The beginning of a line that a writer has not ended, by FIFO. */
  readonly partial = new Map<string, string>()
  /** Faults are over: everything has to come to its end now. */
  healing = false
  process: Process | undefined
  daemon: RunningDaemon | undefined
  stopping = false
  /** No fault, crash or end of an actor has come since this process began. */
  undisturbed = true
  private readonly style: Interleaving
  private readonly replaced: Replaced
  private powerWent = false
  private starts = 0
  private names = 0

  constructor(seed: number, mutate: Mutate = () => ({})) {
    this.seed = seed
    this.random = new Random(seed)
    this.setup = setupOf(this.random.below(8))
    const device = (name: string) => [this.world, this.random.fork(name), this.trace] as const
    this.storage = new SimStorage(...device("storage"))
    this.disk = new SimDisk(...device("disk"))
    this.fifo = new SimFifo(...device("fifo"))
    this.spawner = new SimSpawner(...device("spawner"))
    this.log = new LogModel(this.judge, this.storage)
    this.audit = new AuditModel(this.judge)
    this.journal = new JournalModel(this.judge)
    this.pipes = new PipeModel(
      this.judge,
      this.world,
      new Map([
        [pipePaths[0], "pipe:pipe.fifo"],
        [pipePaths[1], "pipe:second"]
      ])
    )
    this.style = { yieldEvery: this.random.pick([20, 60, 200, 2000]), disorder: this.random.pick([0, 0.3, 1]) }
    this.files = new FileModel(this.judge, (path) => this.disk.contentOf(path))
    this.disk.onChange = (path) => this.files.check(path)
    this.spawner.onStart = (program, given) => {
      const concurrency = this.setup.config.actions.get(program)?.concurrency ?? 0
      this.work.commandStarted(program, given, this.spawner.running(program), concurrency)
    }
    this.storage.onCommit = (commit) => {
      this.log.committed(commit)
      this.work.committed(commit, this.undisturbed)
      this.pipes.committed(commit)
      this.audit.committed(commit)
      this.journal.committed(commit)
      for (const { message, seq } of commit.events) this.trace.say(`  stored ${seq}: ${message.slice(0, 70)}`)
    }
    this.fifo.listener = {
      onRead: (path, text) => this.pipes.read(path, text),
      onClosed: (path) => this.pipes.closed(path),
      onBrokenOff: (path) => this.pipes.brokenOff(path),
      onIngested: (path, text) => this.pipes.ingested(path, text)
    }
    this.disk.put(secretPath, secretFileOf(this.secret.current), 0o600)
    this.replaced = mutate(this)
  }

  /** A word that occurs nowhere else. */
  name(kind: string): string {
    this.names += 1
    return `${kind}${this.names}`
  }

  get isUp(): boolean {
    return this.daemon !== undefined && !this.stopping
  }

  start(): void {
    this.starts += 1
    const owner = new Process(this.world, this.random.fork(`process ${this.starts}`), this.style)
    this.process = owner
    this.undisturbed = this.storage.isWell
    this.trace.say("the daemon starts")
    const starting = startDaemon({
      owner,
      machine: {
        storage: this.storage.layer(owner),
        identities: this.identities.layer,
        operations: this.operations.layer,
        spawner: this.spawner.layer(owner),
        disk: this.disk.layer(owner),
        fifo: this.fifo.layer(owner),
        journal: this.journal.device.layer
      },
      setup: this.setup,
      replaced: this.replaced,
      reread: Effect.suspend(() => this.reread()),
      log: (level, text, detail) => this.logged(level, text, detail),
      cutAll: () => this.closeAll(),
      drained: this.drained
    })
    owner.fork(starting).addObserver((exit) => {
      if (this.process !== owner) return
      if (Exit.isSuccess(exit)) {
        this.daemon = exit.value
        this.trace.say("the daemon is ready")
        this.observeSecret()
        if (this.powerWent) this.secret.afterCrash()
        this.powerWent = false
        owner.fork(Effect.exit(exit.value.supervisor.join)).addObserver(() => this.gaveUp(owner))
        return
      }
      this.trace.say(`the daemon does not start: ${firstLine(Cause.pretty(exit.cause))}`)
      this.trace.count("start failed")
      this.ended(1000)
    })
  }

  /** kill -9, or the power goes: nothing runs any more, and the devices are as they are. */
  crash(): void {
    const { process } = this
    if (process === undefined) return
    this.trace.say(`CRASH with ${this.connections.size} requests in hand`)
    this.trace.count("process crashed")
    if (this.connections.size > 0) this.trace.count("process crashed with requests in hand")
    this.forget(process)
    this.powerWent = true
    this.storage.crash()
    this.disk.crash()
    this.ended(this.random.between(100, 1500))
  }

  /** SIGTERM. */
  stop(restartMs: number | undefined): void {
    const { daemon, process } = this
    if (process === undefined || daemon === undefined || this.stopping) return
    this.stopping = true
    this.trace.say("SIGTERM")
    this.trace.count("process stopped")
    const overdue = this.world.after(
      stopWithinMs,
      () => this.judge.fail("stops in order", `it has not stopped ${stopWithinMs} ms after SIGTERM`),
      process
    )
    process.fork(daemon.stop).addObserver(() => {
      if (this.process !== process) return
      overdue()
      this.trace.say("the daemon has stopped")
      this.judge.check(
        this.spawner.groups === 0,
        "stops in order",
        () => `${this.spawner.groups} groups of commands live on`
      )
      if (this.undisturbed) {
        this.judge.check(
          this.pipes.settled(),
          "stops in order",
          () => `not stored at the stop: ${this.pipes.describe()}`
        )
        this.work.settled()
      }
      this.forget(process)
      this.storage.crash()
      this.ended(restartMs)
    })
  }

  request(ask: Ask, watcher: Watcher): Connection | undefined {
    const { daemon, process } = this
    if (daemon === undefined || process === undefined || this.stopping) return undefined
    const connection = new Connection(ask, {
      ...watcher,
      ended: (ending) => {
        this.connections.delete(connection)
        watcher.ended(ending)
        if (this.connections.size === 0) this.onDrained?.()
      }
    })
    this.connections.add(connection)
    connection.open(daemon, process)
    return connection
  }

  observeSecret(): void {
    const { daemon } = this
    if (daemon !== undefined)
      this.secret.observe((password) => daemon.secret.verifyNow(Buffer.from(password)) === "right")
  }

  /** SIGHUP. */
  reload(): void {
    this.trace.say("SIGHUP")
    this.trace.count("reload")
    this.daemon?.hangUp()
  }

  /** Runs what can run; false when that never ends. */
  run(max = tasksMax): boolean {
    const done = this.process?.scheduler.run(max) ?? 0
    if (done === tasksMax) this.judge.fail("nothing hangs", "fibers keep each other busy without end")
    return done < tasksMax
  }

  /** Lets time go by, with all that happens in it. */
  advance(ms: number): void {
    const until = this.world.now + ms
    while (this.judge.broken === undefined) {
      this.run()
      if (this.world.nextBy(until) === undefined) break
      this.world.fire()
    }
    this.world.now = Math.max(this.world.now, until)
    this.run()
  }

  private reread() {
    const found = this.random.pick(["same", "changed", "wrong"] as const)
    this.trace.count(found === "wrong" ? "reload of a wrong file" : "reload of a good file")
    return rereadOf(this.setup, found)
  }

  private onDrained: (() => void) | undefined
  private readonly drained = Effect.callback<void>((resume) => {
    if (this.connections.size === 0) return resume(Effect.void)
    this.onDrained = () => resume(Effect.void)
  })

  private closeAll(): void {
    for (const connection of this.connections) connection.close()
  }

  private gaveUp(owner: Process): void {
    if (this.process !== owner || this.stopping) return
    this.trace.say("the supervisor gave up")
    this.trace.count("supervisor gave up")
    this.stop(1000)
  }

  private forget(process: Process): void {
    this.world.forget(process)
    this.process = undefined
    this.daemon = undefined
    this.stopping = false
    this.onDrained = undefined
  }

  private ended(restartMs: number | undefined): void {
    this.process = undefined
    this.daemon = undefined
    this.fifo.crash()
    this.spawner.crash()
    for (const connection of this.connections) connection.cut("the daemon is no more")
    this.pipes.processEnded()
    this.work.processEnded()
    this.audit.processEnded()
    this.files.processEnded()
    this.secret.processEnded()
    if (restartMs !== undefined) this.world.after(restartMs, () => this.start())
  }

  private logged(level: string, text: string, detail: string): void {
    if (level === "Debug") return
    if (text.startsWith("event not recorded: ")) this.work.notRecorded(detail)
    this.trace.say(`  log ${level}: ${firstLine(text)} ${firstLine(detail)}`)
    if (text.includes("failed unexpectedly")) this.judge.fail("nothing unforeseen", text)
  }
}

/** The first line, without what differs from run to run: numbers of fibers, names of temporary files. */
const firstLine = (text: string): string =>
  (text.split("\n", 1)[0] ?? "").replace(/#\d+|[0-9a-f]{32}/gu, "#").slice(0, 200)

export const describeAnswer = ({ status, text }: Answer): string => `${status} ${text.trimEnd().slice(0, 160)}`
