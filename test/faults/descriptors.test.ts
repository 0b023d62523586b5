/**
 * No descriptors left (EMFILE), and no processes left (EAGAIN): who is served already goes on, nothing spins, what needs
 * a new one fails with a clear answer, and all of it works again when there are some.
 */
import { chown, rm } from "node:fs/promises"
import * as Net from "node:net"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { keepAlive, request, tryRequest } from "../system/client.ts"
import { openFiles, processorTime } from "../system/proc.ts"
import { eventually, shell, start, temporaryFolder } from "../system/support.ts"
import { wholeLog } from "./support.ts"

const config = `[general]
listen_addr = "127.0.0.1:0"
pipe_file = "pipe.fifo"
basic_auth_secret_path = "secret.txt"
[actions]
hello = "echo hello"
[file_uploads]
uploaded = "uploaded.txt"
[actions.long]
command = "exec sleep 600"
concurrency = 100
on_client_gone = "terminate"
`

/** Enough to start and run an action, and soon used up. */
const descriptors = 80

const silent = (port: number, count: number) =>
  Effect.acquireRelease(
    Effect.sync(() => Array.from({ length: count }, () => Net.connect(port, "127.0.0.1").on("error", () => {}))),
    (sockets) => Effect.sync(() => void sockets.map((socket) => socket.destroy()))
  )

it.live(
  "without descriptors the open connections go on, new work is told why, and all is well when there are some",
  () =>
    Effect.gen(function* () {
      const { folder, pid, port, signal, url } = yield* start({ config, after: `ulimit -n ${descriptors}` })
      const agent = yield* keepAlive
      const ask = (path: string, body?: string) =>
        request(`${url}${path}`, { agent, ...(body === undefined ? {} : { body }) })
      const used = Effect.map(openFiles(pid), ({ length }) => length)
      assert.strictEqual((yield* ask("/livez")).status, 200)
      // The first action starts a thread and makes pipes: scarce descriptors are not all taken by those.
      assert.strictEqual((yield* ask("/api/v1/actions/hello")).status, 200)
      assert.isBelow(yield* used, descriptors - 10)

      const crowd = yield* silent(port, 2 * descriptors)
      yield* eventually(
        "no descriptor is left",
        Effect.map(used, (count) => count >= descriptors)
      )
      assert.strictEqual((yield* ask("/livez")).status, 200)
      assert.strictEqual((yield* ask("/api/v1/new_event?message=during")).status, 200)
      assert.include((yield* ask("/logs")).body, "\t during\n")
      assert.strictEqual((yield* ask("/metrics")).status, 200)
      const upload = yield* ask("/api/v1/file-upload/uploaded", "content")
      assert.deepStrictEqual(
        [upload.status, upload.body],
        [500, '{"code":500,"message":"Failed to write content to file"}\n']
      )
      assert.include((yield* ask("/logs")).body, "error: create uploaded.txt: too many open files\n")
      const secret = yield* ask("/api/v1/set-basic-auth", "a secret")
      assert.strictEqual(secret.status, 500)
      assert.include(secret.body, "too many open files")

      // The FIFO is gone, and no new one can be opened: that is told and tried again.
      yield* Effect.promise(() => rm(join(folder, "pipe.fifo")))
      const problem = Effect.map(request(`${url}/readyz`, { agent }), ({ body }) => body)
      yield* eventually(
        "the FIFO's trouble shows",
        Effect.map(problem, (body) => body.includes("too many open files"))
      )
      // A wrong file is not the worst that can be read now.
      yield* signal("SIGHUP")
      yield* eventually(
        "the reload is told",
        Effect.map(ask("/logs"), ({ body }) => /configuration (not )?reloaded/u.test(body))
      )

      // A listener that spins on what it cannot accept would take a core: 25 requests have to take longer than it computes.
      const before = yield* processorTime(pid)
      const began = performance.now()
      yield* Effect.sleep("1 second")
      const share = ((yield* processorTime(pid)) - before) / (performance.now() - began)
      assert.isBelow(share, 0.4)

      for (const socket of crowd) socket.destroy()
      yield* eventually(
        "the FIFO is back",
        Effect.map(
          Effect.exit(tryRequest(`${url}/readyz`)),
          (exit) => exit._tag === "Success" && exit.value.status === 200
        )
      )
      yield* shell(folder, "echo after > pipe.fifo")
      assert.strictEqual((yield* request(`${url}/api/v1/actions/hello`)).status, 200)
      assert.strictEqual((yield* request(`${url}/api/v1/file-upload/uploaded`, { body: "content" })).status, 200)
      yield* eventually(
        "the line has arrived",
        Effect.map(wholeLog(url), (messages) => messages.includes("after"))
      )
      assert.include(yield* wholeLog(url), "during")
    })
)

it.live("without processes an action fails with the reason, everything else goes on, and the next one runs", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    // Nobody else: what other processes of this user there were would count.
    const user = 50_000 + (process.pid % 10_000)
    yield* Effect.promise(() => chown(folder, user, user))
    // Threads count as processes too: room for the daemon's own and a few commands.
    const limited = `exec prlimit --nproc=40 setpriv --reuid=${user} --regid=${user} --clear-groups "$0" "$@"`
    const { url } = yield* start({ folder, config, after: limited })
    const refused = yield* Deferred.make<string>()
    const action = Effect.flatMap(request(`${url}/api/v1/actions/long`), ({ body, status }) =>
      status === 500 ? Deferred.succeed(refused, body) : Effect.void
    )
    const all = yield* Effect.forEach(Array.from({ length: 40 }), () => Effect.forkChild(action))
    assert.match(
      yield* Deferred.await(refused),
      /Failed to execute action: long - error: cannot start .+ \(spawn .+ EAGAIN\)/u
    )
    assert.strictEqual((yield* request(`${url}/livez`)).status, 200)
    assert.strictEqual((yield* request(`${url}/api/v1/new_event?message=during`)).status, 200)
    assert.strictEqual((yield* request(`${url}/api/v1/file-upload/uploaded`, { body: "content" })).status, 200)
    // Their clients leave, and with them the commands.
    for (const each of all) yield* Fiber.interrupt(each)
    yield* eventually(
      "an action runs again",
      Effect.map(request(`${url}/api/v1/actions/hello`), ({ status }) => status === 200)
    )
    assert.include(yield* wholeLog(url), "during")
  })
)
