/**
 * The daemon under a service manager that is played by the test: what it is told, what it passes on, and what of it commands
 * do not get to see. What a real systemd makes of it is tested in a guest.
 */
import { once } from "node:events"
import { closeSync } from "node:fs"
import { chmod, link, mkdir, readdir, readlink, writeFile } from "node:fs/promises"
import * as Net from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { hasFfi, receiveDatagrams } from "../harness/datagramReceiver.ts"
import { curl } from "./client.ts"
import { eventually, run, start, temporaryFolder } from "./support.ts"

const quiet = '[general]\npipe_file = ""\n'
const local = '[[listeners]]\naddress = "127.0.0.1:0"\n'

describe.skipIf(!hasFfi)("a service manager that wants to be told", () => {
  it.live("hears of the start, a reload, a stop, and in between that all is well", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const address = join(folder, "notify")
      const manager = yield* receiveDatagrams(address)
      const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "300000" }
      const daemon = yield* start({ folder, config: quiet + local, env })
      assert.include(manager.received(), "READY=1")
      yield* manager.receives("a ping", (message) => message === "WATCHDOG=1")
      const status = yield* manager.receives("a status", (message) => message.startsWith("STATUS="))
      assert.strictEqual(status, `STATUS=listening on ${daemon.url}`)
      yield* daemon.signal("SIGHUP")
      yield* manager.receives("a reload", (message) => /^RELOADING=1\nMONOTONIC_USEC=\d+$/u.test(message))
      yield* eventually(
        "the end of the reload is told",
        Effect.sync(() => manager.received().filter((message) => message === "READY=1").length === 2)
      )
      yield* daemon.stop
      assert.strictEqual(manager.received().at(-1), "STOPPING=1\nSTATUS=stopping")
      assert.notInclude(daemon.said(), "Warning")
    })
  )

  it.live("may be one whose watchdog is meant for somebody else", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const address = join(folder, "notify")
      const manager = yield* receiveDatagrams(address)
      const env = { NOTIFY_SOCKET: address, WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" }
      const daemon = yield* start({ folder, config: quiet + local, env })
      yield* manager.receives("a status", (message) => message.startsWith("STATUS="))
      yield* daemon.stop
      assert.notInclude(manager.received(), "WATCHDOG=1")
    })
  )

  it.live("hears nothing of readiness from a daemon that cannot start", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const address = join(folder, "notify")
      const manager = yield* receiveDatagrams(address)
      const { code } = yield* run({ folder, config: `${quiet}[nonsense`, env: { NOTIFY_SOCKET: address } })
      assert.strictEqual(code, 1)
      assert.deepStrictEqual(manager.received(), [])
    })
  )
})

describe("commands", () => {
  it.live("see nothing of what the service manager has told the daemon alone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const credentials = join(folder, "credentials")
      yield* Effect.promise(() => mkdir(credentials))
      const config = `${quiet}${local}[actions.env]\nargv = ["/usr/bin/env"]\n`
      const own = {
        NOTIFY_SOCKET: "@nobody",
        WATCHDOG_USEC: "60000000",
        WATCHDOG_PID: "1",
        LISTEN_PID: "1",
        LISTEN_FDS: "1",
        LISTEN_FDNAMES: "web",
        JOURNAL_STREAM: "1:1",
        CREDENTIALS_DIRECTORY: credentials
      }
      const { url } = yield* start({ folder, config, env: { ...own, INVOCATION_ID: "shared" } })
      const { body } = yield* curl("-X", "POST", `${url}/api/v1/actions/env`)
      for (const name of Object.keys(own)) assert.notInclude(body, name)
      assert.include(body, "INVOCATION_ID=shared")
    })
  )
})

