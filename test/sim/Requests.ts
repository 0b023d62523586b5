/**
 * How simulated clients ask: mostly with the password, at times with another one; their bodies come in pieces with
 * pauses, some leave in the middle, some are slow to take the answer. Whatever fault is on, a wrong password gets
 * nothing, and the right one is never turned away.
 */
import { type Ask, type Connection, type Ending, type Watcher } from "./Connection.ts"
import { describeAnswer, type Simulation } from "./Simulation.ts"

export interface Asked {
  readonly method: "GET" | "POST"
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
}

export interface Asking {
  /** How it ended; not called for a request with a wrong password. */
  readonly ended: (ending: Ending) => void
  readonly piece?: Watcher["piece"]
  readonly head?: Watcher["head"]
  /** Called before it is sent, with the right to do so. */
  readonly allowed?: () => void
  /** Whether this one may leave in the middle by itself. */
  readonly mayLeave?: boolean
  /** Always with the password. */
  readonly trusted?: boolean
  /** The body breaks off before its end. */
  readonly cutsBody?: boolean
}

const wrongChance = 0.08
const leaveChance = 0.12
const pauseMsMax = 40

const credentials = (password: string): Record<string, string> => ({
  authorization: `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`
})

const addresses = ["10.0.0.1", "10.0.0.2", "192.168.7.9"] as const

/** Cut into pieces of any size. */
const inPieces = (sim: Simulation, text: string): ReadonlyArray<string> => {
  const pieces: Array<string> = []
  for (let rest = text; rest !== "";) {
    const size = sim.random.chance(0.4) ? rest.length : sim.random.between(1, Math.max(1, rest.length >> 1))
    pieces.push(rest.slice(0, size))
    rest = rest.slice(size)
  }
  return pieces
}

export const send = (sim: Simulation, asked: Asked, asking: Asking): Connection | undefined => {
  if (!sim.isUp) return undefined
  sim.observeSecret()
  const wrong = asking.trusted !== true && sim.random.chance(wrongChance)
  const { body = "", headers, method, target } = asked
  const password = wrong ? wrongPassword(sim) : sim.secret.current
  const ask: Ask = {
    method,
    target,
    headers: { ...headers, ...(wrong && sim.random.chance(0.3) ? {} : credentials(password)) },
    body: inPieces(sim, body),
    address: sim.random.pick(addresses)
  }
  const id = sim.name("r")
  sim.trace.say(`${id} ${method} ${target.slice(0, 120)}${wrong ? " with a wrong password" : ""}`)
  sim.trace.count(wrong ? "wrong password" : `request ${method} ${target.split("?", 1)[0] ?? ""}`)
  if (!wrong) asking.allowed?.()
  const known = sim.secret.isSure
  const { current } = sim.secret
  const connection = sim.request(ask, {
    ...(wrong ? {} : asking),
    ended: (ending) => {
      sim.trace.say(`${id} ${ending._tag === "answered" ? describeAnswer(ending.answer) : `broken: ${ending.why}`}`)
      if (wrong) refusedOnly(sim, id, ending)
      else {
        if (known && sim.secret.isSure && current === sim.secret.current) opened(sim, id, ending)
        asking.ended(ending)
      }
    }
  })
  if (connection !== undefined) feed(sim, connection, asking)
  return connection
}

/** Of those that were right once too, where it is sure that they are not any more. */
const wrongPassword = (sim: Simulation): string =>
  (sim.random.chance(0.5) ? sim.random.pickOf(sim.secret.retired) : undefined) ??
  sim.random.pick(["", "guess", "First"])

const refusedOnly = (sim: Simulation, id: string, ending: Ending): void => {
  if (ending._tag === "broken") return
  const { status } = ending.answer
  sim.judge.check(
    status === 401 || status === 429,
    "no permission is skipped",
    () => `${id} with a wrong password was answered ${describeAnswer(ending.answer)}`
  )
}

const opened = (sim: Simulation, id: string, ending: Ending): void => {
  if (ending._tag === "broken") return
  const { status, text } = ending.answer
  sim.judge.check(
    status !== 401 && !text.includes("wrong credentials"),
    "the password opens",
    () => `${id} with the password was answered ${describeAnswer(ending.answer)}`
  )
  sim.judge.check(status !== 500 || !text.includes("Internal"), "nothing unforeseen", () => `${id}: ${text}`)
}

/** Sends the rest of the body, takes the answer, or leaves, in its own time. */
const feed = (sim: Simulation, connection: Connection, { cutsBody = false, mayLeave = true }: Asking): void => {
  const { random, world } = sim
  const pause = () => random.next() * pauseMsMax
  const more = () => {
    if (!connection.hasMoreToSend) return
    if (cutsBody && random.chance(0.4)) return connection.leave()
    connection.send()
    world.after(pause(), more)
  }
  world.after(pause(), more)
  if (mayLeave && random.chance(leaveChance)) {
    world.after(random.next() * (random.chance(0.5) ? 10 : 3000), () => {
      if (!connection.isOver) sim.trace.count("client left in the middle")
      connection.leave()
    })
  }
}
