import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import { IdentityStore } from "../../../src/services/identity/IdentityStore.ts"
import type { RoleConfig } from "../../../src/services/identity/Roles.ts"
import { developmentHash } from "../../../src/services/identity/standing.ts"
import { identitiesInMemory } from "../../harness/identities.ts"
import { makeIdentityApp, somebody, user } from "../../harness/identityApp.ts"

/** Manages users, and may besides what a viewer may and run deployments. */
const roles: ReadonlyArray<RoleConfig> = [
  { name: "staff", permissions: ["users:*", "actions:run:deploy_*"], description: "Looks after people" },
  { name: "deploy", permissions: ["actions:run:deploy_web"], description: "" },
  { name: "everything", permissions: ["*"], description: "" }
]

const root = user("root", ["admin"])
const manager = user("manager", ["staff", "viewer"])
const viewer = user("viewer1", ["viewer"])

describe("users", () => {
  it.effect("are created, read, changed and removed, and told of without a hash", () =>
    Effect.gen(function* () {
      const { audited, call, users } = yield* makeIdentityApp([root], { roles })
      yield* TestClock.adjust("1 second")
      const body = { username: "alice", password: "long enough", roles: ["operator", "deploy"] }
      const created = yield* call("/v1/users", { as: "root", body })
      const entry = {
        username: "alice",
        roles: ["operator", "deploy"],
        disabled: false,
        has_password: true,
        created_at: "1970-01-01T00:00:01.000Z",
        updated_at: "1970-01-01T00:00:01.000Z"
      }
      assert.deepStrictEqual([created.status, created.json], [201, entry])
      assert.strictEqual(created.headers["location"], "/v1/users/alice")
      assert.strictEqual((yield* users).get("alice")?.sessionsFrom, 1000)
      assert.strictEqual((yield* call("/v1/users", { as: "root", body })).status, 409)

      const got = yield* call("/v1/users/alice", { as: "root" })
      assert.deepStrictEqual(got.json, entry)
      const all = yield* call("/v1/users", { as: "root" })
      assert.deepStrictEqual([all.text.includes("hash of"), all.headers["x-next-cursor"]], [false, undefined])

      yield* TestClock.adjust("1 second")
      const changed = yield* call("/v1/users/alice", { as: "root", method: "PATCH", body: { disabled: true } })
      assert.deepStrictEqual(changed.json, { ...entry, disabled: true, updated_at: "1970-01-01T00:00:02.000Z" })
      assert.strictEqual((yield* users).get("alice")?.sessionsFrom, 2000)
      const enabled = yield* call("/v1/users/alice", {
        as: "root",
        method: "PATCH",
        body: { disabled: false, roles: ["viewer"] }
      })
      assert.deepStrictEqual(enabled.json, { ...entry, roles: ["viewer"], updated_at: "1970-01-01T00:00:02.000Z" })

      yield* TestClock.adjust("1 second")
      const password = { as: "root", body: { password: "another one" } }
      assert.strictEqual((yield* call("/v1/users/alice/password", password)).status, 204)
      const stored = (yield* users).get("alice")
      assert.strictEqual(stored?.sessionsFrom, 3000)
      assert.isDefined(stored?.passwordHash)
      if (stored?.passwordHash !== undefined) {
        assert.strictEqual(Redacted.value(stored.passwordHash), "hash of another one")
      }
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* call("/v1/users/alice/revoke", { method: "POST", as: "root" })).status, 204)
      assert.strictEqual((yield* users).get("alice")?.sessionsFrom, 4000)

      const removed = yield* call("/v1/users/alice", { as: "root", method: "DELETE" })
      assert.deepStrictEqual([removed.status, removed.text], [204, ""])
      for (const [target, method] of [
        ["/v1/users/alice", "GET"],
        ["/v1/users/alice", "DELETE"],
        ["/v1/users/alice/revoke", "POST"]
      ] as const) {
        const gone = yield* call(target, { as: "root", method })
        assert.deepStrictEqual([gone.status, gone.text.includes('"error":"NOT_FOUND"')], [404, true])
      }
      assert.deepStrictEqual(
        audited().map(({ action, detail, on, outcome, who }) => [action, outcome, who, on, detail]),
        [
          ["user.created", "succeeded", "root", "alice", "roles: operator, deploy"],
          ["user.changed", "succeeded", "root", "alice", "disabled"],
          ["user.changed", "succeeded", "root", "alice", "roles: operator, deploy -> viewer; enabled"],
          ["password.changed", "succeeded", "root", "alice", undefined],
          ["sessions.ended", "succeeded", "root", "alice", undefined],
          ["user.deleted", "succeeded", "root", "alice", undefined]
        ]
      )
    })
  )

  it.effect("are listed by name, a page at a time", () =>
    Effect.gen(function* () {
      const names = ["zoe", "adam", "eve", "bob", "carl"]
      const { call } = yield* makeIdentityApp([root, ...names.map((name) => user(name, ["viewer"]))])
      const pages: Array<unknown> = []
      const next: Array<string | undefined> = []
      for (const cursor of ["", "bob", "eve"]) {
        const { headers, json } = yield* call(`/v1/users?limit=2&cursor=${cursor}`, { as: "root" })
        pages.push(Array.isArray(json) ? json.map(({ username }) => username) : json)
        next.push(headers["x-next-cursor"])
      }
      assert.deepStrictEqual(next, ["bob", "eve", undefined])
      assert.deepStrictEqual(pages, [
        ["adam", "bob"],
        ["carl", "eve"],
        ["root", "zoe"]
      ])
      for (const limit of ["0", "-1", "1e3", "10001", "999999", ""]) {
        const { status, text } = yield* call(`/v1/users?limit=${limit}`, { as: "root" })
        assert.deepStrictEqual([limit, status, text.includes("allowed: 1 to 10000")], [limit, 400, true])
      }
    })
  )

  it.effect("are only taken as they may be", () =>
    Effect.gen(function* () {
      const { call, users } = yield* makeIdentityApp([root], { roles })
      const good = { username: "alice", roles: ["viewer"] }
      for (const [body, message] of [
        [{ ...good, username: "Alice" }, "username: Expected 1 to 64 of a-z"],
        [{ ...good, username: "a:b" }, "username: "],
        [{ ...good, username: "../x" }, "username: "],
        [{ ...good, username: "anonymous" }, "username: "],
        [{ ...good, username: "a".repeat(65) }, "username: "],
        [{ ...good, roles: [] }, "roles: "],
        [{ ...good, roles: ["viewer", "viewer"] }, "roles: "],
        [{ ...good, roles: "viewer" }, "roles: "],
        [
          { ...good, roles: ["root"] },
          "allowed: admin, operator, developer, viewer, status, staff, deploy, everything"
        ],
        [{ ...good, roles: ["constructor"] }, "allowed: admin"],
        [{ ...good, password: "short" }, "shorter than 8"],
        [{ ...good, passwordHash: "x" }, "passwordHash: Expected no excess property"],
        ['{"username":"alice","roles":["viewer"],"__proto__":{"disabled":true}}', "__proto__: Expected no excess"],
        [{ username: "alice" }, "roles: Missing key"]
      ] as const) {
        const { status, text } = yield* call("/v1/users", { as: "root", body })
        assert.deepStrictEqual([status, text.includes(message)], [400, true], `${message}: ${text}`)
      }
      assert.deepStrictEqual([...(yield* users).keys()], ["root"])
      for (const body of [{}, { disabled: "yes" }, { username: "x" }, { roles: ["nope"] }]) {
        assert.strictEqual((yield* call("/v1/users/root", { as: "root", method: "PATCH", body })).status, 400)
      }
      const without = yield* call("/v1/users", { as: "root", body: good })
      assert.deepStrictEqual([without.status, without.text.includes('"has_password":false')], [201, true])
    })
  )
})

