/**
 * Judges what came back for a script against a strict reading of it, and keeps account of every event that was
 * acknowledged or may have been taken: nothing else may be in the log.
 */
import type { Played } from "./httpClient.ts"
import { type ReadAnswer, readAnswers, type ReadRequest, readRequests, valuesOf } from "./httpReading.ts"
import type { Script } from "./httpRequests.ts"

export interface StoredEvent {
  readonly seq: number
  readonly source: string
  readonly message: string
}

/** 500 is never right, but where the contract has it as an answer to what the client or the command did. */
const documented: ReadonlyArray<readonly [status: number, message: RegExp]> = [
  [500, /^Failed to execute action: fail - error: exit status 3$/u],
  [500, /^Failed to read content from payload$/u],
  [501, /^Basic auth is not configured/u],
  [501, /^Of transfer codings only chunked is known$/u],
  [503, /^All connections are busy$/u],
  [505, /^Only HTTP\/1\.0 and HTTP\/1\.1 are spoken here$/u]
]

/** Somewhat less than the two seconds of the listener's limit: its clock and ours start apart. */
const halfClosedMs = 1500

const isNewEvent = (answer: ReadAnswer): boolean =>
  answer.status === 200 && answer.body.length === 0 && valuesOf(answer.headers, "content-type").length === 0

const isNdjson = ({ headers }: ReadRequest): boolean =>
  valuesOf(headers, "content-type").some((type) => type.includes("ndjson"))

const add = (counts: Map<string, number>, message: string, times = 1) =>
  counts.set(message, (counts.get(message) ?? 0) + times)

const parse = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const messageOf = (event: unknown): string | undefined => {
  const message: unknown = typeof event === "object" && event !== null ? Reflect.get(event, "message") : undefined
  return typeof message === "string" ? message.toWellFormed() : undefined
}

const seqOf = (result: unknown): number | undefined => {
  const seq: unknown = typeof result === "object" && result !== null ? Reflect.get(result, "seq") : undefined
  return typeof seq === "number" ? seq : undefined
}

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [value])

/** The events of a body, as its sender numbers them; of NDJSON those of the lines that are not blank. */
const eventsIn = (request: ReadRequest, body: Buffer): ReadonlyArray<unknown> => {
  if (!isNdjson(request)) return listOf(parse(body.toString()))
  return body
    .toString()
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map(parse)
}

export class Account {
  requests = 0
  answers = 0
  readonly statuses = new Map<number, number>()
  /** By its seq: what the answer named. */
  readonly #bySeq = new Map<number, string>()
  /** Acknowledged without a seq. */
  readonly #acknowledged = new Map<string, number>()
  /** Whoever sent these had no answer. */
  readonly #possible = new Map<string, number>()

