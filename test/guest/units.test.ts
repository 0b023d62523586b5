/** Units of a real systemd that run, fail, loop, end, are masked, do not exist: how they are shown, watched and controlled. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { ServiceStatusEntry } from "../../src/http/api/status/Services.ts"
import { OperationEntry } from "../../src/http/api/Operations.ts"
import { eventually } from "../system/support.ts"
import { Guest, inGuest } from "./harness/Guest.ts"

const program = "/opt/systemapi/bin/systemapi"
const configPath = "/etc/units-test.toml"
const daemon = "units-test.service"
const weak = "units-weak.service"
const url = "http://127.0.0.1:8080"
const weakUrl = "http://127.0.0.1:8081"

const shown = ["runs", "fails", "loops", "limit", "remain", "never", "hides", "nope", "tmpl@one"]

const config = (port: number, state: string) => `[general]
listen_addr = "127.0.0.1:${port - 4545}"
pipe_file = ""
[store]
directory = "${state}"
[status]
units_fresh_ms = 0
[[listeners]]
address = "127.0.0.1:${port}"
apis = ["status"]
auth = ["none"]
roles = ["admin"]
[[listeners]]
address = "127.0.0.1:${port + 10}"
apis = ["system"]
auth = ["none"]
roles = ["admin"]
[watch]
interval_ms = 300
log_lines = 5
[units]
${shown.map((id) => `"${id}" = "${id}.service"`).join("\n")}
ear = "ear.socket"
[units.once]
unit = "remain.service"
oneshot_ok = true
[units.masked]
unit = "hides.service"
masked_ok = true
[units.nick]
unit = "nick.service"
control = ["start", "stop", "restart"]
[units.stop]
unit = "nope.service"
control = ["start"]
[units.hidden]
unit = "hides.service"
control = ["start"]
[units.dies]
unit = "dies.service"
control = ["start"]
redact = ["password=[a-z0-9]+"]
`

const unitFiles: Readonly<Record<string, string>> = {
  "runs.service": "[Service]\nExecStart=/bin/sleep infinity\n",
  "fails.service": "[Service]\nExecStart=/bin/sh -c 'exit 3'\n",
  "loops.service":
    "[Unit]\nStartLimitIntervalSec=0\n[Service]\nExecStart=/bin/sh -c 'sleep 0.1; exit 1'\nRestart=always\nRestartSec=0.2\n",
  "limit.service": "[Service]\nExecStart=/bin/false\nRestart=always\nRestartSec=0.01\n",
  "remain.service": "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
  "never.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
  "ear.socket": "[Socket]\nListenStream=/run/ear\nAccept=yes\n",
  "ear@.service": "[Service]\nExecStart=/bin/cat\nStandardInput=socket\n",
  "tmpl@.service": "[Service]\nExecStart=/bin/sleep infinity\n",
  "real.service": "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nAlias=nick.service\n",
  "dies.service": "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo password=hunter2; echo the end; exit 4'\n",
  [daemon]: `[Service]\nExecStart=${program} --config ${configPath}\nStateDirectory=units-test\n`,
  // An account that nobody has given a right.
  [weak]: `[Service]\nExecStart=${program} --config /etc/units-weak.toml\nStateDirectory=units-weak\nUser=nobody\n`
}

const prepared = Layer.effectDiscard(
  Effect.gen(function* () {
    const guest = yield* Guest
    for (const [name, text] of Object.entries(unitFiles)) yield* guest.write(`/etc/systemd/system/${name}`, text)
    yield* guest.write(configPath, config(8080, "/var/lib/units-test"))
    yield* guest.write("/etc/units-weak.toml", config(8081, "/var/lib/units-weak"))
    yield* guest.sh(`
      systemctl daemon-reload
      systemctl enable real.service
      systemctl mask hides.service
      systemctl start runs.service remain.service ear.socket tmpl@one.service real.service
      systemctl start --no-block fails.service loops.service limit.service ${daemon} ${weak}
    `)
    for (const one of [url, weakUrl]) {
      yield* eventually(
        "the daemon is up",
        Effect.map(guest.inNetwork(["curl", "-sf", `${one}/health`]), ({ code }) => code === 0)
      )
    }
  })
)

const decodeStatus = Schema.decodeSync(Schema.fromJsonString(ServiceStatusEntry))
const decodeOperation = Schema.decodeSync(Schema.fromJsonString(OperationEntry))

const statusOf = (id: string) =>
  Effect.gen(function* () {
    const guest = yield* Guest
    const { body, status } = yield* guest.curl(`${url}/services/${id}/status`)
    assert.strictEqual(status, 200, body)
    return decodeStatus(body)
  })

/** Asks for it, and for what became of it where the answer says that it is to be found. */
const control = (base: string, id: string, verb: string) =>
  Effect.gen(function* () {
    const guest = yield* Guest
    const { body, headers, status } = yield* guest.curl("-X", "POST", `${base}/services/${id}/${verb}`)
    assert.strictEqual(status, 202, body)
    const ended = yield* guest.curl(`${base}${headers["location"] ?? ""}?wait=30`)
    assert.strictEqual(ended.status, 200, ended.body)
    return decodeOperation(ended.body)
  })

