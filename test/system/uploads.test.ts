/** Uploads by curl: whole or not at all, bounded in memory, whoever dies meanwhile. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readdir, readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { connect, curl, logsOf, request } from "./client.ts"
import { memory } from "./proc.ts"
import { type Daemon, eventually, execute, shell, start, temporaryFolder, write } from "./support.ts"

const mebibyte = 1024 * 1024

const config = (folder: string, more = "") => `[general]
listen_addr = "127.0.0.1:0"
log_debug = true
[actions]
reload = "cp files/conf files/active"
broken = "exit 5"
[file_uploads]
plain = "${folder}/files/plain"
${more}
`

const begin = Effect.fnUntraced(function* (more = "") {
  const folder = yield* temporaryFolder
  yield* shell(folder, "mkdir files")
  return yield* start({ folder, config: config(folder, more) })
})

const contentOf = ({ folder }: Daemon, name: string) =>
  Effect.promise(() => readFile(join(folder, "files", name), "utf8"))
const filesOf = ({ folder }: Daemon) => Effect.promise(() => readdir(join(folder, "files")))

/** The upload has begun: its temporary file is there. */
const begun = (daemon: Daemon) =>
  eventually(
    "a temporary file is there",
    Effect.map(filesOf(daemon), (names) => names.some((name) => name.startsWith(".")))
  )

/** All of a body but its end. */
const half = (name: string) =>
  `POST /api/v1/file-upload/${name} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n${"n".repeat(500_000)}`

