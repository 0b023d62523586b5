/** What clients and local services do with the event log: write to it, ask for it, wait for it, follow it. */
import * as Schema from "effect/Schema"
import type { Answer, Ending } from "./Connection.ts"
import { Follower } from "./Follower.ts"
import { send } from "./Requests.ts"
import { pipePaths, unitIds } from "./Setup.ts"
import { describeAnswer, type Simulation } from "./Simulation.ts"
import type { Step } from "./Step.ts"

const Stored = Schema.Struct({ seq: Schema.Int })
const decodeResults = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Array(Schema.Union([Stored, Schema.Struct({ code: Schema.Int, error: Schema.String })])))
)
const decodeOne = Schema.decodeUnknownSync(Schema.fromJsonString(Stored))
const decodeEvents = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Array(Schema.Struct({ seq: Schema.Int, message: Schema.String })))
)

/** A reader does not wait longer than this for the commit of what the daemon has just done. */
const readerPatienceMs = 1000

/** Who was told how an action ended finds it in the log: for a reader that asks now, to be called when it is answered. */
const findsActions = (sim: Simulation, who: string): (() => void) => {
  const { now } = sim.world
  const finds = sim.work.reader(who)
  return () => {
    if (sim.world.now - now < readerPatienceMs) finds()
  }
}

/** What an error says of whether the event was stored. */
const notAcknowledged = (sim: Simulation, messages: ReadonlyArray<string>, why: string): void => {
  const unknown = why.includes("unknown") || why.includes("restarted")
  for (const message of messages) {
    if (unknown) sim.log.unknown(message)
    else sim.log.refused(message)
  }
  sim.trace.count(unknown ? "write with unknown outcome" : "write refused")
}

const expected = [200, 429, 503, 507]

const foreseen = (sim: Simulation, answer: Answer): void =>
  sim.judge.check(expected.includes(answer.status), "nothing unforeseen", () => describeAnswer(answer))

const newEvent: Step = {
  name: "new event",
  weight: 10,
  run: (sim) => {
    const message = sim.name("e")
    const ended = (ending: Ending) => {
      if (ending._tag === "broken") return sim.log.unknown(message)
      const { answer } = ending
      foreseen(sim, answer)
      if (answer.status === 200) sim.log.acknowledged(message)
      else notAcknowledged(sim, [message], answer.text)
    }
    const target = `/api/v1/new_event?message=${message}`
    send(sim, { method: "GET", target }, { ended, allowed: () => sim.log.sent(message) })
  }
}

const manyEvents: Step = {
  name: "events in one body",
  weight: 5,
  run: (sim) => {
    const form = sim.random.pick(["object", "array", "ndjson"])
    const count = form === "object" ? 1 : sim.random.between(1, 12)
    // What weighs much is let in by its weight, and may wait for that.
    const heavy = sim.random.chance(0.1) ? "m".repeat(5000) : ""
    const messages = Array.from({ length: count }, () => `${sim.name("m")}${heavy}`)
    const objects = messages.map((message) => JSON.stringify({ message }))
    const body = form === "array" ? `[${objects.join(",")}]` : objects.map((each) => `${each}\n`).join("")
    const ended = (ending: Ending) => {
      if (ending._tag === "broken") return messages.forEach((message) => sim.log.unknown(message))
      results(sim, form, messages, ending.answer)
    }
    const headers = { "content-type": form === "ndjson" ? "application/x-ndjson" : "application/json" }
    send(
      sim,
      { method: "POST", target: "/api/v1/events", headers, body },
      { ended, allowed: () => messages.forEach((message) => sim.log.sent(message)), cutsBody: sim.random.chance(0.1) }
    )
  }
}

/** Each event is answered for itself. */
const results = (sim: Simulation, form: string, messages: ReadonlyArray<string>, answer: Answer): void => {
  foreseen(sim, answer)
  if (answer.status !== 200) return notAcknowledged(sim, messages, answer.text)
  if (form === "object") return sim.log.acknowledged(messages[0] ?? "", decodeOne(answer.text).seq)
  const text = form === "array" ? answer.text : `[${answer.text.trimEnd().replaceAll("\n", ",")}]`
  const all = decodeResults(text)
  sim.judge.check(all.length === messages.length, "answers belong to their request", () => describeAnswer(answer))
  messages.forEach((message, i) => {
    const result = all[i]
    if (result === undefined) return
    if ("seq" in result) sim.log.acknowledged(message, result.seq)
    else notAcknowledged(sim, [message], result.error)
  })
}

const line: Step = {
  name: "lines into a FIFO",
  weight: 10,
  run: (sim) => {
    const path = sim.random.pick(pipePaths)
    const count = sim.random.between(1, 8)
    let text = sim.partial.get(path) ?? ""
    for (let i = 0; i < count; i++) text += `${sim.name("l")}\n`
    const cut = sim.random.chance(0.3) ? sim.random.between(1, 6) : 0
    sim.partial.set(path, text.slice(text.length - cut))
    sim.trace.say(`${count} lines into ${path}${cut === 0 ? "" : ", the last one not ended"}`)
    sim.fifo.write(path, text.slice(0, text.length - cut), sim.process)
  }
}

