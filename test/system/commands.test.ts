/** Actions as operators configure them: real shells that linger, flood, hang and die. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { createHash } from "node:crypto"
import { access } from "node:fs/promises"
import { join } from "node:path"
import { connect, curl, eventsOf, jsonOf, logsOf, request, resultOf } from "./client.ts"
import { memory, processesWith } from "./proc.ts"
import { type Daemon, eventually, shell, start } from "./support.ts"

const general = '[general]\nlisten_addr = "127.0.0.1:0"\n'

/** Numbers that nothing else on the machine sleeps for: how a test finds its own processes. */
let lastMarker = 0
const marker = () => `${4000 + (lastMarker += 1)}.${process.pid}${Math.trunc(performance.timeOrigin) % 100_000}`

const post = ({ url }: Daemon, name: string, args?: Readonly<Record<string, unknown>>) =>
  request(`${url}/api/v1/actions/${name}`, {
    method: "POST",
    ...(args === undefined ? {} : { body: JSON.stringify({ args }) })
  })

const elapsed = <A>(effect: Effect.Effect<A>): Effect.Effect<number> =>
  Effect.gen(function* () {
    const before = yield* Clock.monotonicTimeNanos
    yield* effect
    return Number((yield* Clock.monotonicTimeNanos) - before) / 1e6
  })

const gone = (text: string) =>
  eventually(
    `no process has ${text}`,
    Effect.map(processesWith(text), (pids) => pids.length === 0)
  )

