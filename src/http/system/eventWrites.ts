/**
 * Writing to the log: `new_event` and `POST /api/v1/events`. Every answer comes after the fsync.
 *
 * A POST is one JSON object, an array, or NDJSON. NDJSON is a stream: its lines are stored as they come and answered as
 * they are stored, so a body of any length takes the memory of one chunk.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { httpSource } from "../../services/events/Event.ts"
import {
  type Checked,
  checkInput,
  type InputResult,
  type InputRules,
  type Origin,
  parseJson,
  resultsOf,
  toRuns
} from "../../services/events/EventInput.ts"
import type { EventLog } from "../../services/events/EventLog.ts"
import { LineSplitter, type SplitLine } from "../../services/events/LineSplitter.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { bodyOf, readBody } from "../edge/readBody.ts"
import type { Handler } from "../edge/routes.ts"
import { orStoreFailure, storeFailure } from "./failures.ts"

export interface EventWriteOptions extends InputRules {
  /** A JSON object or array, or one line of NDJSON; asked at each use, for a reload may change it. */
  readonly bodyMaxBytes: () => number
}

/** Events of one array: they are one transaction, which everyone else waits for. */
const arrayMax = 10_000

/** Events checked before others get their turn: some 2 ms. */
const sliceMax = 500

const recorded = HttpServerResponse.empty({ status: 200, headers: { "content-length": "0" } })

const answered = { onFailure: storeFailure, onSuccess: () => recorded }

export const makeEventWrites = (log: EventLog["Service"], options: EventWriteOptions) => {
  const newEvent: Handler = (call) =>
    Effect.flatMap(Clock.currentTimeNanos, (receivedAt) => {
      const message = call.query.get("message") ?? ""
      if (Buffer.byteLength(message) > options.messageMaxBytes) {
        return Effect.fail(failure(413, `message: larger than the ${options.messageMaxBytes} bytes allowed`))
      }
      const run = { receivedAt, source: httpSource, who: call.who, level: "info" as const, fields: undefined }
      return Effect.mapBoth(log.append([{ ...run, messages: [message] }]), answered)
    })

  const originOf = (call: Call): Effect.Effect<Origin> =>
    Effect.map(Clock.currentTimeNanos, (receivedAt) => ({ receivedAt, who: call.who }))

  const store = (inputs: ReadonlyArray<Checked>) => {
    const runs = toRuns(inputs)
    return Effect.when(
      orStoreFailure(log.append(runs)),
      Effect.sync(() => runs.length > 0)
    ).pipe(Effect.map(Option.getOrUndefined))
  }

  const addOne = Effect.fnUntraced(function* (value: unknown, origin: Origin) {
    const input = checkInput(value, options, origin)
    if (Result.isFailure(input)) return yield* failure(input.failure.code, input.failure.error)
    return resultsOf([input], yield* store([input]), () => 1)[0]
  })

  const addMany = Effect.fnUntraced(function* (values: ReadonlyArray<unknown>, origin: Origin) {
    if (values.length > arrayMax) {
      return yield* failure(
        413,
        `body: ${values.length} events, allowed: ${arrayMax} in an array; NDJSON takes any number`
      )
    }
    const inputs: Array<Checked> = []
    for (let i = 0; i < values.length; i += sliceMax) {
      for (const value of values.slice(i, i + sliceMax)) inputs.push(checkInput(value, options, origin))
      yield* Effect.yieldNow
    }
    return resultsOf(inputs, yield* store(inputs), (i) => i + 1)
  })

  const addLines = (call: Call): Stream.Stream<Uint8Array> =>
    Stream.suspend(() => {
      const lineMaxBytes = options.bodyMaxBytes()
      const splitter = new LineSplitter(lineMaxBytes)
      let line = 0
      const checkLine = ({ text, tooLong }: SplitLine, origin: Origin): Checked => {
        if (tooLong) return Result.fail({ code: 413, error: `line: longer than the ${lineMaxBytes} bytes allowed` })
        const parsed = parseJson(text)
        return Result.isSuccess(parsed) ? checkInput(parsed.success, options, origin) : Result.fail(parsed.failure)
      }
      const storeLines = Effect.fnUntraced(function* (split: ReadonlyArray<SplitLine>) {
        const origin = yield* originOf(call)
        const inputs: Array<Checked> = []
        const numbers: Array<number> = []
        const lineOf = (i: number) => numbers[i] ?? 0
        for (const each of split) {
          line += 1
          if (!each.tooLong && each.text.trim() === "") continue
          inputs.push(checkLine(each, origin))
          numbers.push(line)
        }
        if (inputs.length === 0) return nothing
        const results = yield* Effect.match(store(inputs), {
          onSuccess: (stored) => resultsOf(inputs, stored, lineOf),
          // The answer has begun: what could not be stored is told line by line, and a client may send those again.
          onFailure: ({ message, status }) => refused(inputs, lineOf, status, message)
        })
        return Buffer.from(results.map(resultLine).join(""))
      })
      const lines = Stream.concat(
        Stream.map(bodyOf(call), (chunk) => splitter.push(chunk)),
        Stream.suspend(() => Stream.succeed(splitter.end()))
      )
      return lines.pipe(
        Stream.mapEffect(storeLines),
        Stream.filter((answer) => answer.length > 0),
        Stream.catch(({ message, status }: HttpFailure) =>
          Stream.sync(() => Buffer.from(`${JSON.stringify({ line, code: status, error: message })}\n`))
        )
      )
    })

  const add: Handler = (call) => {
    if (call.header("content-type")?.includes("ndjson") === true) {
      return Effect.succeed(HttpServerResponse.stream(addLines(call), { contentType: "application/x-ndjson" }))
    }
    return Effect.gen(function* () {
      const parsed = parseJson((yield* readBody(call, options.bodyMaxBytes())).toString())
      if (Result.isFailure(parsed)) {
        return yield* failure(400, `body: ${parsed.failure.error} (NDJSON needs Content-Type: application/x-ndjson)`)
      }
      const origin = yield* originOf(call)
      const result = Array.isArray(parsed.success)
        ? yield* addMany(parsed.success, origin)
        : yield* addOne(parsed.success, origin)
      return HttpServerResponse.text(`${JSON.stringify(result)}\n`, { contentType: "application/json" })
    })
  }

  return { newEvent, add }
}

const nothing = Buffer.alloc(0)

const resultLine = (result: InputResult): string =>
  "seq" in result ? `{"seq":${result.seq}}\n` : `${JSON.stringify(result)}\n`

const refused = (
  inputs: ReadonlyArray<Checked>,
  lineOf: (index: number) => number,
  code: number,
  error: string
): ReadonlyArray<InputResult> =>
  inputs.map((input, i) => ({ line: lineOf(i), ...(Result.isFailure(input) ? input.failure : { code, error }) }))
