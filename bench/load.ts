/**
 * The load generator, a process of its own: keeps `connections` sockets busy with one request after another for
 * `seconds`, after a warm-up, and prints what came of it as one line of JSON. It reads just enough HTTP to know where an
 * answer ends, into one buffer for all sockets, so that it costs less than the servers it measures (it says how busy it
 * was). Anything but a 200, or the status that is asked for, ends it with an error, as does an event that was refused: a
 * fast failure is no speed.
 */
import { readFileSync } from "node:fs"
import { connect } from "node:net"

export interface LoadOptions {
  readonly url: string
  readonly connections: number
  readonly seconds: number
  /** POST the content of this file, of this type. */
  readonly body?: { readonly file: string; readonly type: string }
  readonly authorization?: string
  /** Of every answer; default: 200. */
  readonly status?: number
  /** `{n}` in the URL becomes a number below this, another one for each request. */
  readonly below?: number
}

export interface LoadReport {
  readonly perSecond: number
  /** Answers, those of the warm-up included. */
  readonly total: number
  /** In milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Share of its core the generator used: near 1, it and not the server was the limit. */
  readonly busy: number
}

const warmUpMs = 300

/** Longer answers are always parsed. */
const learnBytesMax = 4096

/** Requests made beforehand where each is to be another. */
const variants = 4096

const headEnd = Buffer.from("\r\n\r\n")
const chunkedEnd = Buffer.from("0\r\n\r\n")

const main = ({ authorization, below, body, connections, seconds, status = 200, url: address }: LoadOptions): void => {
  const url = new URL(address)
  const target = decodeURI(url.pathname + url.search)
  const payload = body === undefined ? Buffer.alloc(0) : readFileSync(body.file)
  const credentials = authorization === undefined ? "" : `Authorization: ${authorization}\r\n`
  const head =
    credentials + (body === undefined ? "" : `Content-Type: ${body.type}\r\nContent-Length: ${payload.length}\r\n`)
  const requestOf = (target: string) =>
    Buffer.concat([
      Buffer.from(`${body === undefined ? "GET" : "POST"} ${target} HTTP/1.1\r\nHost: ${url.host}\r\n${head}\r\n`),
      payload
    ])
  const requests =
    below === undefined
      ? [requestOf(target)]
      : Array.from({ length: variants }, () =>
          requestOf(target.replace("{n}", String(Math.floor(Math.random() * below))))
        )
  const buffer = Buffer.allocUnsafe(256 * 1024)
  const latencies: Array<number> = []
  let turn = 0
  let total = 0
  let measuring = false
  let stopped = false

  const fail = (reason: string): void => {
    console.error(`${address}: ${reason}`)
    process.exit(1)
  }

  const run = (): void => {
    let sentAt = 0
    /** Bytes of the answer still to come; undefined while its head is read. */
    let missing: number | undefined
    /** Chunked: what the last piece ended with. */
    let ending: Buffer | undefined
    let head = Buffer.alloc(0)
    /** The size of the last whole answer that came in one piece. */
    let learnt = 0

    const next = () => {
      if (stopped) return
      sentAt = performance.now()
      turn = (turn + 1) % requests.length
      socket.write(requests[turn] ?? "")
    }
    const answered = () => {
      total += 1
      if (measuring) latencies.push(performance.now() - sentAt)
      missing = undefined
      ending = undefined
      next()
    }
    const readChunks = (piece: Buffer) => {
      if (body !== undefined && piece.includes('"error"')) return fail(piece.toString("latin1").slice(0, 500))
      ending = Buffer.concat([ending ?? Buffer.alloc(0), piece.subarray(-chunkedEnd.length)]).subarray(
        -chunkedEnd.length
      )
      if (ending.equals(chunkedEnd)) answered()
    }
    const read = (size: number) => {
      const chunk = buffer.subarray(0, size)
      if (ending !== undefined) return readChunks(chunk)
      // "HTTP/1.1 20…": the same size as the answer before, and well.
      if (missing === undefined && size === learnt && chunk[9] === 0x32 && chunk[10] === 0x30) return answered()
      let rest = chunk
      if (missing === undefined) {
        rest = head.length === 0 ? chunk : Buffer.concat([head, chunk])
        const end = rest.indexOf(headEnd)
        if (end < 0) {
          head = Buffer.from(rest)
          return
        }
        const text = rest.toString("latin1", 0, end)
        if (!text.startsWith(`HTTP/1.1 ${status}`)) return fail(rest.toString("latin1").slice(0, 500))
        const length = /content-length: (\d+)/iu.exec(text)?.[1]
        const whole = end + headEnd.length
        head = Buffer.alloc(0)
        if (length === undefined) {
          if (!/transfer-encoding: chunked/iu.test(text)) return fail("an answer without its length")
          return readChunks(rest.subarray(whole))
        }
        missing = Number(length)
        learnt = rest === chunk && whole + missing === size && size <= learnBytesMax ? size : 0
        rest = rest.subarray(whole)
      }
      missing -= rest.length
      if (missing <= 0) answered()
    }
    const socket = connect({
      port: Number(url.port),
      host: url.hostname,
      noDelay: true,
      onread: {
        buffer,
        callback: (size) => {
          read(size)
          return true
        }
      }
    })
    socket.on("error", (error) => fail(error.message))
    socket.on("close", () => stopped || fail("the connection was closed"))
    socket.once("connect", next)
  }

  for (let n = 0; n < connections; n++) run()

  setTimeout(() => {
    measuring = true
    const started = performance.now()
    const cpu = process.cpuUsage()
    setTimeout(() => {
      stopped = true
      const ms = performance.now() - started
      const { system, user } = process.cpuUsage(cpu)
      latencies.sort((a, b) => a - b)
      const at = (share: number) => latencies[Math.floor(latencies.length * share)] ?? Number.NaN
      const report: LoadReport = {
        perSecond: (latencies.length * 1000) / ms,
        total,
        p50: at(0.5),
        p99: at(0.99),
        busy: (user + system) / 1000 / ms
      }
      console.log(JSON.stringify(report))
      process.exit(0)
    }, seconds * 1000)
  }, warmUpMs)
}

const options: LoadOptions = JSON.parse(process.argv[2] ?? "null")
main(options)