describe("actions", () => {
  it.live("answer when the command has ended, whatever it leaves in the background", () =>
    Effect.gen(function* () {
      const mark = marker()
      const daemon = yield* start({ config: `${general}[actions]\nlinger = "sleep ${mark} & echo started"\n` })
      const ms = yield* elapsed(
        Effect.tap(post(daemon, "linger"), (answer) =>
          Effect.sync(() => assert.strictEqual(resultOf(answer).stdout.head, "started\n"))
        )
      )
      assert.isBelow(ms, 3000)
      assert.strictEqual((yield* processesWith(mark)).length, 1, "it may go on")
      assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
      yield* gone(mark)
    })
  )

  it.live("end with their whole group at the timeout, though they ignore TERM", () =>
    Effect.gen(function* () {
      const mark = marker()
      const daemon = yield* start({
        config: `${general}[actions.hang]
command = "trap '' TERM; sleep ${mark} & sleep ${mark}"
timeout_ms = 300
kill_grace_ms = 300
`
      })
      const result = resultOf(yield* post(daemon, "hang"))
      assert.deepInclude(result, { success: false, timed_out: true, exit_code: null, signal: "SIGKILL" })
      yield* gone(mark)
      const { body, status } = yield* curl(`${daemon.url}/api/v1/actions/hang`)
      assert.strictEqual(status, 500)
      assert.strictEqual(
        body,
        '{"code":500,"message":"Failed to execute action: hang - error: timed out after 300 ms"}\n'
      )
    })
  )

  it.live("that flood cost no memory: head, tail, size and SHA-256 are told", () =>
    Effect.gen(function* () {
      const flood = 200_000_000
      const daemon = yield* start({
        config: `${general}[actions]\nflood = "yes abcdefg | head -c ${flood}; echo end >&2"\n`
      })
      const before = yield* memory(daemon.pid, "VmHWM")
      const { stderr, stdout, success } = resultOf(yield* post(daemon, "flood"))
      const after = yield* memory(daemon.pid, "VmHWM")
      assert.isTrue(success)
      assert.deepInclude(stdout, { bytes: flood, truncated: true })
      assert.isTrue(stdout.head.startsWith("abcdefg\n") && stdout.tail.endsWith("abcdefg\n"))
      assert.isAtMost(Buffer.byteLength(stdout.head) + Buffer.byteLength(stdout.tail), 2 * 65_536)
      const hash = createHash("sha256")
      const piece = Buffer.from("abcdefg\n".repeat(125_000))
      for (let done = 0; done < flood; done += piece.length) hash.update(piece)
      assert.strictEqual(stdout.sha256, hash.digest("hex"))
      assert.strictEqual(stderr.head, "end\n")
      // Garbage of the collector's; a flood ten times as long costs no more.
      assert.isBelow(after - before, 128 * 1024 * 1024)
    })
  )

  it.live("tell exit code, signal, both outputs and binary as text", () =>
    Effect.gen(function* () {
      const daemon = yield* start({
        config: `${general}[actions]
fails = "echo out; echo err >&2; exit 42"
dies = "kill -SEGV $$"
binary = '''printf 'a\\000b\\377c' '''
missing = "/no/such/program"
`
      })
      const fails = resultOf(yield* post(daemon, "fails"))
      assert.deepInclude(fails, { action: "fails", success: false, exit_code: 42, signal: null, timed_out: false })
      assert.deepStrictEqual([fails.stdout.head, fails.stderr.head], ["out\n", "err\n"])
      assert.deepInclude(resultOf(yield* post(daemon, "dies")), { success: false, exit_code: null, signal: "SIGSEGV" })
      const { stdout } = resultOf(yield* post(daemon, "binary"))
      assert.strictEqual(stdout.bytes, 5)
      assert.isTrue(stdout.head.isWellFormed() && stdout.head.startsWith("a") && stdout.head.endsWith("c"))
      assert.deepInclude(resultOf(yield* post(daemon, "missing")), { success: false, exit_code: 127 })
    })
  )

  it.live("have their own environment, folder and user, and the daemon's where nothing is said", () =>
    Effect.gen(function* () {
      const daemon = yield* start({
        env: { FROM_DAEMON: "yes" },
        config: `${general}[actions]
plain = 'echo "$FROM_DAEMON $(pwd)"'
[actions.own]
command = 'echo "$FROM_DAEMON.$OWN $(pwd)"'
env = { OWN = "mine" }
inherit_env = false
cwd = "/"
[actions.stdin]
command = "wc -c"
`
      })
      const out = (name: string) => Effect.map(post(daemon, name), (answer) => resultOf(answer).stdout.head.trim())
      const here = (yield* shell(daemon.folder, "pwd -P")).trim()
      assert.strictEqual(yield* out("plain"), `yes ${here}`)
      assert.strictEqual(yield* out("own"), ".mine /")
      assert.strictEqual(yield* out("stdin"), "0", "nothing to read, and not the daemon's own input")
    })
  )

  it.live("wait for their turn, and are refused with 429 when the queue is full", () =>
    Effect.gen(function* () {
      const daemon = yield* start({
        config: `${general}[actions.one]
command = "echo $$ >> started; cat gate"
concurrency = 1
queue_length = 1
`
      })
      yield* shell(daemon.folder, "mkfifo gate")
      const states = Effect.map(curl(`${daemon.url}/api/v1/actions`), jsonOf)
      const is = (running: number, queued: number) =>
        eventually(
          `${running} running, ${queued} queued`,
          Effect.map(states, (state) => JSON.stringify(state).includes(`"running":${running},"queued":${queued}`))
        )
      const first = yield* Effect.forkScoped(post(daemon, "one"))
      yield* is(1, 0)
      const second = yield* Effect.forkScoped(post(daemon, "one"))
      yield* is(1, 1)
      const third = yield* post(daemon, "one")
      assert.strictEqual(third.status, 429)
      assert.match(third.headers["retry-after"] ?? "", /^[1-9]\d*$/u)
      assert.include(jsonOf(third), { code: 429 })
      yield* shell(daemon.folder, "echo open > gate")
      assert.isTrue(resultOf(yield* Fiber.join(first)).success)
      yield* is(1, 0)
      yield* shell(daemon.folder, "echo open > gate")
      assert.isTrue(resultOf(yield* Fiber.join(second)).success)
    })
  )

  it.live("go on when the client leaves, or end with it, as configured", () =>
    Effect.gen(function* () {
      const mark = marker()
      const daemon = yield* start({
        config: `${general}[actions]
goes_on = "echo on > running; cat gate; touch finished"
[actions.ends]
command = "sleep ${mark}"
on_client_gone = "terminate"
`
      })
      const { folder, port, url } = daemon
      yield* shell(folder, "mkfifo gate")
      const exists = (name: string) =>
        Effect.promise(() =>
          access(join(folder, name)).then(
            () => true,
            () => false
          )
        )
      const ask = (name: string) => `GET /api/v1/actions/${name} HTTP/1.1\r\nHost: x\r\n\r\n`
      yield* Effect.scoped(
        Effect.gen(function* () {
          const line = yield* connect({ host: "127.0.0.1", port })
          line.send(ask("goes_on"))
          yield* eventually("it runs", exists("running"))
        })
      )
      yield* shell(folder, "echo open > gate")
      yield* eventually("it has finished all the same", exists("finished"))
      yield* eventually(
        "and that is in the log",
        Effect.map(logsOf(url), (lines) => lines.some((line) => line.includes("executing action success: goes_on")))
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const line = yield* connect({ host: "127.0.0.1", port })
          line.send(ask("ends"))
          yield* eventually(
            "it runs",
            Effect.map(processesWith(mark), (pids) => pids.length > 0)
          )
        })
      )
      yield* gone(mark)
    })
  )

  it.live("answer however long they take, under http_write_timeout_ms too", () =>
    Effect.gen(function* () {
      const config = general.replace(
        "[general]\n",
        "[general]\nhttp_write_timeout_ms = 200\nhttp_read_timeout_ms = 200\n"
      )
      const daemon = yield* start({ config: `${config}[actions]\nslow = "sleep 1.5; echo done"\n` })
      const { body, status } = yield* curl(`${daemon.url}/api/v1/actions/slow`)
      assert.deepStrictEqual([status, body], [200, '{"message":"Action executed successfully"}\n'])
      assert.strictEqual(resultOf(yield* post(daemon, "slow")).stdout.head, "done\n")
    })
  )

  it.live("are off for GET under actions_require_post, and the list says so", () =>
    Effect.gen(function* () {
      const config = general.replace("[general]\n", "[general]\nactions_require_post = true\n")
      const { url } = yield* start({ config: `${config}[actions]\ntouch = "touch touched"\n` })
      const refused = yield* curl(`${url}/api/v1/actions/touch`)
      assert.deepStrictEqual([refused.status, refused.headers["allow"]], [405, "OPTIONS, POST"])
      assert.deepStrictEqual(yield* logsOf(url), [])
      assert.isTrue(resultOf(yield* curl("-X", "POST", `${url}/api/v1/actions/touch`)).success)
      const list = yield* curl(`${url}/api/v1/actions`)
      assert.include(list.body, '"name":"touch","methods":["POST"]')
    })
  )

  it.live("take typed arguments as variables and as parameters, in order, with defaults", () =>
    Effect.gen(function* () {
      const daemon = yield* start({
        config: `${general}[actions.greet]
command = '''printf '%s|' "$0" "$@" "$ARG_NAME" "$ARG_TIMES" "$ARG_LOUD" "$ARG_TONE"'''
[[actions.greet.args]]
name = "name"
pattern = "[a-zA-Z ]+"
[[actions.greet.args]]
name = "times"
type = "int"
min = 1
max = 9
default = 1
[[actions.greet.args]]
name = "loud"
type = "bool"
default = false
[[actions.greet.args]]
name = "tone"
type = "enum"
values = ["kind", "formal"]
default = "kind"
`
      })
      const said = (args: Readonly<Record<string, unknown>>) =>
        Effect.map(post(daemon, "greet", args), (answer) => resultOf(answer).stdout.head)
      assert.strictEqual(yield* said({ name: "a b" }), "greet|a b|1|false|kind|a b|1|false|kind|")
      assert.strictEqual(
        yield* said({ tone: "formal", loud: true, times: 9, name: "x" }),
        "greet|x|9|true|formal|x|9|true|formal|"
      )
      for (const args of [
        {},
        { name: "a1" },
        { name: "a", times: 10 },
        { name: "a", tone: "rude" },
        { name: "a", x: 1 }
      ]) {
        const refused = yield* post(daemon, "greet", args)
        assert.strictEqual(refused.status, 400, JSON.stringify(args))
        assert.match(refused.body, /argument/u)
      }
      assert.strictEqual((yield* curl(`${daemon.url}/api/v1/actions/greet`)).status, 400, "GET gives no name")
    })
  )

  it.live("are in the log with who asked", () =>
    Effect.gen(function* () {
      const config = general.replace("[general]\n", '[general]\nbasic_auth_secret_path = "secret.txt"\n')
      const { url } = yield* start({ config: `${config}[actions]\nok = "true"\n` })
      yield* curl("-d", "foobar", `${url}/api/v1/set-basic-auth`)
      yield* curl("-u", "admin:foobar", `${url}/api/v1/actions/ok`)
      const authorization = `Basic ${Buffer.from("admin:foobar").toString("base64")}`
      const { body } = yield* request(`${url}/api/v1/events?tail=2&format=ndjson`, { headers: { authorization } })
      assert.strictEqual(body.split('"who":"admin"').length - 1, 2, body)
      assert.strictEqual(body.split('"source":"daemon"').length - 1, 2, body)
      assert.strictEqual((yield* request(`${url}/api/v1/events`)).status, 401)
    })
  )

  it.live("two hundred runs leave no process behind", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: `${general}[actions]\nok = "true"\n` })
      yield* Effect.forEach(Array.from({ length: 200 }), () => post(daemon, "ok"), { concurrency: 8 })
      const children = Effect.map(shell(daemon.folder, `pgrep -P ${daemon.pid} || true`), (out) => out.trim())
      yield* eventually(
        "no child is left",
        Effect.map(children, (out) => out === "")
      )
      assert.strictEqual((yield* eventsOf(daemon.url)).length, 400)
    })
  )
})
