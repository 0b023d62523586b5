/**
 * Followers of the log over server-sent events, a process of its own. `measure` notes for each event how long ago it was
 * written; `drain` only takes what comes; `stuck` asks for the whole log and never reads. It tells when all are connected,
 * and answers each message with what has come until then.
 */
import { connect } from "node:net"
import { stampMark } from "./stamp.ts"

export type Mode = "measure" | "drain" | "stuck"

export interface ReadersReport {
  /** Those of all followers together whose time was noted. */
  readonly events: number
  /** In milliseconds. */
  readonly p99: number
  /** Bytes of the follower that has the fewest. */
  readonly fewest: number
}

const [mode = "", address = "", countText = "1"] = process.argv.slice(2)
const url = new URL(`${address}/api/v1/events/stream${mode === "stuck" ? "?after=0" : ""}`)
const request = `GET ${url.pathname}${url.search} HTTP/1.1\r\nHost: ${url.host}\r\n\r\n`
const count = Number(countText)

const mark = Buffer.from(stampMark)
const zero = "0".charCodeAt(0)
const newline = "\n".charCodeAt(0)

/** One for all sockets: what has come is looked at before the next piece does. */
const buffer = Buffer.allocUnsafe(65_536)

const latencies: Array<number> = []
const received = new Float64Array(count)
let connected = 0

const isConnected = (): void => {
  connected += 1
  if (connected === count) process.send?.("connected")
}

/** A stamp in ms, from the digits at this place. */
const stampAt = (chunk: Buffer, start: number): number => {
  let value = 0
  for (let at = start; ; at++) {
    const digit = (chunk[at] ?? 0) - zero
    if (digit < 0 || digit > 9) return value / 1e6
    value = value * 10 + digit
  }
}

/** Notes the stamps of whole lines; gives what is left. */
const note = (text: Buffer, now: number): Buffer => {
  const end = text.lastIndexOf(newline) + 1
  const whole = text.subarray(0, end)
  for (let at = whole.indexOf(mark); at >= 0; at = whole.indexOf(mark, at + mark.length)) {
    latencies.push(now - stampAt(whole, at + mark.length))
  }
  return Buffer.from(text.subarray(end))
}

const reader = (index: number) => {
  let rest: Buffer = Buffer.alloc(0)
  return (size: number): boolean => {
    const chunk = buffer.subarray(0, size)
    if (received[index] === 0) {
      if (!chunk.toString("latin1").startsWith("HTTP/1.1 200")) throw new Error(chunk.toString("latin1"))
      isConnected()
    }
    received[index] = (received[index] ?? 0) + size
    if (mode === "measure") {
      const now = Number(process.hrtime.bigint()) / 1e6
      rest = note(rest.length === 0 ? chunk : Buffer.concat([rest, chunk]), now)
    }
    return true
  }
}

const follow = (index: number): void => {
  const to = { port: Number(url.port), host: url.hostname }
  const isStuck = mode === "stuck"
  const socket = connect(isStuck ? to : { ...to, onread: { buffer, callback: reader(index) } })
  socket.on("error", (error) => {
    throw error
  })
  socket.once("connect", () => {
    socket.write(request)
    // Nothing is read that could tell that the daemon has begun.
    if (isStuck) isConnected()
  })
  if (isStuck) socket.pause()
}

process.on("message", () => {
  latencies.sort((a, b) => a - b)
  const report: ReadersReport = {
    events: latencies.length,
    p99: latencies[Math.floor(latencies.length * 0.99)] ?? Number.NaN,
    fewest: received.reduce((least, bytes) => Math.min(least, bytes), Infinity)
  }
  process.send?.(report)
})
process.on("disconnect", () => process.exit(0))

for (let index = 0; index < count; index++) follow(index)
