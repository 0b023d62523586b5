/** Several addresses of one daemon, each with its own APIs and its own ways in; and what is told about them. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { stat } from "node:fs/promises"
import { join } from "node:path"
import { eventsOf } from "./client.ts"
import { execute, start, temporaryFolder, write } from "./support.ts"
import { program } from "./build.ts"

const curl = (...args: ReadonlyArray<string>) =>
  Effect.map(execute("curl", ["-s", "-w", " %{http_code}", ...args]), ({ out }) => out.replaceAll("\n", ""))

describe("listeners", () => {
  it.live("mount the APIs they name and let in by the ways they name", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const socket = join(folder, "ops.sock")
      const daemon = yield* start({
        folder,
        config: `
[[listeners]]
address = "127.0.0.1:0"
[[listeners]]
address = "unix:${socket}"
apis = ["identity"]
socket_mode = "0600"
socket_group = "${process.getgid?.() ?? 0}"
[[listeners]]
address = "unix:${join(folder, "open.sock")}"
apis = ["system"]
auth = ["none"]
roles = ["viewer"]
`
      })
      assert.strictEqual(yield* curl(`${daemon.url}/livez`), '{"status":"ok"} 200')
      // No path of the System API, whoever asks.
      assert.match(yield* curl("--unix-socket", socket, "http://x/livez"), / 404$/u)
      assert.strictEqual((yield* Effect.promise(() => stat(socket))).mode & 0o777, 0o600)
      assert.strictEqual((yield* Effect.promise(() => stat(socket))).gid, process.getgid?.() ?? 0)
      const info = yield* curl(`${daemon.url}/api/v1/info`)
      const shown = /"listeners":(\[.*?\}\])/u.exec(info)?.[1] ?? "[]"
      assert.deepStrictEqual(JSON.parse(shown.replaceAll(/,"connections":\d+/gu, "")), [
        {
          address: `127.0.0.1:${daemon.port}`,
          tls: false,
          apis: ["system", "identity", "provisioning", "status"],
          auth: ["basic", "bearer"],
          client_certificates: "none"
        },
        {
          address: `unix:${socket}`,
          tls: false,
          apis: ["identity"],
          auth: ["basic", "bearer"],
          client_certificates: "none"
        },
        {
          address: `unix:${join(folder, "open.sock")}`,
          tls: false,
          apis: ["system"],
          auth: ["none"],
          client_certificates: "none"
        }
      ])
      const said = `listeners[2]: unix:${join(folder, "open.sock")} lets in everybody who reaches it, with the roles viewer`
      assert.include(daemon.said(), said)
      const events = yield* eventsOf(daemon.url, "level=warning")
      assert.deepStrictEqual(
        events.map(({ message }) => message),
        [`[system-api] ${said}`]
      )
      assert.deepStrictEqual(yield* daemon.stop, { code: 0, signal: null })
    })
  )

  it.live("of the original's file are bound as ever, and what they expose is told once", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: '[general]\nlisten_addr = "0.0.0.0:0"\n' })
      const url = `http://127.0.0.1:${daemon.port}`
      assert.strictEqual(yield* curl(`${url}/livez`), '{"status":"ok"} 200')
      assert.deepStrictEqual(
        (yield* eventsOf(url, "level=warning")).map(({ message }) => message),
        [
          "[system-api] general.listen_addr: 0.0.0.0:0 is not of this machine alone, and the System API has no password: it is open",
          "[system-api] general.listen_addr: 0.0.0.0:0 takes logins and tokens without TLS: whoever is on the way reads them"
        ]
      )
    })
  )

  it.live("with a group that is not there are refused by name", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const config = yield* write(
        folder,
        "config.toml",
        `[[listeners]]\naddress = "unix:${folder}/s"\nsocket_group = "no-such-group"\n`
      )
      const { code, err } = yield* execute(program, ["--config", config], { cwd: folder })
      assert.strictEqual(code, 1)
      assert.include(err, `cannot listen on unix:${folder}/s: no group "no-such-group" in /etc/group`)
    })
  )

  it.live("that expose more than meant are told by config check, with their line", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const config = yield* write(folder, "config.toml", '[general]\nlisten_addr = ":3535"\n')
      const { code, err } = yield* execute(program, ["config", "check", config])
      assert.strictEqual(code, 0)
      assert.strictEqual(
        err,
        `warning: ${config}:2: general.listen_addr: :3535 is not of this machine alone, and the System API has no password: it is open\n` +
          `warning: ${config}:2: general.listen_addr: :3535 takes logins and tokens without TLS: whoever is on the way reads them\n`
      )
    })
  )
})
