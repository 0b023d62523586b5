/** Starts that must fail: exit code 1, words that name the thing, and nothing changed on disk. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { run, shell, start, temporaryFolder, write } from "./support.ts"

const general = (lines: string) => `[general]\nlisten_addr = "127.0.0.1:0"\n${lines}\n`

/** Exit code 1, and the reason alone on standard error: no stack, no code of ours. */
const refusal = Effect.fnUntraced(function* (options: Parameters<typeof run>[0]) {
  const { code, err, out } = yield* run(options)
  assert.deepStrictEqual([code, out], [1, ""], err)
  assert.notMatch(err, /\n\s+at |node:internal|is ready/u)
  return err
})

describe("the secret file", () => {
  const config = general('basic_auth_secret_path = "secret.txt"')

  it.live.each([
    ["junk", "hunter2-in-clear\n"],
    ["a hash with a newline", `${"ab".repeat(32)}\n`],
    ["a hash in upper case", "AB".repeat(32)],
    ["a short hash", "ab".repeat(31)],
    ["binary", "\u0000\u0001\u0002"]
  ] as const)("with %s in it is refused, and not shown", ([, content]) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = yield* write(folder, "secret.txt", content)
      const err = yield* refusal({ folder, config })
      assert.include(err, "secret.txt")
      assert.notInclude(err, "hunter2")
      assert.notInclude(err.toLowerCase(), "abab")
      assert.strictEqual(yield* Effect.promise(() => readFile(path, "utf8")), content)
    })
  )

  it.live("with the original's 64 digits is accepted", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* write(folder, "secret.txt", "ab".repeat(32))
      yield* start({ folder, config })
    })
  )
})

describe("TLS files", () => {
  const tls = (create: boolean) =>
    general(`tls_enabled = true\ntls_create_if_missing = ${create}\ntls_cert_hosts = ["localhost"]
tls_cert_path = "cert.pem"\ntls_key_path = "key.pem"`)

  it.live.each([
    ["cert.pem", "key.pem"],
    ["key.pem", "cert.pem"]
  ] as const)("%s alone is refused and left alone", ([present, missing]) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* write(folder, present, "mine")
      const err = yield* refusal({ folder, config: tls(true) })
      assert.include(err, `TLS file ${missing} missing while ${present} is there`)
      assert.strictEqual(yield* Effect.promise(() => readFile(join(folder, present), "utf8")), "mine")
      assert.notInclude(yield* Effect.promise(() => readdir(folder)), missing)
    })
  )

  it.live("both missing and not to be made are refused", () =>
    Effect.gen(function* () {
      const err = yield* refusal({ config: tls(false) })
      assert.include(err, "tls_create_if_missing = true")
    })
  )

  it.live("a key of another certificate is refused without showing it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=x -days 2"
      yield* shell(folder, `${make} -keyout key.pem -out cert.pem && ${make} -keyout key.pem -out /dev/null`)
      const err = yield* refusal({ folder, config: tls(true) })
      assert.match(err, /TLS certificate cert\.pem with key key\.pem/u)
      assert.notInclude(err, "PRIVATE KEY")
    })
  )
})

describe("the address", () => {
  it.live("in use ends the daemon with the address and the reason", () =>
    Effect.gen(function* () {
      const first = yield* start({ config: general("") })
      const err = yield* refusal({ args: ["--listen-addr", `127.0.0.1:${first.port}`] })
      assert.include(err, `cannot listen on 127.0.0.1:${first.port}: address already in use`)
    })
  )

  it.live("of another machine as well", () =>
    Effect.gen(function* () {
      const err = yield* refusal({ args: ["--listen-addr", "192.0.2.1:3535"] })
      assert.include(err, "cannot listen on 192.0.2.1:3535: this machine has no such address")
    })
  )

  it.live("on a UNIX socket in use too, and a stale socket is taken over", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const address = `unix:${folder}/api.sock`
      const first = yield* start({ folder, args: ["--listen-addr", address] })
      const err = yield* refusal({ args: ["--listen-addr", address] })
      assert.include(err, `cannot listen on ${address}: address already in use`)
      yield* first.kill
      const next = yield* start({ folder, args: ["--listen-addr", address] })
      assert.strictEqual(yield* shell(folder, "curl -s --unix-socket api.sock http://x/livez"), '{"status":"ok"}\n')
      assert.deepStrictEqual(yield* next.stop, { code: 0, signal: null })
      assert.notInclude(yield* Effect.promise(() => readdir(folder)), "api.sock")
    })
  )
})