/** More than may wait for the log, so that writers have to. */
const flood: Step = {
  name: "flood of a FIFO",
  weight: 0.1,
  run: (sim) => {
    const path = sim.random.pick(pipePaths)
    const filler = "x".repeat(30_000)
    let text = sim.partial.get(path) ?? ""
    sim.partial.set(path, "")
    for (let i = 0; i < 100; i++) text += `${sim.name("f")}${filler}\n`
    sim.trace.say(`3 MB into ${path}`)
    sim.trace.count("fifo flooded")
    sim.fifo.write(path, text, sim.process)
  }
}

const entries: Step = {
  name: "entries in the journal",
  weight: 6,
  run: (sim) => {
    const id = sim.random.pick(unitIds)
    const messages = Array.from({ length: sim.random.between(1, 9) }, () => sim.name("j"))
    sim.trace.say(`${messages.length} entries of ${id} in the journal, from ${messages[0] ?? ""} on`)
    if (sim.isUp) sim.trace.count("journal written while it is read")
    // Some of them are alike in all but their text, and are one run.
    sim.journal.say(id, messages, {
      priority: sim.random.pick([3, 6, 6]),
      realtimeUs: Math.round(sim.world.wallMs * 1000)
    })
  }
}

const tail: Step = {
  name: "the newest as they are",
  weight: 4,
  run: (sim) => {
    const { known } = sim.log
    const { log_max_entries: max } = sim.setup.config.general
    const finds = findsActions(sim, "/logs")
    const ended = (ending: Ending) => {
      if (ending._tag === "broken" || ending.answer.status !== 200) return
      finds()
      const lines = ending.answer.text.split("\n").slice(0, -1)
      const shown = lines.map((text) => text.slice(text.indexOf("\t") + 2))
      sim.log.tail(shown, known, max, "/logs")
    }
    send(sim, { method: "GET", target: "/logs" }, { ended })
  }
}

const page: Step = {
  name: "a page, or a long poll",
  weight: 6,
  run: (sim) => {
    const after = sim.random.between(0, sim.log.known)
    const wait = sim.random.chance(0.5) ? 0 : sim.random.between(1, 20)
    const limit = sim.random.between(1, 60)
    const who = `events after ${after}`
    const finds = findsActions(sim, who)
    const ended = (ending: Ending) => {
      if (ending._tag === "broken" || ending.answer.status !== 200) return
      finds()
      const { headers, text } = ending.answer
      const cursor = sim.log.read(after, decodeEvents(text), who)
      const next = Number(headers["x-next-after"])
      sim.judge.check(
        sim.log.isAll(cursor, next),
        "readers see the log",
        () => `${who}: shown up to ${cursor}, and told to go on after ${next}`
      )
      if (wait > 0) sim.trace.count(text.length > 3 ? "long poll with events" : "long poll without events")
    }
    const waiting = wait === 0 ? "" : `&wait=${wait}`
    send(sim, { method: "GET", target: `/api/v1/events?after=${after}&limit=${limit}${waiting}` }, { ended })
  }
}

/** All there is, in as many pages as that takes. */
const everything: Step = {
  name: "all events after one",
  weight: 1.5,
  run: (sim) => {
    const after = sim.random.between(0, sim.log.known)
    const { known } = sim.log
    const who = `all events after ${after}`
    const ended = (ending: Ending) => {
      if (ending._tag === "broken" || ending.answer.status !== 200) return
      const lines = ending.answer.text.split("\n").slice(0, -1)
      const cursor = sim.log.read(after, decodeEvents(`[${lines.join(",")}]`), who)
      sim.judge.check(
        cursor >= known || sim.log.isAll(cursor, known),
        "readers see the log",
        () => `${who}: shown up to ${cursor}, and ${known} was known before`
      )
      sim.trace.count("read of everything")
    }
    send(sim, { method: "GET", target: `/api/v1/events?format=ndjson&after=${after}` }, { ended, mayLeave: false })
  }
}

const backwards: Step = {
  name: "the events before one",
  weight: 1.5,
  run: (sim) => {
    const before = sim.random.between(1, sim.log.known + 1)
    const limit = sim.random.between(1, 30)
    const ended = (ending: Ending) => {
      if (ending._tag === "broken" || ending.answer.status !== 200) return
      const events = decodeEvents(ending.answer.text)
      const first = events[0]?.seq ?? before
      const who = `${limit} events before ${before}`
      const cursor = sim.log.read(first - 1, events, who)
      sim.judge.check(sim.log.isAll(cursor, before - 1), "readers see the log", () => `${who}: shown up to ${cursor}`)
    }
    send(sim, { method: "GET", target: `/api/v1/events?before=${before}&limit=${limit}` }, { ended })
  }
}

const search: Step = {
  name: "a search",
  weight: 2,
  run: (sim) => {
    const ended = (ending: Ending) => {
      if (ending._tag === "broken" || ending.answer.status !== 200) return
      const events = decodeEvents(ending.answer.text)
      for (const { message, seq } of events) {
        sim.log.holds(seq, message, "a search")
        sim.judge.check(message.includes("e"), "readers see the log", () => `a search for e found ${message}`)
      }
    }
    const target = sim.random.pick(["/api/v1/events?q=e&tail=9", "/api/v1/events?q=e&after=0&limit=9"])
    send(sim, { method: "GET", target }, { ended })
  }
}

const follow: Step = { name: "follow", weight: 2, run: (sim) => void Follower.start(sim) }

export const logSteps: ReadonlyArray<Step> = [
  newEvent,
  manyEvents,
  line,
  flood,
  entries,
  tail,
  page,
  everything,
  backwards,
  search,
  follow
]
