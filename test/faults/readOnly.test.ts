/**
 * A store that turns read-only while the daemon runs (the kernel does that to a file system with errors), folders that
 * are, and a start in such a place.
 */
import { appendFile, mkdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { begin } from "../harness/faultySyscalls.ts"
import { readOnly } from "../harness/smallDisk.ts"
import { curl, request } from "../system/client.ts"
import { eventually, run, start, temporaryFolder, write } from "../system/support.ts"
import { errorBody, isReady, post, readiness, wholeLog } from "./support.ts"

const config = `[general]
listen_addr = "127.0.0.1:0"
pipe_file = "pipe.fifo"
basic_auth_secret_path = "fixed/secret.txt"
[store]
directory = "state"
[file_uploads]
uploaded = "fixed/uploaded.txt"
`

/** Whatever changes a file. */
const writes = "write,pwrite64,pwritev,ftruncate,fallocate,fsync,fdatasync"

it.live(
  "a store that turns read-only refuses what is new, reads go on, and it heals when it can be written again",
  () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: config.replace("fixed/secret.txt", "secret.txt") })
      const { folder, pid, url } = daemon
      assert.strictEqual((yield* post(url, "before")).status, 200)
      const fault = yield* begin(pid, writes.replace("write,", ""), "error=EROFS")
      const refused = yield* post(url, "refused")
      const why = "the event store cannot take new events: the disk refuses writes"
      assert.deepStrictEqual([refused.status, refused.body], [507, errorBody(507, why)])
      yield* Effect.promise(() => appendFile(join(folder, "pipe.fifo"), "held\n"))
      yield* daemon.says(/pipe:pipe\.fifo waits: /u)
      assert.include((yield* readiness(url)).problems, why)
      assert.strictEqual((yield* request(`${url}/livez`)).status, 200)
      assert.include((yield* request(`${url}/logs`)).body, "\t before\n")
      yield* fault.end
      yield* daemon.says(/pipe:pipe\.fifo goes on/u)
      yield* eventually("it is well again", isReady(url))
      assert.deepInclude(yield* wholeLog(url), "held")
      assert.notInclude(yield* wholeLog(url), "refused")
      assert.strictEqual((yield* post(url, "after")).status, 200)
    })
)

it.live("folders that are read-only refuse uploads and the password with 507, and what is there stays", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const fixed = join(folder, "fixed")
    yield* Effect.promise(() => mkdir(fixed))
    yield* write(folder, "fixed/secret.txt", "")
    yield* write(folder, "fixed/uploaded.txt", "old")
    yield* readOnly(fixed)
    const { url } = yield* start({ folder, config })
    const upload = yield* curl("--data-binary", "new", `${url}/api/v1/file-upload/uploaded`)
    assert.deepStrictEqual([upload.status, upload.body], [507, errorBody(507, "Failed to write content to file")])
    const secret = yield* curl("-d", "a secret", `${url}/api/v1/set-basic-auth`)
    const why = "basic auth secret not set: write fixed/secret.txt: read-only file system"
    assert.strictEqual(secret.status, 507)
    assert.match(secret.body, /basic auth secret not set: write fixed\/secret\.txt: read-only file system/u, why)
    assert.strictEqual(yield* Effect.promise(() => readFile(join(fixed, "uploaded.txt"), "utf8")), "old")
    assert.strictEqual((yield* request(`${url}/livez`)).status, 200)
  })
)

it.live("a start on a read-only place is refused, and says so", () =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const state = join(folder, "state")
    yield* Effect.promise(() => mkdir(state))
    yield* readOnly(state)
    for (const directory of ["state", "state/new/store"]) {
      const { code, err } = yield* run({
        folder,
        config: `[general]\nlisten_addr = "127.0.0.1:0"\n[store]\ndirectory = "${directory}"\n`
      })
      assert.strictEqual(code, 1)
      assert.include(err, `event store ${directory}: EROFS: read-only file system`)
    }
  })
)
