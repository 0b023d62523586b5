/** Journals of a real journald over HTTP: what it was told, in order and whole, whoever wrote it and however much. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { JournalRecord, LogEntriesAnswer, LogsAnswer } from "../../src/http/api/status/Logs.ts"
import { eventually } from "../system/support.ts"
import { Guest, inGuest } from "./harness/Guest.ts"

const program = "/opt/systemapi/bin/systemapi"
const url = "http://127.0.0.1:8080"
const weakUrl = "http://127.0.0.1:8081"

const config = (port: number, state: string) => `[general]
listen_addr = "127.0.0.1:${port - 4545}"
pipe_file = ""
[store]
directory = "${state}"
[status]
max_output_bytes = 1000000
[[listeners]]
address = "127.0.0.1:${port}"
apis = ["status"]
auth = ["none"]
roles = ["admin"]
[units]
says = "says.service"
other = "other.service"
floods = "floods.service"
follows = "follows.service"
`

/** Twenty mebibytes, as journalctl writes them: much more than anybody keeps of it for a reader that stands still. */
const floodLines = 50_000

const words = [
  "echo one",
  "echo two",
  "printf 'caf\\\\351\\n'",
  "printf 'a\\\\001b\\n'",
  "head -c 6000 /dev/zero | tr '\\\\0' x; echo",
  "echo '<3>bad'",
  "echo last"
]

const unitFiles: Readonly<Record<string, string>> = {
  "says.service": `[Service]\nType=oneshot\nSyslogIdentifier=says\nExecStart=/bin/sh -c "${words.join("; ")}"\n`,
  "other.service": "[Service]\nType=oneshot\nExecStart=/bin/echo from the other\n",
  "floods.service": `[Service]\nType=oneshot\nSyslogIdentifier=floods\nExecStart=/usr/bin/seq 1 ${floodLines}\n`,
  "follows.service": "[Service]\nType=oneshot\nSyslogIdentifier=follows\nExecStart=/bin/echo again\n",
  "journal-test.service": `[Service]\nExecStart=${program} --config /etc/journal-test.toml\nStateDirectory=journal-test\n`,
  // An account that nobody has given a right.
  "journal-weak.service": `[Service]\nExecStart=${program} --config /etc/journal-weak.toml\nStateDirectory=journal-weak\nUser=nobody\n`
}

const prepared = Layer.effectDiscard(
  Effect.gen(function* () {
    const guest = yield* Guest
    for (const [name, text] of Object.entries(unitFiles)) yield* guest.write(`/etc/systemd/system/${name}`, text)
    yield* guest.write("/etc/journal-test.toml", config(8080, "/var/lib/journal-test"))
    yield* guest.write("/etc/journal-weak.toml", config(8081, "/var/lib/journal-weak"))
    yield* guest.write(
      "/etc/systemd/journald.conf.d/all.conf",
      "[Journal]\nRateLimitIntervalSec=0\nRateLimitBurst=0\nSystemMaxUse=1G\nRuntimeMaxUse=1G\n"
    )
    yield* guest.sh(`
      systemctl restart systemd-journald.service
      systemctl daemon-reload
      systemctl start --no-block journal-test.service journal-weak.service
      systemctl start says.service other.service floods.service
      journalctl --sync
    `)
    // systemd's own words come by another way than those of the unit.
    yield* eventually(
      "the units have ended",
      Effect.map(guest.must("journalctl", "--unit=says.service", "--unit=floods.service"), (text) =>
        ["says", "floods"].every((name) => text.includes(`Finished ${name}.service`))
      )
    )
    for (const one of [url, weakUrl]) {
      yield* eventually(
        "the daemon is up",
        Effect.map(guest.inNetwork(["curl", "-sf", `${one}/health`]), ({ code }) => code === 0)
      )
    }
  })
)

const decodeLines = Schema.decodeSync(Schema.fromJsonString(LogsAnswer))
const decodeEntries = Schema.decodeSync(Schema.fromJsonString(LogEntriesAnswer))
const decodeRecord = Schema.decodeSync(Schema.fromJsonString(JournalRecord))