describe("names that nobody has", () => {
  it.effect("are not found, whatever they look like", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp([root])
      for (const name of [
        "%00",
        "root%00",
        "ROOT",
        "root%20",
        "%2e%2e%2froot",
        "..%2f..%2fetc",
        "__proto__",
        "constructor",
        "%ff",
        "%",
        "root;x",
        "*",
        "%25",
        "'%20or%201=1",
        "x".repeat(1000)
      ]) {
        for (const [target, method, body] of [
          [`/v1/users/${name}`, "GET", undefined],
          [`/v1/users/${name}`, "PATCH", { disabled: true }],
          [`/v1/users/${name}`, "DELETE", undefined],
          [`/v1/users/${name}/password`, "POST", { password: "long enough" }],
          [`/v1/users/${name}/revoke`, "POST", undefined],
          [`/v1/tokens/${name}`, "DELETE", undefined]
        ] as const) {
          const { status, text } = yield* call(target, { as: "root", method, body })
          assert.strictEqual(status, 404, `${method} ${target}: ${text}`)
          assert.isBelow(text.length, 400)
        }
      }
      assert.strictEqual((yield* call("/v1/users/root", { as: "root" })).status, 200)
    })
  )
})

describe("whoever manages users", () => {
  it.effect("gives no role that may more than they", () =>
    Effect.gen(function* () {
      const { audited, call, refused, users } = yield* makeIdentityApp([root, manager, viewer], { roles })
      const give = (role: string) => call("/v1/users", { as: "manager", body: { username: "new1", roles: [role] } })
      for (const role of ["admin", "operator", "everything"]) {
        const { status, text } = yield* give(role)
        assert.deepStrictEqual([status, text.includes(`may not give the role ${role}`)], [403, true])
        const lift = yield* call("/v1/users/viewer1", { as: "manager", method: "PATCH", body: { roles: [role] } })
        assert.strictEqual(lift.status, 403)
        const self = yield* call("/v1/users/manager", { as: "manager", method: "PATCH", body: { roles: [role] } })
        assert.strictEqual(self.status, 403)
      }
      assert.deepStrictEqual([...(yield* users).keys()].sort(), ["manager", "root", "viewer1"])
      assert.deepStrictEqual([audited().length, refused().length], [0, 9])
      assert.strictEqual(refused()[0]?.detail, "manager may not give the role admin, which may more than it")
      for (const role of ["viewer", "deploy", "staff"]) {
        const allowed = yield* call("/v1/users/viewer1", { as: "manager", method: "PATCH", body: { roles: [role] } })
        assert.strictEqual(allowed.status, 200, role)
      }
    })
  )

  it.effect("touches nobody who may more than they", () =>
    Effect.gen(function* () {
      const { audited, call, refused, users } = yield* makeIdentityApp([root, manager, viewer], { roles })
      const before = (yield* users).get("root")
      for (const [target, method, body] of [
        ["/v1/users/root", "PATCH", { roles: ["viewer"] }],
        ["/v1/users/root", "PATCH", { disabled: true }],
        ["/v1/users/root", "DELETE", undefined],
        ["/v1/users/root/password", "POST", { password: "mine, from now on" }],
        ["/v1/users/root/revoke", "POST", undefined]
      ] as const) {
        const { status, text } = yield* call(target, { as: "manager", method, body })
        assert.deepStrictEqual([status, text.includes("may not change root")], [403, true], `${method} ${target}`)
      }
      assert.deepStrictEqual((yield* users).get("root"), before)
      assert.deepStrictEqual([audited().length, refused().length], [0, 5])
      assert.notInclude(JSON.stringify(refused()), "mine, from")
      // A token of root's that may manage users and no more is no root either.
      const token = somebody("token:hr", ["users:manage"], { kind: "token", owner: "root" })
      const taken = yield* call("/v1/users/viewer1/password", { as: token, body: { password: "mine, from now on" } })
      assert.strictEqual(taken.status, 403)
      assert.strictEqual(
        (yield* call("/v1/users/viewer1/password", { as: "manager", body: { password: "long enough" } })).status,
        204
      )
    })
  )

  it.effect("needs the permission, whether or not there is such a user or body", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp([viewer], { roles })
      for (const [target, method] of [
        ["/v1/users", "GET"],
        ["/v1/users", "POST"],
        ["/v1/users/nobody", "GET"],
        ["/v1/users/nobody", "PATCH"],
        ["/v1/users/viewer1", "DELETE"],
        ["/v1/users/nobody/password", "POST"],
        ["/v1/users/nobody/revoke", "POST"],
        ["/v1/roles", "GET"]
      ] as const) {
        const { status, text } = yield* call(target, { as: "viewer1", method })
        assert.deepStrictEqual([status, text.includes("it needs users:")], [403, true], target)
      }
    })
  )
})

