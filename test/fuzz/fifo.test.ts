/** Bytes of every kind through the FIFO: what is recorded is what the contract says, whoever wrote it and however cut. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as TestClock from "effect/testing/TestClock"
import { open } from "node:fs/promises"
import { join } from "node:path"
import { ActorUnavailable } from "../../src/services/ActorUnavailable.ts"
import type { EventRun } from "../../src/services/events/Event.ts"
import { type AppendError, StoreFull } from "../../src/services/events/EventLog.ts"
import { noLines } from "../../src/services/fifo/LineCounts.ts"
import { timeAt } from "../../src/services/events/Event.ts"
import { LineFramer, type LineOptions, type LineRun } from "../../src/services/fifo/LineFramer.ts"
import * as LineRecorder from "../../src/services/fifo/LineRecorder.ts"
import { makeFakeLog } from "../services/fifo/support.ts"
import { request } from "../system/client.ts"
import { eventually, start } from "../system/support.ts"
import { type Case, cases, failed, patience, some } from "./cases.ts"
import { bytesOf, type Chunk, chunksOf, type Expected, expected, type Recorded } from "./fifoModel.ts"
import type { Random } from "./random.ts"

const all = cases(20_000)

const optionsOf = (random: Random): LineOptions => ({
  trim: random.percent(40),
  skipEmpty: random.percent(40),
  givenTime: random.percent(40),
  lineMaxBytes: random.pick([4, 5, 7, 16, 64, 200])
})

interface Tried {
  readonly options: LineOptions
  readonly chunks: ReadonlyArray<Chunk>
  readonly flushedAtMs: number
  readonly model: Expected
}

const tried = (random: Random): Tried => {
  const options = optionsOf(random)
  const chunks = chunksOf(random, bytesOf(random, options.lineMaxBytes))
  const flushedAtMs = (chunks.at(-1)?.nowMs ?? 0) + random.below(5000)
  return { options, chunks, flushedAtMs, model: expected(options, chunks, flushedAtMs) }
}

const flat = (
  runs: ReadonlyArray<Pick<EventRun, "receivedAt" | "offsets" | "fields" | "messages">>
): ReadonlyArray<Recorded> =>
  runs.flatMap((run) =>
    run.messages.map((message, i) => ({ message, fields: run.fields, atMs: Number(timeAt(run, i) / 1_000_000n) }))
  )

/** Chai's own comparison looks at every pair; ten million of them are told apart faster as text. */
const assertSame = (each: Case, found: unknown, model: unknown) => {
  if (JSON.stringify(found) === JSON.stringify(model)) return
  assert.deepStrictEqual(found, model, failed(each, "not what the contract says").message)
}

/** A framer that is fed as the FIFO feeds it: from one buffer that the next chunk overwrites. */
const frame = ({ chunks, flushedAtMs, options }: Tried, take: (runs: ReadonlyArray<LineRun>) => void) => {
  const counts = noLines()
  const framer = new LineFramer(options, counts)
  const shared = Buffer.alloc(64 * 1024)
  for (const { bytes, nowMs } of chunks) {
    bytes.copy(shared)
    take(framer.push(shared.subarray(0, bytes.length), nowMs))
    shared.fill(0x23, 0, bytes.length)
  }
  take(framer.flush(flushedAtMs))
  return { counts, unfinished: framer.unfinishedBytes }
}

describe("bytes of a FIFO", () => {
  it(
    `make the events that the contract says, ${all.length} times`,
    () => {
      for (const each of all) {
        const input = tried(each.random())
        const runs: Array<LineRun> = []
        const { counts, unfinished } = frame(input, (more) => {
          // Lines of one time are one run: each costs the store a statement.
          for (let at = 1; at < more.length; at++) {
            const [before, after] = [more[at - 1], more[at]]
            if (before?.receivedAt === after?.receivedAt && before?.fields === after?.fields)
              throw failed(each, "two runs that differ in their messages only")
          }
          for (const run of more) runs.push(run)
        })
        const { cutLines, events, invalidLines, lines } = input.model
        assertSame(each, flat(runs), events)
        assertSame(each, counts, { lines, cutLines, invalidLines })
        assertSame(each, unfinished, 0)
      }
    },
    patience
  )

  const recorded = some(all, 1000)
  it.effect(
    `reach a log that refuses now and then, all of them and in order, ${recorded.length} times`,
    () =>
      Effect.gen(function* () {
        for (const each of recorded) yield* Effect.scoped(record(each))
      }),
    patience
  )

  const piped = some(all, 1500)
  it.live(
    `come through the daemon's own FIFOs from writers that come and go, ${piped.length} times`,
    () => pipe(piped),
    patience
  )
})

/** The log is full, restarting or slow by turns. */
const record = Effect.fnUntraced(function* (each: Case) {
  const random = each.random()
  const input = tried(random)
  const log = yield* makeFakeLog
  let refusals = 0
  let told = 0
  log.before = Effect.suspend((): Effect.Effect<void, AppendError> => {
    if (refusals < 5 && random.percent(40)) {
      refusals += 1
      return random.percent(50)
        ? new StoreFull({ reason: "full" })
        : new ActorUnavailable({ actor: "EventStore", reason: "restarting" })
    }
    return random.percent(50) ? Effect.yieldNow : Effect.void
  })
  const recorder = yield* Effect.provide(
    LineRecorder.make({ source: "pipe:test", onRoom: () => {}, onRefused: () => void (told += 1) }),
    log.layer
  )
  const pushed: Array<ReadonlyArray<LineRun>> = []
  frame(input, (runs) => pushed.push(runs))
  let offered = 0
  for (const runs of pushed) {
    for (const run of runs) offered += run.messages.length
    recorder.offer(runs)
    const { stored, waiting } = recorder.stats()
    assertSame(each, stored + waiting, offered)
    if (random.percent(50)) yield* Effect.yieldNow
  }
  const settling = yield* Effect.forkScoped(recorder.settled)
  while (settling.pollUnsafe() === undefined) yield* TestClock.adjust("2 seconds")
  assertSame(each, recorder.stats(), { stored: offered, waiting: 0, blocked: undefined })
  assertSame(each, told, refusals)
  const found: Array<Recorded> = []
  while (found.length < offered) found.push(...flat(yield* log.takeRuns))
  assertSame(each, found, input.model.events)
})

