/** The daemon as a service of a real systemd: what it is told, what it does about it, and what its journal has. */
import { relative } from "node:path"
import { fileURLToPath } from "node:url"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { home } from "../system/build.ts"
import { eventually } from "../system/support.ts"
import { Guest, inGuest } from "./harness/Guest.ts"

const program = "/opt/systemapi/bin/systemapi"
const configPath = "/etc/systemapi-test.toml"
const service = "systemapi-test.service"
const web = "systemapi-web.socket"
const file = "systemapi-file.socket"
const url = "http://127.0.0.1:3535"

const config = `[general]
pipe_file = ""
[store]
directory = "/var/lib/systemapi-test"
[auth]
jwt_secret_path = "credential:jwt"
[[listeners]]
address = "127.0.0.1:3535"
auth = ["none"]
roles = ["admin"]
[[listeners]]
address = "systemd:web"
auth = ["none"]
roles = ["admin"]
[[listeners]]
address = "systemd:file"
auth = ["socket"]
[actions]
echo_test = "echo before"
`

const socket = (where: string, name: string) => `[Socket]
ListenStream=${where}
FileDescriptorName=${name}
Service=${service}
`

const unit = (command: string) => `[Service]
Type=notify
NotifyAccess=main
ExecStart=${command}
ExecReload=${program} config check ${configPath}
ExecReload=/bin/sh -c 'kill -HUP $MAINPID'
# Short, for a test; on a busy machine a start has its own, longer deadline.
WatchdogSec=3
Restart=on-failure
RestartSec=100ms
KillMode=mixed
LimitCORE=0
StateDirectory=systemapi-test
SetCredential=jwt:0123456789abcdef0123456789abcdef
Sockets=${web} ${file}
`

/** A service that is up. */
const running = Layer.effectDiscard(
  Effect.gen(function* () {
    const guest = yield* Guest
    yield* guest.write(configPath, config)
    yield* guest.write(`/etc/systemd/system/${web}`, socket("127.0.0.1:8080", "web"))
    yield* guest.write(`/etc/systemd/system/${file}`, socket("/run/systemapi-test.sock", "file"))
    yield* guest.write(`/etc/systemd/system/${service}`, unit(`${program} --config ${configPath}`))
    yield* guest.must("systemctl", "daemon-reload")
    yield* guest.must("systemctl", "start", web, file, service)
  })
)

const mainPid = Effect.gen(function* () {
  const guest = yield* Guest
  return (yield* guest.unit(service))["MainPID"] ?? ""
})

/** Waits for a restart that nobody asked for, and gives what the unit tells then. */
const restarted = (since: string) =>
  Effect.gen(function* () {
    const guest = yield* Guest
    // Each with a patience of its own: on a busy machine a start takes its time.
    yield* eventually(
      "systemd has ended it and begun anew",
      Effect.map(guest.unit(service), ({ MainPID }) => MainPID !== since && MainPID !== "0")
    )
    yield* eventually(
      "it is up again",
      Effect.map(guest.unit(service), ({ ActiveState }) => ActiveState === "active")
    )
  })

const entries = (...match: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const guest = yield* Guest
    return yield* guest.journal(`--unit=${service}`, ...match)
  })

const messagesOf = (found: ReadonlyArray<Readonly<Record<string, unknown>>>) =>
  found.map(({ MESSAGE }) => String(MESSAGE)).join("\n")

