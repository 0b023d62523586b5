/** What goes wrong: devices, actors, processes, clocks. Each fault heals by itself after a while. */
import * as Exit from "effect/Exit"
import { ToolFailed } from "../../src/services/tools/Tool.ts"
import { pipePaths } from "./Setup.ts"
import type { Simulation } from "./Simulation.ts"
import { type StorageFault, wellMs } from "./SimStorage.ts"
import type { Step } from "./Step.ts"

/** Some are over before anybody notices, some last longer than the patience of those who wait. */
const healAfterMs = [300, 5000, 30_000] as const

const fault = (sim: Simulation, what: string, set: () => void, heal: () => void): void => {
  sim.undisturbed = false
  sim.trace.say(`FAULT ${what}`)
  sim.trace.count(`fault ${what}`)
  set()
  sim.world.after(sim.random.next() * sim.random.pick(healAfterMs), () => {
    sim.trace.say(`healed: ${what}`)
    heal()
  })
}

const storageFaults = [
  "full",
  "failing",
  "lost-before",
  "lost-after",
  "hanging"
] as const satisfies ReadonlyArray<StorageFault>

const storage: Step = {
  name: "the store fails",
  weight: 3,
  run: (sim) => {
    const kind = sim.random.pick(storageFaults)
    fault(
      sim,
      `store ${kind}`,
      () => {
        sim.storage.fault = kind
      },
      () => {
        sim.storage.fault = "none"
      }
    )
  }
}

const reads: Step = {
  name: "reads fail",
  weight: 1,
  run: (sim) =>
    fault(
      sim,
      "reads fail",
      () => {
        sim.storage.readsFail = true
      },
      () => {
        sim.storage.readsFail = false
      }
    )
}

const slowStore: Step = {
  name: "the store is slow",
  weight: 2,
  run: (sim) =>
    fault(
      sim,
      "slow store",
      () => {
        sim.storage.slownessMs = sim.random.pick([50, 400, 4000])
      },
      () => {
        sim.storage.slownessMs = wellMs
      }
    )
}

const fifo: Step = {
  name: "a FIFO fails",
  weight: 2,
  run: (sim) => {
    const path = sim.random.pick(pipePaths)
    switch (sim.random.pick(["remove", "replace", "file", "break", "unseen"])) {
      case "remove":
        return fault(
          sim,
          "fifo removed",
          () => sim.fifo.remove(path),
          () => {}
        )
      case "replace":
        return fault(
          sim,
          "fifo replaced",
          () => sim.fifo.replace(path),
          () => {}
        )
      case "file": {
        const text = Array.from({ length: sim.random.between(1, 9) }, () => `${sim.name("w")}\n`).join("")
        return fault(
          sim,
          "file in the place of a fifo",
          () => sim.fifo.putFile(path, text),
          () => {}
        )
      }
      case "break":
        return fault(
          sim,
          "fifo unreadable",
          () => sim.fifo.breakReading(path),
          () => {}
        )
      default:
        return fault(
          sim,
          "fifo cannot be looked at",
          () => {
            sim.fifo.failures = sim.random.between(1, 3)
          },
          () => {
            sim.fifo.failures = 0
          }
        )
    }
  }
}

const diskOperations = ["create", "write", "sync", "chmod", "rename", "remove", "syncFolder", "read"] as const

const disk: Step = {
  name: "the disk fails",
  weight: 3,
  run: (sim) => {
    const healed = () => sim.disk.heal()
    switch (sim.random.pick(["full", "slow", "operation", "operation"])) {
      case "full":
        return fault(
          sim,
          "disk full",
          () => {
            sim.disk.full = true
          },
          healed
        )
      case "slow":
        return fault(
          sim,
          "disk slow",
          () => {
            sim.disk.slownessMs = sim.random.pick([100, 2000])
          },
          healed
        )
      default: {
        const operation = sim.random.pick(diskOperations)
        return fault(sim, `disk ${operation} fails`, () => sim.disk.fail(operation, sim.random.between(1, 3)), healed)
      }
    }
  }
}