interface PipeChoice extends LineOptions {
  readonly source: string
}

const pipes: readonly [PipeChoice, ...ReadonlyArray<PipeChoice>] = [
  { source: "plain", trim: false, skipEmpty: false, givenTime: false, lineMaxBytes: 64 },
  { source: "trimmed", trim: true, skipEmpty: true, givenTime: false, lineMaxBytes: 100 },
  { source: "timed", trim: true, skipEmpty: false, givenTime: true, lineMaxBytes: 1000 }
]

const config = `[general]
listen_addr = "127.0.0.1:0"
pipe_file = ""
${pipes
  .map(
    (pipe) => `[[pipes]]
path = "${pipe.source}"
trim = ${pipe.trim}
skip_empty = ${pipe.skipEmpty}
given_time = ${pipe.givenTime}
line_max_bytes = ${pipe.lineMaxBytes}
`
  )
  .join("")}`

const Stored = Schema.fromJsonString(
  Schema.Struct({
    seq: Schema.Int,
    received_at: Schema.String,
    source: Schema.String,
    message: Schema.String,
    fields: Schema.optionalKey(Schema.Unknown)
  })
)
const decodeStored = Schema.decodeUnknownSync(Stored)

/** What has no time of its own has that of its arrival, which nobody can foretell. */
const untimed = ({ fields, message }: Recorded, given: boolean, atMs: number) => ({
  message,
  fields: fields === undefined ? undefined : JSON.parse(fields),
  atMs: given ? atMs : undefined
})

const pipe = Effect.fnUntraced(function* (piped: ReadonlyArray<Case>) {
  const { folder, stop, url } = yield* start({ config })
  const written = new Map<string, Array<Buffer>>(pipes.map(({ source }) => [source, []]))
  yield* Effect.promise(async () => {
    for (const each of piped) {
      const random = each.random()
      const { lineMaxBytes, source } = random.pick(pipes)
      const path = join(folder, source)
      const writers = await Promise.all(random.times(random.between(1, 3), () => open(path, "w")))
      for (const { bytes } of chunksOf(random, bytesOf(random, lineMaxBytes))) {
        // Writers do not wait for each other's lines to end, and a pipe has one order.
        const writer = writers[random.below(writers.length)]
        written.get(source)?.push(bytes)
        await writer?.appendFile(bytes)
      }
      // Whoever is in the middle of a line leaves without a word.
      for (const writer of writers) await writer.close()
    }
    for (const { source } of pipes) {
      const last = Buffer.from("\nthe end\n")
      written.get(source)?.push(last)
      const writer = await open(join(folder, source), "w")
      await writer.appendFile(last)
      await writer.close()
    }
  })
  const startedAt = Date.now()
  const models = pipes.map((options) => {
    const chunks = [{ bytes: Buffer.concat(written.get(options.source) ?? []), nowMs: startedAt }]
    return {
      source: `pipe:${options.source}`,
      bytes: chunks[0]?.bytes.length ?? 0,
      ...expected(options, chunks, startedAt)
    }
  })
  const sources = new Set(models.map(({ source }) => source))
  const total = models.reduce((sum, { lines }) => sum + lines, 0)
  let found: ReadonlyArray<typeof Stored.Type> = []
  const readAll = Effect.gen(function* () {
    const pages: Array<typeof Stored.Type> = []
    while (true) {
      const after = pages.at(-1)?.seq ?? 0
      const { body } = yield* request(`${url}/api/v1/events?after=${after}&limit=10000&format=ndjson`)
      if (body === "") return pages
      for (const line of body.split("\n")) if (line !== "") pages.push(decodeStored(line))
    }
  })
  yield* eventually(
    "every line is in the log",
    Effect.map(readAll, (pages) => {
      found = pages
      return pages.filter(({ source }) => sources.has(source)).length >= total
    })
  )
  found.forEach(({ seq }, index) => assert.strictEqual(seq, index + 1))
  const { body: metrics } = yield* request(`${url}/metrics`)
  for (const { bytes, cutLines, events: wanted, invalidLines, lines, source } of models) {
    const its = found.filter((event) => event.source === source)
    const timed = wanted.map((event) => untimed(event, event.atMs !== startedAt, event.atMs))
    assert.deepStrictEqual(
      its.map(({ fields, message, received_at }, index) =>
        untimed(
          { message, fields: fields === undefined ? undefined : JSON.stringify(fields), atMs: 0 },
          timed[index]?.atMs !== undefined,
          Date.parse(received_at)
        )
      ),
      timed
    )
    const counted = { bytes, lines, lines_cut: cutLines, lines_invalid: invalidLines }
    for (const [name, count] of Object.entries(counted)) {
      const line = `systemapi_pipe_${name}_total{pipe="${source.slice("pipe:".length)}"} ${count}\n`
      assert.include(metrics, line)
    }
  }
  assert.deepStrictEqual(yield* stop, { code: 0, signal: null })
}, Effect.scoped)
