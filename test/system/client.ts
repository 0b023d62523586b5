/**
 * The daemon's users: curl with its whole answer taken apart, node's HTTP client with a connection kept alive, and bare
 * sockets for those who do not speak HTTP as they should.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import * as Schema from "effect/Schema"
import { once } from "node:events"
import * as Http from "node:http"
import * as Net from "node:net"
import { join } from "node:path"
import { execute, run, type CommandResult } from "./support.ts"

export interface Answer {
  readonly status: number
  /** Lower-case names; of a name given twice both, joined by a comma. */
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}

/** curl itself; `--max-time` keeps a hanging server from hanging the tests. */
export const curlRaw = (...args: ReadonlyArray<string>): Effect.Effect<CommandResult> =>
  execute("curl", ["-sS", "--max-time", "50", ...args])

/** curl with its answer taken apart; a failure of curl's own fails the test. */
export const curl = (...args: ReadonlyArray<string>): Effect.Effect<Answer> =>
  Effect.map(curlRaw("-i", ...args), ({ code, err, out }) => {
    if (code !== 0) throw new Error(`curl ${args.join(" ")}: exit ${code}: ${err}`)
    return parseAnswer(out)
  })

/** Takes apart one answer as it goes over the wire; interim ones (100 Continue) before it are skipped. */
export const parseAnswer = (text: string): Answer => {
  const end = text.indexOf("\r\n\r\n")
  const [first = "", ...lines] = text.slice(0, end).split("\r\n")
  const status = Number(/^HTTP\/[\d.]+ (\d{3})/u.exec(first)?.[1] ?? 0)
  const rest = text.slice(end + 4)
  if (status >= 100 && status < 200) return parseAnswer(rest)
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(":")
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`
  }
  return { status, headers, body: rest }
}

export interface RequestOptions {
  readonly method?: string
  readonly headers?: Http.OutgoingHttpHeaders
  readonly body?: string | Uint8Array
  readonly agent?: Http.Agent
}

/** One request by node's client; dies when there is no whole answer. */
export const request = (url: string, options: RequestOptions = {}): Effect.Effect<Answer> =>
  Effect.orDie(tryRequest(url, options))

export class NoAnswer extends Schema.TaggedError<NoAnswer>()("NoAnswer", { message: Schema.String }) {}

/** The same for a server that may die meanwhile: fails when there is no whole answer. */
export const tryRequest = (
  url: string,
  { agent, body, headers = {}, method = body === undefined ? "GET" : "POST" }: RequestOptions = {}
): Effect.Effect<Answer, NoAnswer> =>
  Effect.callback((resume) => {
    const fail = ({ message }: { readonly message: string }) => resume(Effect.fail(new NoAnswer({ message })))
    const sent = Http.request(
      url,
      { method, headers, ...(agent === undefined ? {} : { agent }), maxHeaderSize: 1 << 20 },
      (answer) => {
        const chunks: Array<Buffer> = []
        answer.on("data", (chunk: Buffer) => chunks.push(chunk))
        answer.on("error", fail)
        answer.on("close", () => {
          if (!answer.complete) return fail({ message: "the answer ended early" })
          const fields = Object.entries(answer.headers).map(([name, value]) => [name, String(value)] as const)
          resume(
            Effect.succeed({
              status: answer.statusCode ?? 0,
              headers: Object.fromEntries(fields),
              body: Buffer.concat(chunks).toString()
            })
          )
        })
      }
    )
    sent.on("error", fail)
    sent.end(body)
    return Effect.sync(() => sent.destroy())
  })

/** A connection that is kept for the next request. */
export const keepAlive: Effect.Effect<Http.Agent, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => new Http.Agent({ keepAlive: true, maxSockets: 1 })),
  (agent) => Effect.sync(() => agent.destroy())
)

/** A socket that remembers what it received. */
export interface Line {
  readonly socket: Net.Socket
  readonly send: (data: string | Uint8Array) => void
  readonly text: () => string
  /** Waits until what was received fits. */
  readonly until: (fits: (text: string) => boolean) => Effect.Effect<string>
  /** Waits for the end of the connection and gives all that was received. */
  readonly closed: Effect.Effect<string>
}

export const listenTo = (socket: Net.Socket): Line => {
  const chunks: Array<Buffer> = []
  const text = () => Buffer.concat(chunks).toString("latin1")
  let isClosed = false
  socket.on("data", (chunk: Buffer) => chunks.push(chunk))
  socket.on("error", () => {})
  socket.once("close", () => {
    isClosed = true
  })
  return {
    socket,
    send: (data) => void socket.write(data),
    text,
    until: (fits) =>
      Effect.callback<string>((resume) => {
        const look = () => {
          if (fits(text())) resume(Effect.succeed(text()))
          else if (isClosed) resume(Effect.die(new Error(`the connection ended after: ${text()}`)))
        }
        socket.on("data", look)
        socket.on("close", look)
        look()
        return Effect.sync(() => {
          socket.off("data", look)
          socket.off("close", look)
        })
      }),
    closed: Effect.callback<string>((resume) => {
      const done = () => resume(Effect.succeed(text()))
      if (isClosed) done()
      else socket.once("close", done)
      return Effect.sync(() => socket.off("close", done))
    })
  }
}

export const connect = (options: Net.NetConnectOpts): Effect.Effect<Line, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const socket = Net.connect(options)
      await once(socket, "connect")
      return socket
    }),
    (socket) => Effect.sync(() => socket.destroy())
  ).pipe(Effect.map(listenTo))

/** Sends bytes as they are on a connection of their own, and gives what came back until its end. */
export const exchange = (port: number, bytes: string | Uint8Array): Effect.Effect<string> =>
  Effect.scoped(
    Effect.flatMap(connect({ host: "127.0.0.1", port }), (line) => {
      line.send(bytes)
      return line.closed
    })
  )

/** The event log as people read it: without the times, which differ. */
export const messages = (logs: string): ReadonlyArray<string> =>
  logs
    .split("\n")
    .slice(0, -1)
    .map((line) => {
      const [time = "", message] = splitOnce(line, " \t ")
      if (message === undefined || !/^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$/u.test(time)) {
        throw new Error(`not a line of /logs: ${JSON.stringify(line)}`)
      }
      return message
    })

const splitOnce = (text: string, by: string): ReadonlyArray<string> => {
  const at = text.indexOf(by)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + by.length)]
}

export const logsOf = (url: string): Effect.Effect<ReadonlyArray<string>> =>
  Effect.map(request(`${url}/logs`), ({ body, status }) => {
    if (status !== 200) throw new Error(`/logs: ${status} ${body}`)
    return messages(body)
  })

export const jsonOf = ({ body }: Answer): unknown => JSON.parse(body)

const Output = Schema.Struct({
  head: Schema.String,
  tail: Schema.String,
  bytes: Schema.Int,
  sha256: Schema.String,
  truncated: Schema.Boolean
})

/** What a POST of an action answers, to the letter: one key more or less is a change of the contract. */
const ActionResult = Schema.Struct({
  action: Schema.String,
  success: Schema.Boolean,
  exit_code: Schema.NullOr(Schema.Int),
  signal: Schema.NullOr(Schema.String),
  timed_out: Schema.Boolean,
  started_at: Schema.String,
  duration_ms: Schema.Finite,
  stdout: Output,
  stderr: Output
})

const decodeResult = Schema.decodeUnknownSync(Schema.fromJsonString(ActionResult), { onExcessProperty: "error" })

export const resultOf = (answer: Answer): typeof ActionResult.Type => {
  if (answer.status !== 200) throw new Error(`${answer.status} ${answer.body}`)
  return decodeResult(answer.body)
}

const Recorded = Schema.Struct({
  seq: Schema.Int,
  received_at: Schema.String,
  source: Schema.String,
  who: Schema.optionalKey(Schema.String),
  level: Schema.String,
  message: Schema.String,
  fields: Schema.optionalKey(Schema.Record(Schema.String, Schema.Unknown))
})

const decodeEvents = Schema.decodeUnknownSync(Schema.fromJsonString(Schema.Array(Recorded)), {
  onExcessProperty: "error"
})

/** The newest thousand events with all they have. */
export const eventsOf = (url: string, query = "tail=1000"): Effect.Effect<ReadonlyArray<typeof Recorded.Type>> =>
  Effect.map(request(`${url}/api/v1/events?${query}`), ({ body, status }) => {
    if (status !== 200) throw new Error(`/api/v1/events: ${status} ${body}`)
    return decodeEvents(body)
  })

const SeqOnly = Schema.fromJsonString(Schema.Struct({ seq: Schema.Int }))
const decodeSeq = Schema.decodeUnknownSync(SeqOnly)

/** The store of a daemon in this folder, its audit entries included, which readers over HTTP are not shown. */
export const assertGapless = (folder: string): Effect.Effect<void> =>
  Effect.map(
    run({ folder, args: ["events", "export", "--store", join(folder, "systemapi-state")] }),
    ({ code, err, out }) => {
      if (code !== 0) throw new Error(`events export: exit ${code}: ${err}`)
      const lines = out.split("\n").slice(0, -1)
      lines.forEach((line, index) => {
        const { seq } = decodeSeq(line)
        if (seq !== index + 1) throw new Error(`the log has a gap before ${seq}`)
      })
    }
  )