  /** Throws where an answer is none, is one too many, or says what it should not. */
  judge(script: Script, played: Played): void {
    const { received } = played
    // Whoever has closed its side is waited for until the daemon gives it up, which a busy machine can come to see.
    const left = played.left || (script.ending === "half-close" && played.tookMs >= halfClosedMs)
    this.requests += script.requests
    const read = readRequests(script.bytes)
    const answers = readAnswers(received, read.requests)
    const most = read.requests.length + (read.faulty ? 1 : 0)
    if (answers.length > most) throw new Error(`${answers.length} answers to ${most} requests: ${shown(answers)}`)
    if (script.sound && !left && answers.length !== script.requests) {
      throw new Error(`${answers.length} answers to ${script.requests} requests: ${shown(answers)}`)
    }
    answers.forEach((answer, index) => {
      const request = read.requests[index]
      const isLast = index === answers.length - 1
      if (!answer.whole && (!isLast || !(left || request?.body === undefined || isEndless(request)))) {
        throw new Error(`an answer is cut: ${shown(answers)}`)
      }
      if (answer.whole) this.#judge(request, answer)
    })
    // What follows an answer that closes the connection is not to be looked at.
    const closing = answers.findIndex((answer) => valuesOf(answer.headers, "connection").includes("close"))
    const served = closing === -1 ? read.requests : read.requests.slice(0, closing + 1)
    served.forEach((request, index) => this.#account(request, answers[index]))
  }

  #judge(request: ReadRequest | undefined, { body, headers, status }: ReadAnswer): void {
    this.answers += 1
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1)
    const says = `${status} to ${request?.method} ${request?.target.slice(0, 200)}: ${body.toString().slice(0, 200)}`
    if (request === undefined && status < 400) throw new Error(`served what is no request: ${says}`)
    if (request?.method === "HEAD") return
    if (status >= 400) {
      const error = parse(body.toString())
      const [code, message] =
        typeof error === "object" && error !== null ? [Reflect.get(error, "code"), Reflect.get(error, "message")] : []
      if (code !== status || typeof message !== "string") throw new Error(`no error of ours: ${says}`)
      if (!valuesOf(headers, "content-type").includes("application/json")) throw new Error(`no JSON: ${says}`)
      if (status >= 500 && !documented.some(([code, text]) => code === status && text.test(message)))
        throw new Error(says)
    } else if (request?.method === "POST" && request.body === undefined && !isNdjson(request)) {
      throw new Error(`took half of a body for the whole: ${says}`)
    }
  }

  #account(request: ReadRequest, answer: ReadAnswer | undefined): void {
    const query = request.target.includes("?") ? request.target.slice(request.target.indexOf("?") + 1) : ""
    if (request.method === "GET") {
      const message = new URLSearchParams(query).get("message") ?? ""
      if (answer?.whole === true && isNewEvent(answer)) add(this.#acknowledged, message)
      // A fault in its body, which nobody had asked for, may show only when the event is on its way.
      else if (answer?.whole !== true || request.body === undefined) add(this.#possible, message)
    } else if (request.method === "POST") {
      const results = answer?.whole === true ? resultsOf(request, answer) : []
      const events = eventsIn(request, request.begun)
      results.forEach((result, index) => {
        const seq = seqOf(result)
        if (seq === undefined) return
        const message = messageOf(events[index])
        if (message !== undefined) this.#bySeq.set(seq, message)
      })
      // What was answered before the fault is settled by its seq; the rest may be stored all the same.
      if (answer?.whole !== true || request.body === undefined) {
        for (const event of events) {
          const message = messageOf(event)
          if (message !== undefined) add(this.#possible, message)
        }
      }
    }
  }

  /** A request of a client that speaks HTTP/2; without a status it was cut. */
  event(message: string, status: number | undefined): void {
    if (status === 200) add(this.#acknowledged, message)
    else if (status === undefined) add(this.#possible, message)
  }

  /** What is acknowledged is there once, as it was sent; what is there was sent. */
  settle(stored: ReadonlyArray<StoredEvent>): void {
    stored.forEach(({ seq }, index) => {
      if (seq <= (stored[index - 1]?.seq ?? 0)) throw new Error(`the log is out of order at ${seq}`)
    })
    const owed = new Map(this.#acknowledged)
    const bySeq = new Map(this.#bySeq)
    for (const { message, seq, source } of stored) {
      if (source !== "http") continue
      const named = bySeq.get(seq)
      bySeq.delete(seq)
      if (named !== undefined) {
        if (named !== message)
          throw new Error(`event ${seq} is ${JSON.stringify(message)}, was ${JSON.stringify(named)}`)
      } else if ((owed.get(message) ?? 0) > 0) add(owed, message, -1)
      else if ((this.#possible.get(message) ?? 0) > 0) add(this.#possible, message, -1)
      else throw new Error(`nobody sent event ${seq}: ${JSON.stringify(message.slice(0, 300))}`)
    }
    const lost = [...[...owed].filter(([, count]) => count > 0).map(([message]) => message), ...bySeq.values()]
    if (lost.length > 0) throw new Error(`acknowledged and not there: ${JSON.stringify(lost.slice(0, 5))}`)
  }
}

const isEndless = ({ target }: ReadRequest): boolean => target.includes("stream")

/** One result for each event that was sent; an error of the whole is none. */
const resultsOf = (request: ReadRequest, { body, status }: ReadAnswer): ReadonlyArray<unknown> => {
  if (status !== 200) return []
  const text = body.toString()
  return isNdjson(request) ? text.split("\n").slice(0, -1).map(parse) : listOf(parse(text))
}

const shown = (answers: ReadonlyArray<ReadAnswer>): string =>
  answers
    .map(({ body, status, whole }) => `${status}${whole ? "" : " (cut)"} ${body.toString().slice(0, 100)}`)
    .join(" | ")
