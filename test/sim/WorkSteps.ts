/** What operators do: run actions, upload files, change the password, look how the daemon is, reload. */
import * as Schema from "effect/Schema"
import type { Answer, Ending } from "./Connection.ts"
import { send } from "./Requests.ts"
import { uploadBytesMax, uploadPaths } from "./Setup.ts"
import { behaviours } from "./SimSpawner.ts"
import { describeAnswer, type Simulation } from "./Simulation.ts"
import type { Step } from "./Step.ts"

const decodeResult = Schema.decodeUnknownSync(
  Schema.fromJsonString(
    Schema.Struct({ action: Schema.String, success: Schema.Boolean, stdout: Schema.Struct({ head: Schema.String }) })
  )
)
const decodeUploaded = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ file: Schema.String, size_bytes: Schema.String }))
)

const foreseen = (sim: Simulation, answer: Answer, statuses: ReadonlyArray<number>): void =>
  sim.judge.check(statuses.includes(answer.status), "nothing unforeseen", () => describeAnswer(answer))

/** 429: too many run; 503: the executor did not take it; 400: a reload has removed it. */
const notRun = [400, 405, 429, 503]

const lookMs = 50

const action: Step = {
  name: "an action",
  weight: 8,
  run: (sim) => {
    const program = sim.random.pick(behaviours)
    const whole = sim.random.chance(0.7)
    const id = whole ? sim.name("a") : ""
    const ended = (ending: Ending) => {
      if (ending._tag === "broken") return
      const { answer } = ending
      foreseen(sim, answer, [200, 500, ...notRun])
      sim.trace.count(`action ${program} answered ${answer.status}`)
      if (notRun.includes(answer.status)) sim.work.refused(id)
      if (answer.status === 200) sim.work.answeredOf(program)
      if (answer.status !== 200 || !whole) return
      const result = decodeResult(answer.text)
      sim.judge.check(
        result.action === program && result.stdout.head === id,
        "answers belong to their request",
        () => `${program} for ${id}: ${describeAnswer(answer)}`
      )
      sim.judge.check(
        !result.success || program !== "fail",
        "answers belong to their request",
        () => `${program} for ${id} was a success`
      )
    }
    const target = `/api/v1/actions/${program}`
    const body = JSON.stringify({ args: { id } })
    send(sim, whole ? { method: "POST", target, body } : { method: "GET", target }, {
      ended,
      allowed: () => sim.work.asks(program, id)
    })
  }
}

const upload: Step = {
  name: "an upload",
  weight: 6,
  run: (sim) => {
    const name = sim.random.pick(["small", "large"])
    const path = uploadPaths[name] ?? ""
    const length = sim.random.pick([0, 1, 300, 5000, uploadBytesMax + 1])
    const text = `${sim.name("u")}:${"y".repeat(length)}`
    let version: ReturnType<typeof sim.files.begins> | undefined
    const ended = (ending: Ending) => {
      if (version === undefined || ending._tag === "broken") return
      const { answer } = ending
      foreseen(sim, answer, [200, 400, 413, 500, 507])
      sim.trace.count(`upload answered ${answer.status}`)
      if (answer.status !== 200)
        return answer.text.includes("but its action failed") ? undefined : sim.files.failed(version)
      const { file, size_bytes: size } = decodeUploaded(answer.text)
      sim.judge.check(
        file === path && Number(size) === text.length,
        "answers belong to their request",
        () => `${text.length} bytes for ${path}: ${describeAnswer(answer)}`
      )
      sim.files.acknowledged(path, version)
    }
    send(
      sim,
      { method: "POST", target: `/api/v1/file-upload/${name}`, body: text },
      {
        ended,
        allowed: () => {
          version = sim.files.begins(path, text)
          if (name === "large") sim.work.asks("slow", "")
        },
        cutsBody: sim.random.chance(0.2)
      }
    )
  }
}

const password: Step = {
  name: "a new password",
  weight: 1.5,
  run: (sim) => {
    const next = sim.name("password")
    const ended = (ending: Ending) => {
      sim.observeSecret()
      if (ending._tag === "broken") return
      const { answer } = ending
      foreseen(sim, answer, [200, 400, 401, 409, 429, 500, 507])
      sim.trace.count(`password answered ${answer.status}`)
      if (answer.status === 200) sim.secret.confirmed(next)
      else if (answer.status >= 500) sim.secret.failed(next)
      else sim.secret.refused(next)
    }
    send(
      sim,
      { method: "POST", target: "/api/v1/set-basic-auth", body: next },
      {
        ended,
        allowed: () => sim.secret.begins(next)
      }
    )
  }
}

const look: Step = {
  name: "a look at the daemon",
  weight: 2,
  run: (sim) => {
    const target = sim.random.pick(["/livez", "/readyz", "/api/v1/info", "/api/v1/actors", "/api/v1/actions"])
    const ended = (ending: Ending) => {
      if (ending._tag === "answered") foreseen(sim, ending.answer, target === "/readyz" ? [200, 503] : [200])
    }
    const connection = send(sim, { method: "GET", target }, { ended })
    // What the daemon says of itself waits for no disk and no actor.
    sim.world.after(lookMs, () => {
      const late = connection !== undefined && !connection.isOver
      sim.judge.check(!late, "nothing hangs", () => `${target} is not answered after ${lookMs} ms`)
    })
  }
}

/** As requests that change something are recorded, some of them many at a time. */
const audited: Step = {
  name: "something to record",
  weight: 5,
  run: (sim) => {
    const { daemon } = sim
    if (daemon === undefined || sim.stopping) return false
    const count = sim.random.chance(0.1) ? 60 : sim.random.between(1, 4)
    for (let i = 0; i < count; i++) {
      const name = sim.name("audit")
      sim.audit.recorded(name)
      daemon.audit.record({
        action: name,
        outcome: "succeeded",
        who: "auditor",
        kind: "user",
        address: "192.0.2.1",
        listener: "127.0.0.1:3535",
        requestId: undefined,
        on: undefined
      })
    }
    return true
  }
}

const reload: Step = {
  name: "a reload",
  weight: 1,
  run: (sim) => sim.reload()
}

export const workSteps: ReadonlyArray<Step> = [action, upload, password, look, audited, reload]