describe("an upload", () => {
  it.live("of 256 MiB arrives whole and costs no memory to speak of", () =>
    Effect.gen(function* () {
      const daemon = yield* begin()
      const upload = Effect.fnUntraced(function* (size: number) {
        yield* shell(daemon.folder, `head -c ${size} /dev/urandom > large`)
        const large = join(daemon.folder, "large")
        const before = yield* memory(daemon.pid, "VmHWM")
        const { body, status } = yield* curl("-X", "POST", "-T", large, `${daemon.url}/api/v1/file-upload/plain`)
        assert.strictEqual(status, 200, body)
        assert.include(body, `"size_bytes":"${size}"`)
        yield* shell(daemon.folder, "cmp large files/plain")
        return (yield* memory(daemon.pid, "VmHWM")) - before
      })
      // V8 lets 64 MiB of freed buffers gather before it collects them the first time.
      yield* upload(96 * mebibyte)
      assert.isBelow(yield* upload(256 * mebibyte), 64 * mebibyte)
    })
  )

  it.live("that its client does not end leaves the old file as it was, and nothing beside it", () =>
    Effect.gen(function* () {
      const daemon = yield* begin()
      yield* curl("--data-binary", "old", `${daemon.url}/api/v1/file-upload/plain`)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const line = yield* connect({ host: "127.0.0.1", port: daemon.port })
          line.send(half("plain"))
          yield* begun(daemon)
          assert.strictEqual(yield* contentOf(daemon, "plain"), "old", "and while it comes")
        })
      )
      yield* eventually(
        "the temporary file is gone",
        Effect.map(filesOf(daemon), (names) => names.length === 1)
      )
      assert.strictEqual(yield* contentOf(daemon, "plain"), "old")
      yield* eventually(
        "the failure is in the log",
        Effect.map(logsOf(daemon.url), (lines) =>
          lines.some((line) => line.startsWith("[system-api] file upload error (failed to read): plain = "))
        )
      )
    })
  )

  it.live("in hand when the daemon is killed leaves the old file, and the next start cleans up", () =>
    Effect.gen(function* () {
      const daemon = yield* begin()
      yield* curl("--data-binary", "old", `${daemon.url}/api/v1/file-upload/plain`)
      const line = yield* connect({ host: "127.0.0.1", port: daemon.port })
      line.send(half("plain"))
      yield* begun(daemon)
      yield* daemon.kill
      assert.strictEqual((yield* filesOf(daemon)).length, 2, "what a kill leaves")
      assert.strictEqual(yield* contentOf(daemon, "plain"), "old")
      const next = yield* start({ folder: daemon.folder, config: config(daemon.folder) })
      assert.deepStrictEqual(yield* filesOf(next), ["plain"])
      assert.strictEqual(yield* contentOf(next, "plain"), "old")
    })
  )

  it.live("is seen old or new by whoever reads meanwhile, never in between", () =>
    Effect.gen(function* () {
      const daemon = yield* begin()
      const contents = ["a", "b"].map((letter) => letter.repeat(300_000))
      const put = (content: string | undefined) =>
        request(`${daemon.url}/api/v1/file-upload/plain`, { body: content ?? "" })
      yield* put(contents[0])
      const writers = yield* Effect.forkScoped(
        Effect.forEach(Array.from({ length: 40 }), (_, i) => put(contents[i % 2]), { concurrency: 4, discard: true })
      )
      let looks = 0
      while (writers.pollUnsafe() === undefined) {
        assert.include(contents, yield* contentOf(daemon, "plain"))
        looks += 1
      }
      assert.isAbove(looks, 10)
      assert.deepStrictEqual(yield* filesOf(daemon), ["plain"])
    })
  )

  it.live("larger than allowed is answered 413, told or not, and changes nothing", () =>
    Effect.gen(function* () {
      const more = '[file_uploads.small]\npath = "files/small"\nmax_bytes = 1000\n'
      const daemon = yield* begin(more)
      const target = `${daemon.url}/api/v1/file-upload/small`
      yield* curl("--data-binary", "old", target)
      yield* write(daemon.folder, "large", "x".repeat(5_000_000))
      const large = join(daemon.folder, "large")
      for (const args of [
        ["--data-binary", `@${large}`],
        ["-H", "Transfer-Encoding: chunked", "--data-binary", `@${large}`],
        ["-H", "Expect: 100-continue", "--data-binary", `@${large}`]
      ]) {
        const { body, status } = yield* curl(...args, target)
        assert.deepStrictEqual(
          [status, body],
          [413, '{"code":413,"message":"The upload is larger than the 1000 bytes allowed"}\n']
        )
      }
      assert.strictEqual((yield* curl("--data-binary", "x".repeat(1000), target)).status, 200, "the limit itself fits")
      assert.deepStrictEqual(yield* filesOf(daemon), ["small"])
    })
  )

  it.live("gets the mode that is configured, through links, and keeps a link a link", () =>
    Effect.gen(function* () {
      const more = '[file_uploads.private]\npath = "files/link"\nmode = "0640"\n'
      const daemon = yield* begin(more)
      yield* shell(daemon.folder, "mkdir real && ln -s ../real/target files/link")
      yield* curl("--data-binary", "content", `${daemon.url}/api/v1/file-upload/private`)
      assert.strictEqual((yield* shell(daemon.folder, "readlink files/link")).trim(), "../real/target")
      const { mode } = yield* Effect.promise(() => stat(join(daemon.folder, "real/target")))
      assert.strictEqual(mode & 0o7777, 0o640)
      assert.strictEqual(yield* shell(daemon.folder, "cat real/target"), "content")
    })
  )

  it.live("runs its action once the file is in place, and says when that fails", () =>
    Effect.gen(function* () {
      const more = `[file_uploads.conf]
path = "files/conf"
# What follows the upload.
then = "reload"
[file_uploads.bad]
path = "files/bad"
then = "broken"
`
      const daemon = yield* begin(more)
      assert.strictEqual((yield* curl("-d", "v1", `${daemon.url}/api/v1/file-upload/conf`)).status, 200)
      assert.strictEqual(yield* contentOf(daemon, "active"), "v1")
      const { body, status } = yield* curl("-d", "v1", `${daemon.url}/api/v1/file-upload/bad`)
      assert.strictEqual(status, 500)
      assert.include(body, "File uploaded, but its action failed: broken - error: exit status 5")
      assert.strictEqual(yield* contentOf(daemon, "bad"), "v1")
    })
  )

  it.live("is nowhere in the process log, at debug level either", () =>
    Effect.gen(function* () {
      const daemon = yield* begin()
      yield* curl("-d", "the-content-of-a-private-key", `${daemon.url}/api/v1/file-upload/plain`)
      yield* daemon.stop
      assert.include(daemon.said(), "POST /api/v1/file-upload/plain 200")
      assert.notInclude(daemon.said(), "private-key")
    })
  )

  it.live("of a compressed body is stored as it was sent", () =>
    Effect.gen(function* () {
      const daemon = yield* begin()
      yield* shell(daemon.folder, "head -c 100000 /dev/zero | gzip > zeros.gz")
      const file = join(daemon.folder, "zeros.gz")
      yield* curl("-H", "Content-Encoding: gzip", "--data-binary", `@${file}`, `${daemon.url}/api/v1/file-upload/plain`)
      const { code } = yield* execute("cmp", [file, join(daemon.folder, "files/plain")])
      assert.strictEqual(code, 0)
    })
  )
})
