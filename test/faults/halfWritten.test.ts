/**
 * The end of the power at the worst moment of a replaced file, as a kill in place of a system call: whoever looks then,
 * and the next daemon, finds the old content or all of the new one, never half of it.
 */
import { readdir, readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { begin, runWith } from "../harness/faultySyscalls.ts"
import { program } from "../system/build.ts"
import { curl, tryRequest } from "../system/client.ts"
import { start, temporaryFolder, write } from "../system/support.ts"

const config = `[general]
listen_addr = "127.0.0.1:0"
basic_auth_secret_path = "secret.txt"
[store]
directory = "state"
[file_uploads]
uploaded = "uploaded.txt"
`

const leftovers = (folder: string) =>
  Effect.map(
    Effect.promise(() => readdir(folder)),
    (names) => names.filter((name) => name.endsWith(".tmp"))
  )

const textOf = (folder: string, name: string) => Effect.promise(() => readFile(join(folder, name), "utf8"))

/** Written but not synced, and synced but not in place. */
const moments = ["fchmod", "rename"] as const

describe.each(moments)("a kill at %s", (call) => {
  it.live("of an upload leaves the old file, and the next start cleans up", () =>
    Effect.gen(function* () {
      const { ended, folder, pid, url } = yield* start({ config })
      assert.strictEqual((yield* curl("--data-binary", "old", `${url}/api/v1/file-upload/uploaded`)).status, 200)
      yield* begin(pid, call, "signal=KILL")
      yield* Effect.ignore(tryRequest(`${url}/api/v1/file-upload/uploaded`, { body: "new".repeat(100_000) }))
      assert.deepStrictEqual(yield* ended, { code: null, signal: "SIGKILL" })
      assert.strictEqual(yield* textOf(folder, "uploaded.txt"), "old")
      assert.strictEqual((yield* leftovers(folder)).length, 1)
      const next = yield* start({ folder, config })
      assert.deepStrictEqual(yield* leftovers(folder), [])
      assert.strictEqual((yield* curl("--data-binary", "new", `${next.url}/api/v1/file-upload/uploaded`)).status, 200)
      assert.strictEqual(yield* textOf(folder, "uploaded.txt"), "new")
    })
  )

  it.live("of the password leaves the old one in force", () =>
    Effect.gen(function* () {
      const { ended, folder, pid, url } = yield* start({ config })
      const set = (base: string, secret: string, old: string) =>
        curl("-u", `admin:${old}`, "-d", secret, `${base}/api/v1/set-basic-auth`)
      assert.strictEqual((yield* set(url, "the old secret", "")).status, 200)
      const before = yield* textOf(folder, "secret.txt")
      yield* begin(pid, call, "signal=KILL")
      const authorization = `Basic ${Buffer.from("admin:the old secret").toString("base64")}`
      yield* Effect.ignore(
        tryRequest(`${url}/api/v1/set-basic-auth`, { body: "the new secret", headers: { authorization } })
      )
      assert.deepStrictEqual(yield* ended, { code: null, signal: "SIGKILL" })
      assert.strictEqual(yield* textOf(folder, "secret.txt"), before)
      const next = yield* start({ folder, config })
      assert.deepStrictEqual(yield* leftovers(folder), [])
      assert.strictEqual((yield* set(next.url, "the new secret", "the old secret")).status, 200)
    })
  )
})

it.live.each([1, 2])("a kill at rename %d of a new certificate leaves what the next start can finish", (nth) =>
  Effect.gen(function* () {
    const folder = yield* temporaryFolder
    const tls = `${config.replace("[store]", 'tls_enabled = true\ntls_create_if_missing = true\ntls_cert_path = "cert.pem"\ntls_key_path = "key.pem"\ntls_cert_hosts = ["localhost"]\n[store]')}`
    yield* write(folder, "config.toml", tls)
    const command = [
      process.execPath,
      program.replace(/bin\/systemapi$/u, "dist/systemapi.js"),
      "--config",
      "config.toml"
    ]
    assert.notStrictEqual(yield* runWith("rename", `signal=KILL:when=${nth}`, command, folder), 0)
    const { url } = yield* start({ folder, config: tls })
    const cert = join(folder, "cert.pem")
    assert.strictEqual((yield* curl("--cacert", cert, url.replace("127.0.0.1", "localhost"))).status, 200)
    assert.deepStrictEqual(yield* leftovers(folder), [])
  })
)
