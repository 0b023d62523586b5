/**
 * `systemapi events export|import`: the event log out of a store and into one, as NDJSON. Export reads beside a running
 * daemon and steps over what is damaged; import takes the daemon's place, so the daemon must be stopped. Both go page by
 * page, whatever the log's size.
 */
import * as NodeStream from "@effect/platform-node/NodeStream"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createReadStream } from "node:fs"
import { open } from "node:fs/promises"
import { storeDirectory } from "../services/config/environment.ts"
import { describeSchemaError } from "../services/describeSchemaError.ts"
import { type EventRun, Level } from "../services/events/Event.ts"
import { LineSplitter, type SplitLine } from "../services/events/LineSplitter.ts"
import { eventJson } from "../services/events/render.ts"
import { parseTime } from "../services/events/time.ts"
import { EventStorage } from "../services/storage/EventStorage.ts"
import { layerWorker } from "../services/storage/EventStorageWorker.ts"
import { EventTable } from "../services/storage/EventTable.ts"
import { openStoreReadOnly } from "../services/storage/openStore.ts"
import type { ExportOptions, ImportOptions } from "./Cli.ts"
import { readPast } from "./salvage.ts"

export class EventsCommandFailed extends Schema.TaggedError<EventsCommandFailed>()("EventsCommandFailed", {
  message: Schema.String
}) {}

const failed = (what: string) => (error: unknown) =>
  new EventsCommandFailed({ message: `${what}: ${error instanceof Error ? error.message : String(error)}` })

/** Events in one piece of an export. */
const pieceEvents = 5000

interface Output {
  readonly name: string
  readonly write: (text: string) => Promise<void>
}

/** Not opened by its path: `/dev/stdout` cannot be where it is a socket, and would cut off what `>>` appends to. */
const standardOutput: Effect.Effect<Output, never, Scope.Scope> = Effect.acquireRelease(
  Effect.sync(() => {
    // A reader that leaves is told through the callback of the write; the event would end the process.
    const onError = () => {}
    process.stdout.on("error", onError)
    const write = (text: string) =>
      new Promise<void>((resolve, reject) => {
        process.stdout.write(text, (error) => (error instanceof Error ? reject(error) : resolve()))
      })
    return { name: "standard output", write, onError }
  }),
  ({ onError }) => Effect.sync(() => process.stdout.off("error", onError))
)

const outputFile = (path: string): Effect.Effect<Output, EventsCommandFailed, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(Effect.tryPromise({ try: () => open(path, "w", 0o600), catch: failed(path) }), (file) =>
      Effect.promise(() => file.close())
    ),
    (file) => ({ name: path, write: (text) => file.appendFile(text) })
  )

export const exportEvents = Effect.fn("events.export")(function* ({ after, output, store }: ExportOptions) {
  const directory = store ?? storeDirectory(process.env)
  const db = yield* Effect.acquireRelease(
    Effect.try({ try: () => openStoreReadOnly(directory), catch: failed(`event store ${directory}`) }),
    (db) => Effect.sync(() => db.close())
  )
  const target = yield* output === "-" ? standardOutput : outputFile(output)
  const table = yield* Effect.try({ try: () => new EventTable(db), catch: failed(`event store ${directory}`) })
  for (let through = after, done = false; !done;) {
    const piece = yield* Effect.try({
      try: () => readPast(table, through, pieceEvents),
      catch: failed(`event store ${directory}`)
    })
    if ("lost" in piece) {
      const { first, last } = piece.lost
      yield* Console.error(`event store ${directory}: events ${first} to ${last} are damaged and left out`)
      through = last
      done = last >= table.state().last
      continue
    }
    const { page } = piece
    const text = page.events.map((event) => `${eventJson(event)}\n`).join("")
    yield* Effect.tryPromise({ try: () => target.write(text), catch: failed(target.name) })
    through = page.through
    done = page.done
  }
}, Effect.scoped)

/** As `export` writes them; `seq` is given anew, so an import into an empty store keeps the numbers. */
const ExportedEvent = Schema.fromJsonString(
  Schema.Struct({
    seq: Schema.optionalKey(Schema.Int),
    received_at: Schema.String,
    source: Schema.String,
    who: Schema.optionalKey(Schema.String),
    level: Level,
    message: Schema.String,
    fields: Schema.optionalKey(Schema.Record(Schema.String, Schema.Json))
  })
)

const decode = Schema.decodeUnknownResult(ExportedEvent, { onExcessProperty: "error" })

/** Read, and stored in one transaction, at a time. */
const readBytes = 4 * 1024 * 1024

/** Far above any line that export writes. */
const lineMaxBytes = 64 * 1024 * 1024

const toRun = ({ text, tooLong }: SplitLine, line: number): Result.Result<EventRun, EventsCommandFailed> => {
  const wrong = (why: string) => Result.fail(new EventsCommandFailed({ message: `line ${line}: ${why}` }))
  if (tooLong) return wrong(`longer than ${lineMaxBytes} bytes`)
  const decoded = decode(text)
  if (Result.isFailure(decoded)) return wrong(describeSchemaError(decoded.failure))
  const { fields, level, message, received_at, source, who } = decoded.success
  const receivedAt = parseTime(received_at)
  if (receivedAt === undefined) return wrong(`received_at: found ${JSON.stringify(received_at)}, allowed: RFC 3339`)
  return Result.succeed({
    receivedAt,
    source: source.toWellFormed(),
    who: who?.toWellFormed(),
    level,
    fields: fields === undefined ? undefined : JSON.stringify(fields).toWellFormed(),
    messages: [message.toWellFormed()]
  })
}

export const importEvents = Effect.fn("events.import")(function* ({ input, store }: ImportOptions) {
  const directory = store ?? storeDirectory(process.env)
  const name = input === "-" ? "standard input" : input
  const imported = yield* Effect.gen(function* () {
    const storage = yield* EventStorage
    const splitter = new LineSplitter(lineMaxBytes)
    let line = 0
    let count = 0
    const bytes = NodeStream.fromReadable<Uint8Array, EventsCommandFailed>({
      evaluate: () => (input === "-" ? process.stdin : createReadStream(input, { highWaterMark: readBytes })),
      onError: failed(name)
    })
    const store = Effect.fnUntraced(function* (lines: ReadonlyArray<SplitLine>) {
      const runs: Array<EventRun> = []
      for (const split of lines) {
        line += 1
        if (split.text.trim() !== "" || split.tooLong) runs.push(yield* Effect.fromResult(toRun(split, line)))
      }
      if (runs.length === 0) return
      yield* Effect.mapError(storage.append(runs), ({ reason }) => failed(`event store ${directory}`)(reason))
      count += runs.length
    })
    yield* Stream.concat(
      Stream.map(bytes, (chunk) => splitter.push(chunk)),
      Stream.suspend(() => Stream.succeed(splitter.end()))
    ).pipe(
      Stream.runForEach(store),
      Effect.mapError(({ message }) => failed(message)(`the ${count} events before were imported`))
    )
    return count
  }).pipe(Effect.provide(layerWorker(directory)))
  yield* Console.error(`${imported} events imported into ${directory}`)
})