/** The descriptors of this process that are sockets. */
const openSockets = Effect.promise(async () => {
  const fds = await readdir("/proc/self/fd")
  const links = await Promise.all(fds.map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")))
  return new Set(fds.filter((_, index) => links[index]?.startsWith("socket:")).map(Number))
})

const duplicate = (fd: number): number =>
  process
    .getBuiltinModule("node:ffi")
    .dlopen(null, { dup: { return: "int32", arguments: ["int32"] } })
    .functions.dup(fd)

/**
 * A socket of the service manager's: it listens while no daemon does, and nobody here takes its connections. Node's own server
 * would; so it is closed, and what is left is a copy of its descriptor, and `keep`,
 * a second name of its path.
 */
const listening = Effect.fnUntraced(function* (where: Net.ListenOptions, keep?: string) {
  const before = yield* openSockets
  const server = Net.createServer()
  yield* Effect.promise(async () => {
    server.listen(where)
    await once(server, "listening")
    if (where.path !== undefined && keep !== undefined) await link(where.path, keep)
  })
  const [own = -1] = [...(yield* openSockets)].filter((one) => !before.has(one))
  const address = server.address()
  const fd = yield* Effect.acquireRelease(
    Effect.sync(() => duplicate(own)),
    (copy) => Effect.sync(() => closeSync(copy))
  )
  yield* Effect.promise(async () => {
    server.close()
    await once(server, "close")
    // Node has removed the name by which the kernel knows the socket.
    if (where.path !== undefined && keep !== undefined) await link(keep, where.path)
  })
  return { fd, port: typeof address === "object" && address !== null ? address.port : 0 }
})

/** As systemd starts a service: the number of the process is known to nobody before. */
const passing = (names: string, count: number) => ({
  env: { LISTEN_FDS: String(count), LISTEN_FDNAMES: names },
  after: "export LISTEN_PID=$$"
})

describe.skipIf(!hasFfi)("sockets that the service manager passes", () => {
  it.live("are served, over TCP and at a path, which stays when the daemon ends", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = join(folder, "own.sock")
      const web = yield* listening({ host: "127.0.0.1", port: 0 })
      const file = yield* listening({ path: join(folder, "made.sock") }, path)
      // As systemd makes it where its unit does not say SocketMode=.
      yield* Effect.promise(() => chmod(path, 0o666))
      const config =
        '[[listeners]]\naddress = "systemd:file"\nauth = ["socket"]\n' +
        '[[listeners]]\naddress = "systemd:web"\nauth = ["none"]\nroles = ["viewer"]\n'
      const daemon = yield* start({
        folder,
        config: quiet + config,
        passed: [web.fd, file.fd],
        ...passing("web:file", 2)
      })
      assert.include(daemon.said(), "listening on systemd:file\n")
      assert.include(daemon.said(), `listening on http://127.0.0.1:${web.port}\n`)
      assert.include(daemon.said(), "systemd:file lets in every user of this machine (mode 0666)")
      const info = yield* curl("--unix-socket", path, "http://localhost/api/v1/info")
      assert.include(info.body, '"address":"systemd:web"')
      assert.strictEqual((yield* curl(`http://127.0.0.1:${web.port}/livez`)).status, 200)
      yield* daemon.stop
      assert.include(yield* Effect.promise(() => readdir(folder)), "own.sock")
      // The socket is the manager's: whoever comes now waits for the daemon that comes next.
      const waiting = yield* Effect.forkChild(curl(`http://127.0.0.1:${web.port}/livez`), { startImmediately: true })
      yield* start({ folder, config: quiet + config, passed: [web.fd, file.fd], ...passing("web:file", 2) })
      assert.strictEqual((yield* Fiber.join(waiting)).status, 200)
    })
  )

  it.live("are held to the rules of their listener, and told by name", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const everywhere = yield* listening({ host: "0.0.0.0", port: 0 })
      const config = `${quiet}[[listeners]]\naddress = "systemd:web"\nauth = ["none"]\nroles = ["viewer"]\n`
      const refused = yield* run({ folder, config, passed: [everywhere.fd], ...passing("web", 1) })
      assert.strictEqual(refused.code, 1)
      assert.include(
        refused.err,
        `cannot listen on systemd:web: found "none" on 0.0.0.0:${everywhere.port}, allowed: on a loopback address`
      )
      const missing = yield* run({ folder, config, passed: [everywhere.fd], ...passing("other", 1) })
      assert.strictEqual(missing.code, 1)
      assert.include(missing.err, 'cannot listen on systemd:web: the service manager has passed the sockets "other"')
      const none = yield* run({ folder, config })
      assert.include(none.err, "cannot listen on systemd:web: the service manager has passed no sockets")
    })
  )

  it.live("are told of where they let in more than the file could say", () =>
    Effect.gen(function* () {
      const everywhere = yield* listening({ host: "0.0.0.0", port: 0 })
      const config = `${quiet}[[listeners]]\naddress = "systemd:web"\n`
      const daemon = yield* start({ config, passed: [everywhere.fd], ...passing("web", 1) })
      const where = `systemd:web (0.0.0.0:${everywhere.port})`
      assert.include(daemon.said(), `listeners[0]: ${where} takes logins and tokens without TLS`)
      assert.include(
        daemon.said(),
        `listeners[0]: ${where} is not of this machine alone, and the System API has no password`
      )
    })
  )

  it.live("that no listener uses are told, and one that is no socket is refused", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const spare = yield* listening({ host: "127.0.0.1", port: 0 })
      const daemon = yield* start({ folder, config: quiet + local, passed: [spare.fd], ...passing("spare", 1) })
      assert.include(daemon.said(), "no listener uses the socket spare that was passed")
      yield* daemon.stop
      const config = `${quiet}[[listeners]]\naddress = "systemd:"\n`
      const { code, err } = yield* run({
        folder,
        config,
        ...passing("web", 1),
        after: "export LISTEN_PID=$$; exec 3</dev/null"
      })
      assert.strictEqual(code, 1)
      assert.include(err, "cannot listen on systemd:: ")
    })
  )
})

describe("credentials", () => {
  it.live("that are missing are told where they are named, and the check does without them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const config = `${quiet}${local}[auth]\njwt_secret_path = "credential:jwt"\n`
      const { code, err } = yield* run({ folder, config })
      assert.strictEqual(code, 1)
      assert.include(
        err,
        'config.toml:6: auth.jwt_secret_path: found "credential:jwt", but there is no service manager'
      )
      const checked = yield* run({ folder, args: ["config", "check", "config.toml"] })
      assert.strictEqual(checked.code, 0)
      assert.include(checked.err, 'auth.jwt_secret_path: "credential:jwt" is for the service alone to see')
      const credentials = join(folder, "credentials")
      yield* Effect.promise(async () => {
        await mkdir(credentials)
        await writeFile(join(credentials, "jwt"), "0123456789abcdef0123456789abcdef")
      })
      const daemon = yield* start({ folder, config, env: { CREDENTIALS_DIRECTORY: credentials } })
      assert.notInclude(daemon.said(), "0123456789abcdef")
    })
  )
})