describe("the last user who may do everything", () => {
  const attempts = [
    ["PATCH", { roles: ["viewer"] }],
    ["PATCH", { disabled: true }],
    ["DELETE", undefined]
  ] as const

  it.effect("is kept from users and tokens, by any of the ways", () =>
    Effect.gen(function* () {
      const locked = user("locked", ["admin"], { disabled: true })
      const silent = user("silent", ["admin"], { passwordHash: undefined })
      const known = Redacted.make(`${developmentHash}whatever it is`)
      const development = user("development", ["admin"], { passwordHash: known })
      const { call, users } = yield* makeIdentityApp([root, locked, silent, development, viewer], { roles })
      const token = somebody("token:all", ["*"], { kind: "token", owner: "root" })
      for (const as of ["root", token]) {
        for (const [method, body] of attempts) {
          const { status, text } = yield* call("/v1/users/root", { as, method, body })
          assert.deepStrictEqual([status, text.includes("root is the last user")], [409, true], text)
        }
      }
      // Roles that may everything too, and whatever leaves root as it is.
      assert.strictEqual(
        (yield* call("/v1/users/root", { as: "root", method: "PATCH", body: { roles: ["everything"] } })).status,
        200
      )
      assert.strictEqual((yield* call("/v1/users/locked", { as: "root", method: "DELETE" })).status, 204)
      assert.isTrue((yield* users).has("root"))
    })
  )

  it.effect("goes where another stays, or by who came in another way", () =>
    Effect.gen(function* () {
      for (const [method, body] of attempts) {
        const two = yield* makeIdentityApp([root, user("root2", ["everything"])], { roles })
        assert.include([200, 204], (yield* two.call("/v1/users/root", { as: "root", method, body })).status)
        const one = yield* makeIdentityApp([root], { roles })
        const basic = somebody("admin", ["*"], { kind: "basic" })
        assert.include([200, 204], (yield* one.call("/v1/users/root", { as: basic, method, body })).status)
      }
    })
  )

  it.effect("is left by two who remove each other at once", () =>
    Effect.gen(function* () {
      // A removal takes its time, so that another request comes in between.
      const layer = Layer.effect(
        IdentityStore,
        Effect.map(IdentityStore, (store) => ({
          ...store,
          deleteUser: (name: string, now: number) => Effect.andThen(Effect.yieldNow, store.deleteUser(name, now))
        }))
      ).pipe(Layer.provide(identitiesInMemory))
      const { call, users } = yield* makeIdentityApp([root, user("root2", ["admin"])], { store: layer })
      const remove = (name: string, by: string) =>
        call(`/v1/users/${name}`, { as: somebody(by, ["*"], { kind: "user" }), method: "DELETE" })
      const answers = yield* Effect.all([remove("root2", "root"), remove("root", "root2")], {
        concurrency: "unbounded"
      })
      assert.deepStrictEqual(answers.map(({ status }) => status).sort(), [204, 409])
      assert.strictEqual((yield* users).size, 1)
    })
  )
})

describe("roles", () => {
  it.effect("are told with what they permit", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp([root], { roles })
      const { json } = yield* call("/v1/roles", { as: "root" })
      assert.isTrue(Array.isArray(json))
      if (!Array.isArray(json)) return
      assert.deepStrictEqual(
        json.map(({ built_in, name }) => [name, built_in]),
        [
          ["admin", true],
          ["operator", true],
          ["developer", true],
          ["viewer", true],
          ["status", true],
          ["staff", false],
          ["deploy", false],
          ["everything", false]
        ]
      )
      assert.deepStrictEqual(json[5], {
        name: "staff",
        permissions: ["actions:run:deploy_*", "users:*"],
        built_in: false,
        description: "Looks after people"
      })
    })
  )
})