const spawner: Step = {
  name: "the spawner fails",
  weight: 1.5,
  run: (sim) =>
    sim.random.chance(0.5)
      ? fault(
          sim,
          "spawner dies",
          () => sim.spawner.die(),
          () => {}
        )
      : fault(
          sim,
          "commands do not start",
          () => {
            sim.spawner.failures = sim.random.between(1, 3)
          },
          () => {
            sim.spawner.failures = 0
          }
        )
}

const journalctlEnded = new ToolFailed({ command: "journalctl", exit_code: -1 })

const journal: Step = {
  name: "journalctl ends",
  weight: 1,
  run: (sim) => {
    const { device } = sim.journal
    if (sim.random.chance(0.5)) {
      return fault(
        sim,
        "journalctl ends",
        () => device.end(journalctlEnded),
        () => {}
      )
    }
    fault(
      sim,
      "journalctl does not run",
      () => {
        device.fault = journalctlEnded
      },
      () => {
        device.fault = undefined
      }
    )
  }
}

const actor: Step = {
  name: "an actor ends",
  weight: 4,
  run: (sim) => {
    const { daemon } = sim
    const name = sim.random.pickOf(daemon?.actors() ?? [])
    if (daemon === undefined || name === undefined) return
    const how = sim.random.pick(["fails", "dies", "is interrupted"])
    const exit =
      how === "fails" ? Exit.fail("simulated") : how === "dies" ? Exit.die(new Error("simulated")) : Exit.interrupt()
    sim.undisturbed = false
    sim.trace.say(`FAULT ${name} ${how}`)
    sim.trace.count(`actor ${name} ${how}`)
    if (name === "EventStore" && sim.storage.writing) sim.trace.count("EventStore ended with a commit in hand")
    daemon.endActor(name, exit)
    if (name === "EventStore") sim.pipes.storeEnded()
  }
}

/** More failures in a row than the supervisor takes from one that may not fail for ever. */
const failuresInARow = 14

const storm: Step = {
  name: "an actor ends again and again",
  weight: 0.25,
  run: (sim) => {
    const name = sim.random.chance(0.5) ? "CommandExecutor" : sim.random.pickOf(sim.daemon?.actors() ?? [])
    if (name === undefined) return
    sim.undisturbed = false
    sim.trace.say(`FAULT ${name} ends again and again`)
    sim.trace.count("actor ended again and again")
    const { process } = sim
    const end = (left: number) => {
      if (sim.process !== process || left === 0 || sim.healing) return
      // Between two restarts there is nothing to end.
      const ended = sim.daemon?.endActor(name, Exit.die(new Error("simulated"))) === true
      sim.world.after(300, () => end(ended ? left - 1 : left))
    }
    end(failuresInARow)
  }
}

const crash: Step = { name: "crash", weight: 0.8, run: (sim) => sim.crash() }

const stop: Step = { name: "stop", weight: 0.4, run: (sim) => sim.stop(sim.random.between(50, 1000)) }

const clockStep: Step = {
  name: "the wall clock steps",
  weight: 1,
  run: (sim) => {
    const step = sim.random.pick([-86_400_000, -5000, -1, 1, 30_000, 3_600_000])
    sim.world.wallOffsetMs += step
    sim.trace.say(`FAULT the wall clock steps by ${step} ms`)
    sim.trace.count(step < 0 ? "clock stepped back" : "clock stepped forward")
  }
}

const time: Step = {
  name: "time goes by",
  weight: 8,
  run: (sim) => sim.advance(sim.random.next() * sim.random.pick([5, 50, 500, 500, 5000, 20_000]))
}

export const faultSteps: ReadonlyArray<Step> = [
  storage,
  reads,
  slowStore,
  fifo,
  disk,
  spawner,
  journal,
  actor,
  storm,
  crash,
  stop,
  clockStep
]

export const timeSteps: ReadonlyArray<Step> = [time]