inGuest("the service", running.pipe(Layer.provideMerge(Guest.withCheckout())), (it) => {
  it.effect("is up once it listens, and systemd shows where", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      assert.strictEqual((yield* guest.curl(`${url}/livez`)).status, 200)
      const status = "listening on http://127.0.0.1:3535, http://127.0.0.1:8080, systemd:file"
      yield* eventually(
        "it tells its status",
        Effect.map(guest.unit(service), ({ StatusText }) => StatusText === status)
      )
      assert.strictEqual((yield* guest.unit(service))["WatchdogUSec"], "3s")
    })
  )

  it.effect("writes a journal of which every field can be asked for, and which no caller can forge", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const path = "/nowhere%0APRIORITY=0%0A_SYSTEMD_UNIT=other.service"
      yield* guest.curl("-H", "X-Request-Id: forged\tSYSTEMAPI_STATUS=1", `${url}${path}`)
      yield* eventually(
        "the entry is there",
        Effect.map(entries("SYSTEMAPI_STATUS=404"), ({ length }) => length > 0)
      )
      const [entry] = yield* entries("SYSTEMAPI_STATUS=404")
      assert.strictEqual(entry?.["_TRANSPORT"], "journal")
      assert.strictEqual(entry?.["PRIORITY"], "6")
      assert.strictEqual(entry?.["SYSLOG_IDENTIFIER"], "systemapi")
      assert.strictEqual(entry?.["_SYSTEMD_UNIT"], service)
      assert.strictEqual(entry?.["SYSTEMAPI_METHOD"], "GET")
      assert.strictEqual(entry?.["SYSTEMAPI_ADDRESS"], "127.0.0.1")
      assert.match(String(entry?.["MESSAGE"]), /^GET \/nowhere\S* 404 ms=[\d.]+ address=127\.0\.0\.1 request_id=\S+$/u)
    })
  )

  it.effect("takes up a new configuration at a reload, which fails with the reason where the file is wrong", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const echo = Effect.map(guest.curl("-X", "POST", `${url}/api/v1/actions/echo_test`), ({ body }) => body)
      const pid = yield* mainPid
      yield* guest.write(configPath, config.replace("echo before", "echo after"))
      yield* guest.must("systemctl", "reload", service)
      yield* eventually(
        "the new action is in force",
        Effect.map(echo, (body) => body.includes("after"))
      )
      yield* guest.write(configPath, config.replace('"echo before"', "5"))
      const { code } = yield* guest.exec(["systemctl", "reload", service])
      assert.strictEqual(code, 1)
      assert.include(messagesOf(yield* entries()), `${configPath}:19: actions.echo_test: found 5`)
      assert.include(yield* echo, "after")
      assert.strictEqual(yield* mainPid, pid)
      assert.strictEqual((yield* guest.unit(service))["ActiveState"], "active")
    }).pipe(Effect.ensuring(Effect.flatMap(Guest, (guest) => guest.write(configPath, config))))
  )

  it.effect("serves whoever came to its sockets while it was being restarted", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      yield* guest.must("systemctl", "stop", service)
      // The first of them starts it; the others wait with it.
      const clients = [guest.curl("http://127.0.0.1:8080/livez"), guest.curl("http://127.0.0.1:8080/api/v1/info")]
      const answers = yield* Effect.all(clients, { concurrency: "unbounded" })
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [200, 200]
      )
      yield* eventually(
        "it is up",
        Effect.map(guest.unit(service), ({ ActiveState }) => ActiveState === "active")
      )
    })
  )

  it.effect("has its secret from systemd, which no command of it is told of", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const pid = yield* mainPid
      const folder = `/run/credentials/${service}`
      assert.strictEqual(yield* guest.must("cat", `${folder}/jwt`), "0123456789abcdef0123456789abcdef")
      assert.include(yield* guest.must("cat", `/proc/${pid}/environ`), `CREDENTIALS_DIRECTORY=${folder}`)
      assert.notInclude(messagesOf(yield* entries()), "0123456789abcdef")
    })
  )

  it.effect("is started anew where its event loop stands still, with every event that was acknowledged", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const pid = yield* mainPid
      const acknowledging = `i=0
        while curl -sf -m 2 "${url}/api/v1/new_event?message=kept-$i" >/dev/null; do echo "kept-$i"; i=$((i + 1)); done`
      const writing = yield* Effect.forkChild(guest.inNetwork(["sh", "-c", acknowledging]), { startImmediately: true })
      yield* eventually(
        "events are written",
        Effect.map(guest.curl(`${url}/api/v1/events?tail=1000`), ({ body }) => body.includes("kept-5"))
      )
      yield* guest.must("systemctl", "kill", "--kill-whom=main", "--signal=SIGSTOP", service)
      yield* restarted(pid)
      assert.include(messagesOf(yield* guest.journal("--unit=init.scope", `UNIT=${service}`)), "watchdog")
      const acknowledged = (yield* Fiber.join(writing)).out.trim().split("\n")
      assert.isAbove(acknowledged.length, 5)
      const { body } = yield* guest.curl(`${url}/api/v1/events?tail=10000`)
      for (const message of acknowledged) assert.include(body, `"${message}"`)
    })
  )

  it.effect("is started anew where one of its actors hangs, and has said why", () =>
    Effect.gen(function* () {
      const guest = yield* Guest
      const script = relative(home, fileURLToPath(new URL("stuckDaemon.ts", import.meta.url)))
      const node = "/opt/systemapi/node_modules/.bin/node --disable-warning=ExperimentalWarning"
      const stuck = `${node} /opt/systemapi/${script}`
      yield* guest.write(`/etc/systemd/system/${service}`, unit(`${stuck} ${configPath}`))
      yield* guest.must("systemctl", "daemon-reload")
      yield* guest.must("systemctl", "restart", service)
      const pid = yield* mainPid
      assert.strictEqual((yield* guest.curl(`${url}/api/v1/new_event?message=before`)).status, 200)
      yield* Effect.forkChild(guest.inNetwork(["curl", `${url}/api/v1/new_event?message=hang`]), {
        startImmediately: true
      })
      yield* restarted(pid)
      assert.match(
        messagesOf(yield* entries("PRIORITY=3")),
        /not well, the watchdog is told nothing: actor EventStore has been at one message for \d+ s/u
      )
      const { body } = yield* guest.curl(`${url}/api/v1/events?tail=100`)
      assert.include(body, '"message":"before"')
      assert.notInclude(body, '"message":"hang"')
    })
  )
})
