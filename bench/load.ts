/**
 * The load generator, a process of its own: keeps `connections` sockets busy with one GET after another for `seconds`,
 * and prints what came of it as one line of JSON. It reads just enough HTTP to know where an answer ends, so that it
 * costs less than the server it measures. Anything but a 200 ends it with an error: a fast failure is no speed.
 */
import { connect } from "node:net"

const [address = "", connectionsText = "1", secondsText = "1"] = process.argv.slice(2)
const url = new URL(address)
const connections = Number(connectionsText)
const milliseconds = Number(secondsText) * 1000

const request = Buffer.from(`GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`)
const headEnd = Buffer.from("\r\n\r\n")
const latencies: Array<number> = []
let started = 0
let done = 0
let stopped = false

const fail = (reason: string): void => {
  console.error(`${address}: ${reason}`)
  process.exit(1)
}

const run = (): void => {
  const socket = connect(Number(url.port), url.hostname)
  socket.setNoDelay(true)
  socket.on("error", (error) => fail(error.message))
  socket.on("close", () => stopped || fail("the connection was closed"))
  let sentAt = 0
  const next = () => {
    if (stopped) return
    sentAt = performance.now()
    socket.write(request)
  }
  // Bytes of the current answer that are still to come; undefined while its head is read.
  let missing: number | undefined
  let head = Buffer.alloc(0)
  socket.on("data", (chunk: Buffer) => {
    let rest: Buffer = chunk
    if (missing === undefined) {
      rest = head.length === 0 ? chunk : Buffer.concat([head, chunk])
      const end = rest.indexOf(headEnd)
      if (end < 0) {
        head = Buffer.from(rest)
        return
      }
      const text = rest.toString("latin1", 0, end)
      const length = /content-length: (\d+)/iu.exec(text)?.[1]
      if (!text.startsWith("HTTP/1.1 200")) return fail(text.split("\r\n")[0] ?? "no HTTP")
      if (length === undefined) return fail("an answer without its length")
      missing = Number(length)
      head = Buffer.alloc(0)
      rest = rest.subarray(end + headEnd.length)
    }
    missing -= rest.length
    if (missing > 0) return
    missing = undefined
    done += 1
    latencies.push(performance.now() - sentAt)
    next()
  })
  socket.once("connect", next)
}

started = performance.now()
for (let n = 0; n < connections; n++) run()

setTimeout(() => {
  stopped = true
  const seconds = (performance.now() - started) / 1000
  latencies.sort((a, b) => a - b)
  const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0
  console.log(JSON.stringify({ perSecond: done / seconds, p50: at(0.5), p99: at(0.99) }))
  process.exit(0)
}, milliseconds)
