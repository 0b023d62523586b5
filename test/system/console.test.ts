/** `systemapi user`, `token` and `key`: what somebody at the machine's console does, beside a daemon and without one. */
import { stat } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { openStoreReadOnly } from "../../src/services/storage/openStore.ts"
import { eventually, run, start, temporaryFolder, write } from "./support.ts"

const Users = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      username: Schema.String,
      roles: Schema.Array(Schema.String),
      disabled: Schema.Boolean,
      has_password: Schema.Boolean
    })
  )
)
const Tokens = Schema.fromJsonString(
  Schema.Array(
    Schema.Struct({
      id: Schema.String,
      name: Schema.String,
      owner: Schema.NullOr(Schema.String),
      permissions: Schema.Array(Schema.String),
      created_at: Schema.String,
      expires_at: Schema.NullOr(Schema.String),
      revoked_at: Schema.NullOr(Schema.String)
    })
  )
)
const Keys = Schema.fromJsonString(
  Schema.Array(Schema.Struct({ kid: Schema.String, alg: Schema.String, retired_at: Schema.NullOr(Schema.String) }))
)

/** Runs commands in one folder. */
const at = (folder: string) => {
  const command = (line: string, stdin?: string) =>
    run({ folder, args: line.split(" "), ...(stdin === undefined ? {} : { stdin }) })
  const ok = Effect.fnUntraced(function* (line: string, stdin?: string) {
    const result = yield* command(line, stdin)
    assert.strictEqual(result.code, 0, result.err)
    return result
  })
  const fails = Effect.fnUntraced(function* (line: string, stdin?: string) {
    const { code, err, out } = yield* command(line, stdin)
    assert.deepStrictEqual([code, out], [1, ""])
    return err.trimEnd()
  })
  const listed = <A>(schema: Schema.Codec<A, string>, line: string) =>
    Effect.flatMap(ok(line), ({ out }) => Effect.orDie(Schema.decodeEffect(schema)(out)))
  return {
    ok,
    fails,
    users: listed(Users, "user list --json"),
    tokens: listed(Tokens, "token list --json"),
    keys: listed(Keys, "key list --json")
  }
}

describe("systemapi user", { timeout: 60_000 }, () => {
  it.live("makes users where there is no daemon and no file, and shows them", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { fails, ok, users } = at(folder)
      assert.match(
        yield* fails("user list"),
        /^there is no identity store at systemapi-state\/identity\.sqlite; --config/u
      )
      const added = yield* ok("user add ann --role admin --role viewer")
      assert.match(added.out, /^[\w-]{24}\n$/u)
      assert.strictEqual(added.err, "user ann was added with the roles admin, viewer\n")
      const { mode } = yield* Effect.promise(() => stat(join(folder, "systemapi-state/identity.sqlite")))
      assert.strictEqual(mode & 0o777, 0o600)
      const bob = yield* ok("user add bob --role viewer --password-stdin", "correct horse battery\n")
      assert.strictEqual(bob.out, "")
      assert.deepStrictEqual(yield* users, [
        { username: "ann", roles: ["admin", "viewer"], disabled: false, has_password: true },
        { username: "bob", roles: ["viewer"], disabled: false, has_password: true }
      ])
      const shown = yield* ok("user list")
      assert.match(shown.out, /^USER +STATE +PASSWORD +CREATED +ROLES\nann +enabled +set +\S+Z +admin,viewer\nbob /u)
      assert.notInclude(shown.out + shown.err, "argon2")
      yield* ok("user disable bob")
      yield* ok("user roles bob --role operator")
      assert.deepInclude(yield* users, { username: "bob", roles: ["operator"], disabled: true, has_password: true })
      yield* ok("user enable bob")
      yield* ok("user logout bob")
      assert.match((yield* ok("user passwd bob")).out, /^[\w-]{24}\n$/u)
      yield* ok("user delete bob")
      assert.deepStrictEqual(
        (yield* users).map(({ username }) => username),
        ["ann"]
      )
    })
  )

  it.live("says what is wrong, and changes nothing then", () =>
    Effect.gen(function* () {
      const { fails, ok, users } = at(yield* temporaryFolder)
      yield* ok("user add ann --role viewer")
      assert.strictEqual(yield* fails("user add ann --role viewer"), "user ann exists already")
      assert.strictEqual(
        yield* fails("user add bob --role king"),
        'there is no role "king"; there are: admin, operator, developer, viewer, status (others with --config)'
      )
      assert.match(
        yield* fails("user add Bob --role viewer"),
        /^a user cannot be called "Bob"; allowed: 1 to 64 of a-z/u
      )
      assert.match(yield* fails("user add anonymous --role viewer"), /^a user cannot be called "anonymous"/u)
      assert.strictEqual(
        yield* fails("user add bob --role viewer --password-stdin", "short\n"),
        "the password was not taken: it has 5 characters, 12 are the least"
      )
      for (const line of ["passwd", "disable", "enable", "logout", "delete", "roles --role admin"]) {
        assert.strictEqual(yield* fails(`user ${line} nobody`), "there is no user nobody")
      }
      assert.match(yield* fails("user add bob"), /^Missing required flag: --role/u)
      assert.deepStrictEqual(
        (yield* users).map(({ username }) => username),
        ["ann"]
      )
    })
  )

  it.live("knows the store and the roles of a configuration", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { ok } = at(folder)
      yield* write(folder, "c.toml", `[store]\ndirectory = "elsewhere"\n`)
      yield* ok("user add ann --role viewer --config c.toml")
      for (const where of ["--store elsewhere", "--identity elsewhere/identity.sqlite", "--config c.toml"]) {
        assert.include((yield* ok(`user list ${where}`)).out, "ann")
      }
    })
  )

  it.live("works beside a daemon, whatever it is doing", () =>
    Effect.gen(function* () {
      const daemon = yield* start({ config: '[general]\nlisten_addr = "127.0.0.1:0"\npipe_file = ""\n' })
      const { ok, users } = at(daemon.folder)
      yield* ok("user add ann --role viewer")
      assert.lengthOf(yield* users, 1)
      yield* daemon.stop
      yield* ok("user disable ann")
      const again = yield* start({ folder: daemon.folder })
      assert.isTrue((yield* users)[0]?.disabled)
      yield* again.stop
    })
  )
})