const ask = (target: string) =>
  Effect.gen(function* () {
    const guest = yield* Guest
    const { body, status } = yield* guest.curl(`${url}${target}`)
    assert.strictEqual(status, 200, body)
    return body
  })

const lines = (target: string) => Effect.map(ask(target), decodeLines)
const entries = (target: string) => Effect.map(ask(`${target}&format=entries`), decodeEntries)

const escaped = (cursor: string | null) => encodeURIComponent(cursor ?? "")

/** What a curl that is cut off has been sent by then. */
const streamed = (target: string, seconds: number, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const guest = yield* Guest
    const command = ["curl", "-sSN", "--max-time", String(seconds), ...args, `${url}${target}`]
    return (yield* guest.inNetwork(command)).out
  })

const mebibytes = Effect.gen(function* () {
  const guest = yield* Guest
  const { MainPID = "" } = yield* guest.unit("journal-test.service")
  const status = yield* guest.must("cat", `/proc/${MainPID}/status`)
  return Number(/VmRSS:\s+(\d+)/u.exec(status)?.[1]) / 1024
})

inGuest("journals", prepared.pipe(Layer.provideMerge(Guest.withCheckout())), (it) => {
  it.effect("are shown as journalctl prints them, but for what it does not print", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const { logs } = yield* lines("/services/says/logs")
      const printed = yield* guest.must("journalctl", "--no-pager", "--unit=says.service")
      const theirs = printed
        .trimEnd()
        .split("\n")
        .filter((line) => !line.startsWith("-- "))
      const ours = logs.map((line) =>
        line.replace(/caf\uFFFD$/u, "[4B blob data]").replace(/a\uFFFDb$/u, "[3B blob data]")
      )
      assert.deepStrictEqual(ours, theirs)
      assert.isTrue(logs.some((line) => /^\w{3} \d\d [\d:]{8} \S+ says\[\d+\]: one$/u.test(line)))
      assert.isTrue(logs.some((line) => line.endsWith("x".repeat(6000))))
    })
  )

  it.effect("are found by priority, by pattern, by time and by number", () =>
    Effect.gen(function* () {
      const messages = (target: string) =>
        Effect.map(entries(target), (answer) => answer.entries.map(({ message }) => message))
      assert.deepStrictEqual(yield* messages("/services/says/logs?priority=err"), ["bad"])
      assert.deepStrictEqual(yield* messages("/services/says/logs?grep=%5E(one|two)$"), ["one", "two"])
      assert.deepStrictEqual(yield* messages("/services/says/logs?grep=nothing+matches"), [])
      const newest = (yield* messages(
        "/services/floods/logs?lines=1000&grep=%5E%5C%5Cd*$".replace("%5C%5C", "%5C")
      )).slice(-2)
      assert.deepStrictEqual(newest, [String(floodLines - 1), String(floodLines)])
      // The newest of the window, where journalctl itself gives the oldest.
      const window = yield* messages("/services/floods/logs?lines=3&since_minutes=1440&grep=%5E%5Cd")
      assert.deepStrictEqual(window, [floodLines - 2, floodLines - 1, floodLines].map(String))
    })
  )

  it.effect("are paged both ways without a gap and without an entry twice", () =>
    Effect.gen(function* () {
      const all = yield* entries("/services/says/logs?lines=100")
      const cursors = all.entries.map(({ cursor }) => cursor)
      const back: Array<string> = []
      for (let before = all.next; ;) {
        const page = yield* entries(`/services/says/logs?lines=2&before=${escaped(before)}`)
        if (page.entries.length === 0) break
        back.unshift(...page.entries.map(({ cursor }) => cursor))
        before = page.previous
      }
      assert.deepStrictEqual(back, cursors.slice(0, -1))
      const forth: Array<string> = []
      for (let after = all.previous; ;) {
        const page = yield* entries(`/services/says/logs?lines=2&after=${escaped(after)}`)
        if (page.entries.length === 0) break
        forth.push(...page.entries.map(({ cursor }) => cursor))
        after = page.next
      }
      assert.deepStrictEqual(forth, cursors.slice(1))
    })
  )

  it.effect("are followed: what was there, then what comes, and nothing of others; SSE goes on where it was", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const follow = streamed("/services/follows/logs/stream?format=ndjson", 4)
      const say = guest.sh("sleep 1.5; systemctl start other.service follows.service")
      const [out] = yield* Effect.all([follow, say], { concurrency: 2 })
      const records = out
        .split("\n")
        .filter(Boolean)
        .map((line) => decodeRecord(line))
      assert.isTrue(records.some(({ message }) => message === "again"))
      assert.isTrue(records.every(({ unit }) => unit === "follows.service"))
      const first = records[0]?.cursor ?? ""
      const resumed = yield* streamed(
        "/services/follows/logs/stream",
        2,
        "-H",
        "accept: text/event-stream",
        "-H",
        `last-event-id: ${first}`
      )
      assert.deepStrictEqual(
        [...resumed.matchAll(/^id: (.*)$/gmu)].map(([, id]) => id),
        records.slice(1).map(({ cursor }) => cursor)
      )
    })
  )

  it.effect("of many entries come whole and in order at their reader's pace, and cost the daemon next to nothing", () =>
    Effect.gen(function* () {
      yield* ask("/services/floods/logs?lines=1000")
      yield* streamed("/services/says/logs/stream", 1)
      const before = yield* mebibytes
      // A reader that stands still for most of its time: what is not read stays with journalctl.
      const guest = yield* Guest
      const target = `${url}/services/floods/logs/stream?since_minutes=1440&grep=%5E%5Cd`
      const reader = `
        pid=$(mktemp)
        sh -c 'echo $$ >"$1"; exec curl -sSN --max-time 50 "$2"' sh "$pid" '${target}' |
          { sleep 3; head -n ${floodLines}; kill "$(cat "$pid")"; }
        rm "$pid"`
      const { out } = yield* guest.inNetwork(["sh", "-c", reader])
      const rise = (yield* mebibytes) - before
      const numbers = out
        .trimEnd()
        .split("\n")
        .map((line) => Number(line.slice(line.lastIndexOf(" ") + 1)))
      assert.strictEqual(numbers.length, floodLines)
      assert.isTrue(numbers.every((number, n) => number === n + 1))
      assert.isBelow(rise, 32)
    })
  )

  it.effect("leave no journalctl behind when their readers are gone", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* streamed("/services/floods/logs/stream?since_minutes=1440", 1)
      yield* eventually(
        "no journalctl is left",
        Effect.map(guest.sh("cat /proc/[0-9]*/comm 2>/dev/null || true"), (names) => !names.includes("journalctl"))
      )
    })
  )

  it.effect("that the daemon may not read are an error that says so, and no empty journal", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      for (const end of ["logs", "logs/stream"]) {
        const { body, status } = yield* guest.curl(`${weakUrl}/services/says/${end}`)
        assert.strictEqual(status, 503)
        assert.strictEqual(JSON.parse(body).detail.error, "journal_forbidden")
      }
    })
  )

  it.effect("go on over a reboot: behind a cursor comes all of the boot before, then this one", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const all = yield* entries("/services/says/logs?lines=100")
      yield* guest.must("journalctl", "--flush")
      yield* guest.reboot
      yield* guest.sh(
        "systemctl start --no-block journal-test.service; systemctl start says.service; journalctl --sync"
      )
      yield* eventually(
        "the daemon is up",
        Effect.map(guest.inNetwork(["curl", "-sf", `${url}/health`]), ({ code }) => code === 0)
      )
      const target = `/services/says/logs/stream?format=ndjson&after=${escaped(all.previous)}`
      const records = (yield* streamed(target, 3))
        .split("\n")
        .filter(Boolean)
        .map((line) => decodeRecord(line))
      const before = all.entries.slice(1).map(({ cursor }) => cursor)
      assert.deepStrictEqual(
        records.slice(0, before.length).map(({ cursor }) => cursor),
        before
      )
      const said = records.slice(before.length).map(({ message }) => message)
      assert.includeMembers(said, ["one", "two", "bad", "last"])
    })
  )
})
