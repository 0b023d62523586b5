/**
 * Wrong logins at a steady rate, a process of its own, over keep-alive connections from one address: by turns of known
 * and unknown users, with the same wrong password and with another each time. It goes on whether answers come or not, as
 * a flood does, up to a bound of open requests; prints as JSON what it sent and what came back.
 */
import { Agent, request } from "node:http"

export interface FloodOptions {
  readonly address: string
  readonly perSecond: number
  readonly seconds: number
  readonly users: ReadonlyArray<string>
}

export interface FloodReport {
  readonly sent: number
  /** Those that would have been too many at a time. */
  readonly unsent: number
  readonly statuses: Readonly<Record<string, number>>
}

const tickMs = 10

/** Below the connections that a listener takes: what is measured is not how it makes room. */
const openMax = 3000

const main = ({ address, perSecond, seconds, users }: FloodOptions): void => {
  const agent = new Agent({ keepAlive: true, maxSockets: openMax })
  const statuses: Record<string, number> = {}
  let open = 0
  let sent = 0
  let unsent = 0
  const count = (what: string) => {
    statuses[what] = (statuses[what] ?? 0) + 1
    open -= 1
  }

  const send = (n: number) => {
    if (open >= openMax) {
      unsent += 1
      return
    }
    open += 1
    sent += 1
    const username = n % 2 === 0 ? (users[(n / 2) % users.length] ?? "") : `stranger${n}`
    const password = n % 4 < 2 ? "the same wrong password" : `wrong password ${Math.random()}`
    const body = JSON.stringify({ username, password })
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) }
    const sending = request(`${address}/v1/auth/login`, { method: "POST", agent, headers }, (response) => {
      response.resume().once("end", () => count(String(response.statusCode)))
    })
    sending.once("error", (error) => count(error.message))
    sending.end(body)
  }

  const started = performance.now()
  let next = 0
  const pace = setInterval(() => {
    const now = performance.now() - started
    for (; next < Math.min(now / 1000, seconds) * perSecond; next++) send(next)
    if (now < seconds * 1000 || (open > 0 && now < (seconds + 5) * 1000)) return
    clearInterval(pace)
    const report: FloodReport = { sent, unsent, statuses }
    console.log(JSON.stringify(report))
    process.exit(0)
  }, tickMs)
}

const options: FloodOptions = JSON.parse(process.argv[2] ?? "null")
main(options)