describe("the audit log", { timeout: 60_000 }, () => {
  it.live("has what was done at the console, beside the daemon and before it started", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const { ok } = at(folder)
      const told = Effect.sync(() => {
        const db = openStoreReadOnly(join(folder, "systemapi-state"))
        try {
          return db
            .prepare("SELECT message, who, fields FROM events WHERE who LIKE 'console:%' ORDER BY seq")
            .all()
            .map((row) => JSON.stringify(row))
        } finally {
          db.close()
        }
      })
      yield* ok("user add ann --role viewer")
      const daemon = yield* start({ folder, config: '[general]\nlisten_addr = "127.0.0.1:0"\npipe_file = ""\n' })
      yield* eventually(
        "what was done before it started is told",
        Effect.map(told, (lines) => lines.length === 1)
      )
      yield* ok("user disable ann")
      yield* eventually(
        "what is done beside it is told",
        Effect.map(told, (lines) => lines.length === 2)
      )
      const lines = yield* told
      for (const [i, action] of ["user.created", "user.changed"].entries()) {
        const line = lines[i] ?? ""
        assert.include(line, action)
        assert.include(line, "ann")
        assert.notInclude(line, "argon2")
      }
      yield* daemon.stop
    })
  )
})

describe("systemapi token and key", { timeout: 60_000 }, () => {
  it.live("make, show and revoke service tokens, whose secret is told once", () =>
    Effect.gen(function* () {
      const { fails, ok, tokens } = at(yield* temporaryFolder)
      yield* ok("user add ann --role operator")
      const made = yield* ok(
        "token create ci --permission events:read --permission actions:run:* --owner ann --expires 30d"
      )
      const [, id = "", secret = ""] = /^sa_([0-9a-f]{16})_([\w-]{43})\n$/u.exec(made.out) ?? []
      const [token] = yield* tokens
      assert.deepStrictEqual(
        [token?.id, token?.name, token?.owner, token?.permissions, token?.revoked_at],
        [id, "ci", "ann", ["events:read", "actions:run:*"], null]
      )
      const lifetime = Date.parse(token?.expires_at ?? "") - Date.parse(token?.created_at ?? "")
      assert.strictEqual(lifetime, 30 * 86_400_000)
      assert.notInclude((yield* ok("token list")).out, secret)
      yield* ok(`token revoke ${id}`)
      assert.isString((yield* tokens)[0]?.revoked_at)
      assert.strictEqual(yield* fails("token revoke 0000"), "there is no service token 0000")
      assert.strictEqual(
        yield* fails("token create x --permission nope:read"),
        '--permission: "nope:read" matches no permission there is'
      )
      assert.strictEqual(yield* fails("token create x --permission * --owner eve"), "--owner: there is no user eve")
      assert.match(
        yield* fails("token create x --permission * --expires soon"),
        /^--expires: found "soon", allowed: 90s/u
      )
    })
  )

  it.live("make a key that signs from now on, and never show one", () =>
    Effect.gen(function* () {
      const { keys, ok } = at(yield* temporaryFolder)
      const first = (yield* ok("key rotate")).out.trimEnd()
      const second = (yield* ok("key rotate")).out.trimEnd()
      const all = yield* keys
      assert.deepStrictEqual(
        all.map(({ alg, kid, retired_at }) => [kid, alg, retired_at === null]),
        [
          [first, "HS256", false],
          [second, "HS256", true]
        ]
      )
      assert.match((yield* ok("key list")).out, /^KEY +ALGORITHM +STATE/u)
    })
  )
})
