import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import type { ServiceToken } from "../../../src/services/identity/IdentityStore.ts"
import { makeIdentityApp, somebody, user } from "../../harness/identityApp.ts"

const stored = (id: string, owner: string | undefined, rest: Partial<ServiceToken> = {}): ServiceToken => ({
  id,
  name: `name of ${id}`,
  owner,
  permissions: ["events:read"],
  hash: new Uint8Array(32),
  createdAt: 0,
  expiresAt: undefined,
  lastUsedAt: undefined,
  revokedAt: undefined,
  ...rest
})

const people = [user("root", ["admin"]), user("alice", ["operator"]), user("vera", ["viewer"])]

const idOf = (json: unknown): string =>
  typeof json === "object" && json !== null && "id" in json && typeof json.id === "string" ? json.id : ""

describe("service tokens", () => {
  it.effect("are made with what their maker may, and show their secret once", () =>
    Effect.gen(function* () {
      const { audited, call } = yield* makeIdentityApp(people)
      const body = { name: "ci", permissions: ["events:read", "actions:run:*"], expires_in_seconds: 60 }
      const created = yield* call("/v1/tokens", { as: "alice", body })
      const id = idOf(created.json)
      const entry = {
        id,
        name: "ci",
        owner: "alice",
        permissions: ["events:read", "actions:run:*"],
        created_at: "1970-01-01T00:00:00.000Z",
        expires_at: "1970-01-01T00:01:00.000Z",
        last_used_at: null,
        revoked_at: null
      }
      const secret = /"token":"(sa_[\w-]+)"/u.exec(created.text)?.[1] ?? ""
      assert.match(secret, new RegExp(`^sa_${id}_[\\w-]{43}$`, "u"))
      assert.deepStrictEqual([created.status, created.json], [201, { ...entry, token: secret }])
      assert.strictEqual(created.headers["cache-control"], "no-store")
      const listed = yield* call("/v1/tokens", { as: "alice" })
      assert.deepStrictEqual(listed.json, [entry])
      const removed = yield* call(`/v1/tokens/${id}`, { as: "alice", method: "DELETE" })
      assert.deepStrictEqual([removed.status, removed.text], [204, ""])
      assert.deepStrictEqual(
        audited().map(({ action, on, outcome, who }) => [action, outcome, who, on]),
        [
          ["token.created", "succeeded", "alice", id],
          ["token.revoked", "succeeded", "alice", id]
        ]
      )
      assert.notInclude(JSON.stringify([audited(), listed.json]), secret.slice(-43))
    })
  )

  it.effect("are never made with more", () =>
    Effect.gen(function* () {
      const { audited, call, refused, store } = yield* makeIdentityApp(people)
      for (const grant of ["*", "users:manage", "uploads:write:x", "actions:*", "events:*", "secret:set"]) {
        const body = { name: "ci", permissions: ["events:read", grant] }
        const { status, text } = yield* call("/v1/tokens", { as: "alice", body })
        assert.deepStrictEqual([status, text.includes(`may not give ${grant}`)], [403, true], text)
      }
      assert.deepStrictEqual([audited().length, refused().length], [0, 6])
      const narrow = somebody("token:narrow", ["tokens:create", "events:read"], { kind: "token", owner: "root" })
      const wider = yield* call("/v1/tokens", { as: narrow, body: { name: "ci", permissions: ["events:write"] } })
      assert.strictEqual(wider.status, 403)
      assert.strictEqual((yield* store.fresh).tokens.size, 0)
      const own = yield* call("/v1/tokens", { as: narrow, body: { name: "ci", permissions: ["events:read"] } })
      assert.deepStrictEqual([own.status, (yield* store.fresh).tokens.get(idOf(own.json))?.owner], [201, "root"])
    })
  )

  it.effect("are made by users alone, who answer for them", () =>
    Effect.gen(function* () {
      const { call, store } = yield* makeIdentityApp(people)
      for (const as of [
        somebody("admin", ["*"], { kind: "basic" }),
        somebody("certificate:build", ["*"]),
        somebody("socket:/run/x", ["*"], { kind: "socket" }),
        somebody("token:console", ["*"], { kind: "token" })
      ]) {
        const { status, text } = yield* call("/v1/tokens", { as, body: { name: "ci", permissions: ["events:read"] } })
        assert.deepStrictEqual([status, text.includes(`${as.id} is no user`)], [403, true])
      }
      assert.strictEqual((yield* store.fresh).tokens.size, 0)
    })
  )

  it.effect("do not outlive the one that makes them", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp(people)
      yield* TestClock.adjust("10 seconds")
      const brief = somebody("token:brief", ["tokens:create", "events:read"], {
        kind: "token",
        owner: "alice",
        expiresAt: 70_000
      })
      const make = (lifetime?: number) =>
        call("/v1/tokens", {
          as: brief,
          body: {
            name: "child",
            permissions: ["events:read"],
            ...(lifetime === undefined ? {} : { expires_in_seconds: lifetime })
          }
        })
      for (const lifetime of [undefined, 61]) {
        const { status, text } = yield* make(lifetime)
        assert.deepStrictEqual([status, text.includes("at most 60")], [403, true])
      }
      assert.strictEqual((yield* make(60)).status, 201)
    })
  )

  it.effect("are only taken as they may be", () =>
    Effect.gen(function* () {
      const { call } = yield* makeIdentityApp(people)
      const good = { name: "ci", permissions: ["events:read"] }
      for (const [body, message] of [
        [{ ...good, permissions: [] }, "permissions: "],
        [{ ...good, permissions: ["events:raed"] }, '\\"events:raed\\" matches no permission there is'],
        [{ ...good, permissions: ["events read"] }, "is no permission"],
        [{ ...good, permissions: ["*:read"] }, "is no permission"],
        [{ ...good, permissions: ["a".repeat(257)] }, "permissions.0: "],
        [{ ...good, name: "a b" }, "name: "],
        [{ ...good, name: "" }, "name: "],
        [{ ...good, expires_in_seconds: 0 }, "expires_in_seconds: "],
        [{ ...good, expires_in_seconds: 1.5 }, "expires_in_seconds: "],
        [{ ...good, expires_in_seconds: 1e12 }, "expires_in_seconds: "],
        [{ ...good, owner: "root" }, "owner: Expected no excess property"]
      ] as const) {
        const { status, text } = yield* call("/v1/tokens", { as: "root", body })
        assert.deepStrictEqual([status, text.includes(message)], [400, true], `${message}: ${text}`)
      }
    })
  )

  it.effect("of others are none, but to who manages them all", () =>
    Effect.gen(function* () {
      const { call, store } = yield* makeIdentityApp(people)
      for (const [id, owner] of [
        ["b", "root"],
        ["a", "alice"],
        ["c", undefined]
      ] as const) {
        yield* store.createToken(stored(id, owner))
      }
      const idsFor = (as: string) =>
        Effect.map(call("/v1/tokens", { as }), ({ json }) => (Array.isArray(json) ? json.map(({ id }) => id) : []))
      assert.deepStrictEqual(yield* idsFor("alice"), ["a"])
      assert.deepStrictEqual(yield* idsFor("root"), ["a", "b", "c"])
      const unknown = yield* call("/v1/tokens/zzz", { as: "alice", method: "DELETE" })
      assert.strictEqual(unknown.status, 404)
      for (const id of ["b", "c"]) {
        const others = yield* call(`/v1/tokens/${id}`, { as: "alice", method: "DELETE" })
        assert.deepStrictEqual(
          [others.status, others.text.replaceAll(id, "zzz")],
          [404, unknown.text.replaceAll(id, "zzz")]
        )
        assert.isUndefined((yield* store.fresh).tokens.get(id)?.revokedAt)
      }
      assert.strictEqual((yield* call("/v1/tokens/c", { as: "root", method: "DELETE" })).status, 204)
      assert.isDefined((yield* store.fresh).tokens.get("c")?.revokedAt)
      assert.strictEqual((yield* call("/v1/tokens", { as: "vera" })).status, 403)
      assert.strictEqual((yield* call("/v1/tokens")).status, 401)
    })
  )
})
