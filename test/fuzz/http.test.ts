/**
 * The built daemon among clients that get every part of HTTP wrong: it lives, answers as the contract has it and never
 * more than it was asked, keeps every event it has acknowledged, and has forgotten the clients once they are gone.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { assertGapless, request } from "../system/client.ts"
import { memory, openFiles } from "../system/proc.ts"
import { type Daemon, eventually, start } from "../system/support.ts"
import { type Case, cases, failed, patience } from "./cases.ts"
import { Account, type StoredEvent } from "./httpAccount.ts"
import { connect, eachOf, play } from "./httpClient.ts"
import { scriptOf } from "./httpRequests.ts"

const plain = cases(8600)

/** As many as a busy machine serves without waiting for each other, and enough for requests to meet. */
const atATime = 24

/** The heap of the first half has its size; what a request left behind would be there ten thousand times. */
const growthMiBMax = 96
const mebibyte = 1024 * 1024

const config = `[general]
listen_addr = "127.0.0.1:0"
[events]
message_max_bytes = 1048576
[actions]
echo = "echo test"
fail = "exit 3"
[actions.say]
command = 'printf "%s" "$ARG_WORD"'
[[actions.say.args]]
name = "word"
pattern = "[a-z]+"
[file_uploads.small]
path = "uploaded"
max_bytes = 60000
`

const decodeStored = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Struct({ seq: Schema.Int, source: Schema.String, message: Schema.String }))
)

const storedIn = Effect.fnUntraced(function* (url: string) {
  const stored: Array<StoredEvent> = []
  while (true) {
    const after = stored.at(-1)?.seq ?? 0
    const { body } = yield* request(`${url}/api/v1/events?after=${after}&limit=10000&format=ndjson`)
    if (body === "") return stored
    for (const line of body.split("\n")) if (line !== "") stored.push(decodeStored(line))
  }
})

const gauges = [
  "systemapi_connections",
  "systemapi_connections_busy",
  "systemapi_http2_streams",
  "systemapi_commands_running",
  "systemapi_commands_waiting",
  "systemapi_commands_lingering"
]

/** What is left of the clients, by the daemon's own count: the one who asks. */
const isIdle = ({ url }: Daemon): Effect.Effect<boolean> =>
  Effect.map(request(`${url}/metrics`), ({ body }) => {
    const values = gauges.map((name) =>
      [...body.matchAll(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)$`, "gmu"))].reduce(
        (sum, [, value]) => sum + Number(value),
        0
      )
    )
    return values.join(" ") === "1 1 0 0 0 0"
  })

const sockets = (pid: number) =>
  Effect.map(openFiles(pid), (files) => files.filter((file) => file.startsWith("socket:")).length)

const says = ({ said }: Daemon) => {
  assert.notMatch(said(), /unexpectedly|[Uu]nhandled|Warning:|\n {4}at /u)
}

/** For whoever reads the failure: long runs of one letter are told by their length. */
const brief = (bytes: Buffer): string =>
  JSON.stringify(
    bytes.toString("latin1").replace(/(.{1,2})\1{20,}/gsu, (run, part: string) => `${part}…(${run.length})`)
  ).slice(0, 4000)

const script = (each: Case, daemon: Daemon, account: Account): Promise<void> => {
  const random = each.random()
  const made = scriptOf(random, `f${each.name}`)
  return play(connect(random, daemon.port), "connect", made).then(
    (played) => {
      try {
        account.judge(made, played)
      } catch (cause) {
        throw failed(each, `${String(cause)}\n${brief(made.bytes)}`, cause)
      }
    },
    (cause: unknown) => {
      throw failed(each, String(cause), cause)
    }
  )
}

describe("requests of every kind", () => {
  it.live(
    `leave the daemon as it was: ${plain.length} connections of HTTP/1`,
    () =>
      Effect.gen(function* () {
        const daemon = yield* start({ config })
        const account = new Account()
        const before = yield* sockets(daemon.pid)
        const half = Math.ceil(plain.length / 2)
        const residents: Array<number> = []
        for (const part of [plain.slice(0, half), plain.slice(half)]) {
          yield* Effect.promise(() => eachOf(part, atATime, (each) => script(each, daemon, account)))
          yield* eventually("every connection is forgotten", isIdle(daemon))
          yield* eventually(
            "every descriptor is closed",
            Effect.map(sockets(daemon.pid), (now) => now <= before + 1)
          )
          residents.push(yield* memory(daemon.pid, "VmRSS"))
        }
        account.settle(yield* storedIn(daemon.url))
        yield* assertGapless(daemon.folder)
        says(daemon)
        const [first = 0, second = 0] = residents
        assert.isBelow((second - first) / mebibyte, growthMiBMax, "MiB more after the second half")
        // Of a run of the default length: that it tried what it says.
        if (plain.length > 1000) {
          assert.isAbove(account.requests, 2 * plain.length)
          for (const status of [200, 400, 404, 405, 413, 431, 500, 501, 505])
            assert.isTrue(account.statuses.has(status), `no ${status}`)
        }
        assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
      }),
    patience
  )
})