describe("the store", () => {
  it.live("belongs to one daemon: the second refuses and the first goes on", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const first = yield* start({ folder, config: general("") })
      const err = yield* refusal({ folder, config: general('pipe_file = "other.fifo"') })
      assert.include(err, "systemapi-state")
      assert.match(err, /in use|another/u)
      assert.notInclude(yield* Effect.promise(() => readdir(folder)), "other.fifo")
      assert.strictEqual(yield* shell(folder, `curl -s '${first.url}/api/v1/new_event?message=still+here'`), "")
    })
  )

  const state = "systemapi-state"
  const plant = (content: Uint8Array) => (folder: string) =>
    Effect.promise(async () => {
      await mkdir(join(folder, state), { recursive: true })
      await writeFile(join(folder, state, "store.sqlite"), content)
    })

  it.live.each([
    ["a text", plant(Buffer.from("no database, but somebody's notes\n".repeat(200)))],
    [
      "the database of another program",
      (folder: string) =>
        Effect.promise(async () => {
          await mkdir(join(folder, state))
          const db = new DatabaseSync(join(folder, state, "store.sqlite"))
          db.exec("CREATE TABLE theirs (id INTEGER)")
          db.close()
        })
    ],
    [
      "a damaged store",
      (folder: string) =>
        Effect.gen(function* () {
          yield* Effect.flatMap(start({ folder, config: general("") }), ({ stop }) => stop)
          const bytes = yield* Effect.promise(() => readFile(join(folder, state, "store.sqlite")))
          yield* plant(bytes.fill(0x5a, 100))(folder)
        })
    ]
  ] as const)("that is %s is refused with advice, and left as it is", ([, prepare]) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* prepare(folder)
      const content = Effect.promise(() => readFile(join(folder, state, "store.sqlite")))
      const before = yield* content
      const err = yield* refusal({ folder, config: general("") })
      assert.include(err, state)
      assert.match(err, /move|remove|restore|another folder|store\.directory/u, "says what to do")
      assert.isTrue((yield* content).equals(before))
    })
  )
})

describe("the configuration", () => {
  it.live("that is wrong is told whole: file, line, key, found and allowed", () =>
    Effect.gen(function* () {
      const config = `[general]
listen_addr = "nowhere"
log_json = "yes"
http_read_timeout_ms = 2.5

[actions]
good = "true"
bad = 7
`
      const err = yield* refusal({ config })
      assert.deepStrictEqual(err.trimEnd().split("\n"), [
        'config.toml:2: general.listen_addr: found "nowhere", allowed: host:port, :port, [IPv6]:port, unix:/path or systemd:NAME',
        'config.toml:3: general.log_json: found "yes", allowed: true or false',
        "config.toml:4: general.http_read_timeout_ms: found 2.5, allowed: an integer from -2147483647 to 2147483647",
        "config.toml:8: actions.bad: found 7, allowed: a shell command or a table"
      ])
    })
  )

  it.live("that is no TOML is told with its line", () =>
    Effect.gen(function* () {
      assert.match(yield* refusal({ config: "[general]\nlisten_addr = \n" }), /^config\.toml:2: /u)
    })
  )

  it.live("that is missing is told by its name", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* refusal({ args: ["--config", "absent.toml"] }), "absent.toml: does not exist\n")
    })
  )

  it.live("with an unknown key starts with a warning, and does not under strict", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: general('basic_auth_secret_pth = "x"') })
      const told = 'config.toml:3: general.basic_auth_secret_pth: unknown key, did you mean "basic_auth_secret_path"?'
      assert.include(daemon.said(), `warning: ${told}\n`)
      const err = yield* refusal({ config: general('basic_auth_secret_pth = "x"\nstrict = true') })
      assert.include(err, told)
    })
  )

  it.live("an unknown flag is told, with a hint", () =>
    Effect.gen(function* () {
      const err = yield* refusal({ args: ["--pipefile", "x"] })
      assert.include(err, "--pipefile")
      assert.include(err, "systemapi --help")
    })
  )
})

describe("the place of the FIFO", () => {
  it.live("that is a folder is refused", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => mkdir(join(folder, "pipe.fifo")))
      const err = yield* refusal({ folder, config: general("") })
      assert.include(err, "pipe.fifo")
      assert.include(err, "a directory")
      assert.isTrue((yield* Effect.promise(() => stat(join(folder, "pipe.fifo")))).isDirectory())
    })
  )
})