const eventsOf = (id: string) =>
  Effect.gen(function* () {
    const guest = yield* Guest
    const { body } = yield* guest.curl(`http://127.0.0.1:8090/api/v1/events?tail=1000&source=unit:${id}`)
    return body
  })

inGuest("units", prepared.pipe(Layer.provideMerge(Guest.withCheckout())), (it) => {
  it.effect("are shown as systemd has them, well or not", () =>
    Effect.gen(function* () {
      const expected: Readonly<Record<string, readonly [string, string, string, boolean]>> = {
        runs: ["loaded", "active", "running", true],
        "tmpl@one": ["loaded", "active", "running", true],
        nick: ["loaded", "active", "running", true],
        ear: ["loaded", "active", "listening", true],
        fails: ["loaded", "failed", "failed", false],
        limit: ["loaded", "failed", "failed", false],
        remain: ["loaded", "active", "exited", false],
        once: ["loaded", "active", "exited", true],
        never: ["loaded", "inactive", "dead", false],
        hides: ["masked", "inactive", "dead", false],
        masked: ["masked", "inactive", "dead", true],
        nope: ["not-found", "inactive", "dead", false]
      }
      for (const [id, [load, active, sub, healthy]] of Object.entries(expected)) {
        const entry = yield* statusOf(id)
        const { status } = entry
        assert.deepStrictEqual(
          [status?.load_state, status?.active_state, status?.sub_state, entry.healthy, entry.error, entry.stale],
          [load, active, sub, healthy, null, false],
          id
        )
      }
      const fails = yield* statusOf("fails")
      assert.deepStrictEqual(
        [fails.status?.exit_code, fails.status?.exit_status, fails.result, fails.status?.main_pid],
        ["1", "3", "exit-code", "0"]
      )
      assert.match(fails.since ?? "", /^\d{4}-\d\d-\d\dT[\d:.]+Z$/u)
      assert.match(fails.invocation_id ?? "", /^[0-9a-f]{32}$/u)
      assert.isAbove((yield* statusOf("limit")).restarts ?? 0, 2)
      yield* eventually(
        "it was restarted",
        Effect.map(statusOf("loops"), ({ healthy, restarts }) => !healthy && (restarts ?? 0) > 1)
      )
    })
  )

  it.effect("are started, stopped and restarted where their entry says so, by an alias too", () =>
    Effect.gen(function* () {
      const before = yield* statusOf("nick")
      const stopped = yield* control(url, "nick", "stop")
      assert.deepStrictEqual(stopped.status, "completed")
      assert.deepInclude(stopped.result, { active_state: "inactive", sub_state: "dead", healthy: false })
      assert.isFalse((yield* statusOf("nick")).healthy)
      assert.deepInclude((yield* control(url, "nick", "start")).result, { sub_state: "running", healthy: true })
      const started = yield* statusOf("nick")
      assert.notStrictEqual(started.invocation_id, before.invocation_id)
      assert.strictEqual((yield* control(url, "nick", "restart")).status, "completed")
      assert.notStrictEqual((yield* statusOf("nick")).invocation_id, started.invocation_id)
    })
  )

  it.effect("that may not be, are not, and nobody is told of others", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const refused = yield* guest.curl("-X", "POST", `${url}/services/runs/stop`)
      assert.deepStrictEqual([refused.status, refused.body.trim()], [403, '{"detail":"stop is not allowed for runs"}'])
      const unknown = yield* guest.curl("-X", "POST", `${url}/services/real/stop`)
      assert.deepStrictEqual([unknown.status, unknown.body.trim()], [404, '{"detail":"service not allowed"}'])
      assert.strictEqual((yield* guest.unit("runs.service"))["ActiveState"], "active")
    })
  )

  it.effect("that cannot be started say why", () =>
    Effect.gen(function* () {
      const missing = yield* control(url, "stop", "start")
      assert.deepStrictEqual([missing.status, missing.error?.error], ["failed", "not_found"])
      const masked = yield* control(url, "hidden", "start")
      assert.deepStrictEqual([masked.status, masked.error?.error], ["failed", "conflict"])
      const failed = yield* control(url, "dies", "start")
      assert.deepStrictEqual([failed.status, failed.error?.error], ["failed", "command_failed"])
      assert.include(failed.error?.message, "Job for dies.service failed")
      assert.deepInclude(failed.result, { active_state: "failed", healthy: false })
    })
  )

  it.effect("that the daemon's account has no right to are left alone, and what it lacks is said", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const before = yield* guest.unit("real.service")
      const denied = yield* control(weakUrl, "nick", "restart")
      assert.deepStrictEqual([denied.status, denied.error?.error], ["failed", "not_permitted"])
      assert.include(denied.error?.message, "org.freedesktop.systemd1.manage-units")
      assert.strictEqual((yield* guest.unit("real.service"))["InvocationID"], before["InvocationID"])
    })
  )

  it.effect("that fail are told in the event log, with their last lines and without what is never shown", () =>
    Effect.gen(function* () {
      yield* eventually(
        "it is told",
        Effect.map(eventsOf("dies"), (text) => text.includes("dies.service failed: exit-code, exit status 4"))
      )
      const told = yield* eventsOf("dies")
      assert.include(told, "[redacted]")
      assert.include(told, "the end")
      assert.notInclude(told, "hunter2")
      const guest = yield* Guest
      yield* guest.must("systemctl", "restart", "runs.service")
      yield* eventually(
        "its restart is told",
        Effect.map(eventsOf("runs"), (text) => text.includes("runs.service was started anew"))
      )
      assert.include(yield* eventsOf("limit"), "limit.service failed: exit-code")
    })
  )

  it.effect(
    "that were told of are not told of again by a daemon that was restarted, and what happened meanwhile is",
    () =>
      Effect.gen(function* () {
        const guest = yield* Guest
        const count = (text: string) => text.split("fails.service failed").length - 1
        assert.strictEqual(count(yield* eventsOf("fails")), 1)
        yield* guest.must("systemctl", "stop", daemon)
        yield* guest.write("/etc/systemd/system/fails.service", "[Service]\nExecStart=/bin/sleep infinity\n")
        yield* guest.sh("systemctl daemon-reload; systemctl start fails.service")
        yield* guest.must("systemctl", "start", daemon)
        yield* eventually(
          "it has recovered",
          Effect.map(
            Effect.catchDefect(eventsOf("fails"), () => Effect.succeed("")),
            (text) => text.includes("fails.service is well again")
          )
        )
        assert.strictEqual(count(yield* eventsOf("fails")), 1)
        assert.strictEqual((yield* eventsOf("limit")).split("limit.service failed").length - 1, 1)
      })
  )
})
