/**
 * Decides which runnable fiber goes on next, by the seed: Effect gives every fiber a dispatcher, and this picks one of
 * those that have something to run. The tasks of one dispatcher keep their order, as they do in Effect's own scheduler.
 *
 * It also decides where a fiber that could go on lets others go first. Effect does that every 2048 operations, which is
 * anywhere; here it comes often, so that code that counts on not being interrupted in the middle is found out.
 */
import type { Scheduler, SchedulerDispatcher } from "effect/Scheduler"
import type { Random } from "./Random.ts"

export interface Interleaving {
  /** Operations between two yields, on average. */
  readonly yieldEvery: number
  /** How often the next task is a random one, and not the one that waits longest. */
  readonly disorder: number
}

interface Task {
  readonly run: () => void
  readonly priority: number
}

export class SeededScheduler implements Scheduler {
  readonly executionMode = "async"
  private readonly ready: Array<Dispatcher> = []
  private readonly random: Random
  private readonly style: Interleaving
  private untilYield = 1

  constructor(random: Random, style: Interleaving) {
    this.random = random
    this.style = style
    this.untilYield = this.nextYield()
  }

  get idle(): boolean {
    return this.ready.length === 0
  }

  shouldYield(): boolean {
    this.untilYield -= 1
    if (this.untilYield > 0) return false
    this.untilYield = this.nextYield()
    return true
  }

  makeDispatcher(): SchedulerDispatcher {
    return new Dispatcher((dispatcher) => this.ready.push(dispatcher))
  }

  /** Runs up to `max` tasks; how many it did. */
  run(max: number): number {
    let done = 0
    for (; done < max && this.ready.length > 0; done++) {
      const index = this.random.chance(this.style.disorder) ? this.random.below(this.ready.length) : 0
      const dispatcher = this.ready[index]
      if (dispatcher === undefined) break
      this.ready.splice(index, 1)
      const task = dispatcher.take()
      if (dispatcher.waits) this.ready.push(dispatcher)
      task?.run()
    }
    return done
  }

  private nextYield(): number {
    return 2 + this.random.below(2 * this.style.yieldEvery)
  }
}

class Dispatcher implements SchedulerDispatcher {
  private tasks: Array<Task> = []
  private readonly becameReady: (self: Dispatcher) => void

  constructor(becameReady: (self: Dispatcher) => void) {
    this.becameReady = becameReady
  }

  get waits(): boolean {
    return this.tasks.length > 0
  }

  scheduleTask(run: () => void, priority: number): void {
    const after = this.tasks.findLastIndex((task) => task.priority <= priority)
    this.tasks.splice(after + 1, 0, { run, priority })
    if (this.tasks.length === 1) this.becameReady(this)
  }

  take(): Task | undefined {
    return this.tasks.shift()
  }

  flush(): void {
    for (let task = this.tasks.shift(); task !== undefined; task = this.tasks.shift()) task.run()
  }
}
