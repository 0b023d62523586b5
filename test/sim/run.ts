/**
 * One run: the seed's steps one after another, the invariants after each of them; then all faults are lifted and
 * everything that is pending has to come to its end, the daemon to be well, to stop in order and to have kept it all.
 */
import * as Effect from "effect/Effect"
import { lingeringMax } from "../../src/actors/CommandExecutor.ts"
import { faultSteps, timeSteps } from "./FaultSteps.ts"
import type { Broken } from "./Judge.ts"
import { logSteps } from "./LogSteps.ts"
import { workSteps } from "./WorkSteps.ts"
import { type Mutate, Simulation } from "./Simulation.ts"
import type { Step } from "./Step.ts"

export interface Outcome {
  readonly seed: number
  readonly broken: Broken | undefined
  readonly trace: ReadonlyArray<string>
  readonly digest: string
  readonly coverage: ReadonlyMap<string, number>
}

const allSteps = [...logSteps, ...workSteps, ...faultSteps]

/** Runs in which nothing fails, so that whatever is refused, or missing, is refused or missing for no reason. */
const calmChance = 0.08

const stepsMin = 30
const stepsMax = 80

/** In this time whatever is pending ends, once nothing fails any more: the longest deadline of a command, and a stop. */
const settleMs = 40_000

export const simulate = (seed: number, mutate?: Mutate): Outcome => {
  const sim = new Simulation(seed, mutate)
  sim.start()
  const steps = weigh(sim)
  const count = sim.random.between(stepsMin, stepsMax)
  for (let i = 0; i < count && sim.judge.broken === undefined; i++) {
    steps().run(sim)
    if (sim.random.chance(0.7)) sim.run()
    else sim.run(sim.random.between(0, 30))
    if (sim.random.chance(0.5)) sim.advance(sim.random.next() * 6)
    sim.observeSecret()
    checkBounds(sim)
  }
  if (sim.judge.broken === undefined) settle(sim)
  if (sim.judge.broken === undefined) stop(sim)
  if (sim.judge.broken !== undefined) sim.trace.say(`BROKEN ${sim.judge.broken.invariant}: ${sim.judge.broken.what}`)
  const { broken } = sim.judge
  return { seed, broken, trace: sim.trace.lines, digest: sim.trace.digest(), coverage: sim.trace.coverage }
}

/** Each run has its own mind about what happens often: what is rare in all of them together is common in some. */
const weigh = (sim: Simulation): (() => Step) => {
  const calm = sim.random.chance(calmChance)
  if (calm) sim.trace.count("run without faults")
  const steps = calm
    ? allSteps.filter((step) => !faultSteps.includes(step)).concat(timeSteps)
    : allSteps.concat(timeSteps)
  const weighted = steps.map((step) => ({ step, weight: step.weight * sim.random.pick([0.1, 1, 1, 3]) }))
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0)
  const [first] = allSteps
  if (first === undefined) throw new Error("there are no steps")
  return () => {
    let left = sim.random.next() * total
    return weighted.find(({ weight }) => (left -= weight) < 0)?.step ?? first
  }
}

const checkBounds = (sim: Simulation): void => {
  const { daemon, judge, setup } = sim
  if (daemon === undefined) return
  for (const { mailbox, name } of Effect.runSync(daemon.supervisor.report)) {
    if (mailbox === undefined || name.startsWith("pipe:")) continue
    judge.check(mailbox.depth <= mailbox.capacity, "bounds hold", () => `${name}: ${mailbox.depth} messages wait`)
  }
  const { lanes, lingering } = Effect.runSync(daemon.executor.report)
  for (const { name, running, waiting } of lanes) {
    const action = setup.config.actions.get(name)
    if (action === undefined) continue
    // One that was let in because a turn is free waits for the moment until it takes it.
    const free = Math.max(0, action.concurrency - running.length)
    const held = running.length <= action.concurrency && waiting.length <= action.queue_length + free
    judge.check(held, "bounds hold", () => `${name}: ${running.length} run and ${waiting.length} wait`)
  }
  judge.check(lingering.length <= lingeringMax, "bounds hold", () => `${lingering.length} groups linger`)
  const { recent } = daemon.log
  const held = recent.size
  // A run is never cut, and the longest here has a hundred events.
  judge.check(held < setup.recent.events + 100, "bounds hold", () => `${held} events are held in memory`)
}

const settle = (sim: Simulation): void => {
  sim.trace.say("all faults are over")
  sim.healing = true
  sim.storage.heal()
  sim.disk.heal()
  sim.fifo.failures = 0
  sim.spawner.failures = 0
  sim.journal.device.fault = undefined
  sim.advance(settleMs)
  const { daemon, judge } = sim
  if (daemon === undefined || sim.stopping) return judge.fail("nothing hangs", "the daemon is not up again")
  const states = Effect.runSync(daemon.supervisor.report).filter(({ state }) => state !== "running")
  judge.check(states.length === 0, "nothing hangs", () =>
    states.map(({ name, state }) => `${name} is ${state}`).join(", ")
  )
  judge.check(daemon.log.degraded() === undefined, "nothing hangs", () => `degraded: ${daemon.log.degraded() ?? ""}`)
  judge.check(sim.pipes.settled(), "fifo arrives", () => sim.pipes.describe())
  sim.journal.settled([...daemon.config.get().units.keys()])
  for (const follower of sim.followers) {
    const { position } = follower
    judge.check(
      position >= sim.log.lastShown,
      "followers miss nothing",
      () => `one is at ${position} of ${sim.log.lastShown}`
    )
    follower.leave()
  }
  sim.run()
  const open = [...sim.connections].map(({ ask }) => `${ask.method} ${ask.target}`)
  judge.check(open.length === 0, "nothing hangs", () => `no answer yet: ${open.join(", ")}`)
  sim.work.settled()
  sim.audit.settled()
}

/** And starts again: what was stored is what is found. */
const stop = (sim: Simulation): void => {
  sim.stop(100)
  sim.advance(60_000)
  const { daemon, judge } = sim
  if (daemon === undefined) return judge.fail("stops in order", "it does not start again")
  const left = sim.disk.paths().filter((path) => path.endsWith(".tmp"))
  judge.check(left.length === 0, "files are whole", () => `${left.length} temporary files are left`)
  judge.check(
    daemon.log.bounds().last === sim.log.last,
    "acknowledged is stored",
    () => "the log is shorter after a restart"
  )
}
