import { rename, rm, stat, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import {
  approvalsMax,
  endingsMax,
  keysMax,
  sessionsMax,
  tokensMax,
  usersMax
} from "../../../src/services/identity/bounds.ts"
import {
  type Approval,
  AlreadyThere,
  IdentityStore,
  NotThere,
  type ServiceToken,
  type SigningKey,
  TooMany
} from "../../../src/services/identity/IdentityStore.ts"
import { openDatabase } from "../../../src/services/storage/databaseFile.ts"
import { identityFormat } from "../../../src/services/storage/identity/IdentityFile.ts"
import { identitiesAt, identitiesInMemory } from "../../harness/identities.ts"
import { random } from "../../harness/random.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"
import { IdentityModel } from "./IdentityModel.ts"
import { hashOf, userOf } from "./rows.ts"

const open = Effect.fnUntraced(function* (path: string) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const context = yield* Layer.buildWithScope(identitiesAt(path), scope)
  return { ...Context.get(context, IdentityStore), close: Scope.close(scope, Exit.void) }
})

const inMemory = Effect.map(Layer.build(identitiesInMemory), (context) => Context.get(context, IdentityStore))

const tokenOf = (id: string, more: Partial<ServiceToken> = {}): ServiceToken => ({
  id,
  name: id,
  owner: undefined,
  permissions: ["events:read"],
  hash: hashOf(1),
  createdAt: 0,
  expiresAt: undefined,
  lastUsedAt: undefined,
  revokedAt: undefined,
  ...more
})

const keyOf = (kid: string, alg: SigningKey["alg"] = "HS256"): SigningKey => ({
  kid,
  alg,
  jwk: Redacted.make(`{"kid":"${kid}"}`),
  createdAt: 1,
  retiredAt: undefined,
  expiresAt: undefined
})

const approvalOf = (id: string, more: Partial<Approval> = {}): Approval => ({
  id,
  permission: "actions:run:wipe",
  method: "POST",
  target: "/actions/wipe",
  bodyHash: "00",
  requester: "alice",
  requesterOwner: "alice",
  justification: undefined,
  state: "pending",
  decidedBy: undefined,
  decidedAt: undefined,
  createdAt: 0,
  expiresAt: 100,
  ...more
})

describe("the identity store", () => {
  it.live("does what the model does, seen by another at once, whatever comes in whatever order", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "identity.sqlite")
      const stores = [yield* open(path), yield* open(path)] as const
      const next = random(20_260_101)
      const below = (n: number) => Math.floor(next() * n)
      const pick = <A>(items: ReadonlyArray<A>): A | undefined => items[below(items.length)]
      const model = new IdentityModel(sessionsMax)
      const names = ["ann", "bob", "cy"]
      const shown: Array<{ readonly session: string; readonly hash: Uint8Array }> = []
      let now = 1000
      let count = 0
      const outcomes = new Map<string, number>()
      for (let i = 0; i < 1500; i++) {
        const [store, other] = below(2) === 0 ? stores : ([stores[1], stores[0]] as const)
        now += below(40)
        const name = pick(names) ?? ""
        switch (below(9)) {
          case 0: {
            const user = userOf(name, { createdAt: now, sessionsFrom: now })
            const made = yield* Effect.result(store.createUser(user))
            assert.strictEqual(Result.isSuccess(made), model.createUser(user) === "made")
            break
          }
          case 1: {
            const change = pick([
              { disabled: true },
              { disabled: false },
              { disabled: false },
              { roles: ["admin", name] },
              { endSessions: true }
            ])
            const changed = yield* Effect.result(store.changeUser(name, change ?? {}, now))
            assert.deepStrictEqual(Result.getOrUndefined(changed), model.changeUser(name, change ?? {}, now))
            break
          }
          case 2: {
            if (below(8) !== 0) break
            const deleted = yield* Effect.result(store.deleteUser(name, now))
            assert.strictEqual(Result.isSuccess(deleted), model.deleteUser(name))
            break
          }
          case 3:
          case 4: {
            const session = `s${++count}`
            const hash = hashOf(++count)
            const expiresAt = now + 2000
            const started = { id: session, user: name, refreshHash: hash, createdAt: now, expiresAt }
            yield* store.startSession(started)
            model.start(started)
            shown.push({ session, hash })
            break
          }
          case 5: {
            if (below(4) !== 0) break
            const session = pick(shown)?.session ?? ""
            yield* store.endSession(session, now + 500)
            model.end(session, now + 500)
            break
          }
          case 6: {
            if (below(10) !== 0) break
            yield* store.prune(now)
            model.prune(now)
            break
          }
          default: {
            const known = pick(shown.slice(-12))
            if (known === undefined) break
            const hash = hashOf(++count)
            const rotation = {
              session: known.session,
              shown: known.hash,
              next: hash,
              now,
              expiresAt: now + 2000,
              graceMs: 60
            }
            const rotated = yield* store.rotate(rotation)
            assert.deepStrictEqual(rotated, model.rotate(rotation), `step ${i}`)
            outcomes.set(rotated._tag, (outcomes.get(rotated._tag) ?? 0) + 1)
            if (rotated._tag === "rotated") shown.push({ session: known.session, hash })
          }
        }
        const own = store.current()
        assert.isDefined(own, "who changed it knows at once")
        const seen = yield* other.fresh
        assert.deepStrictEqual(new Map(seen.users), model.users)
        assert.sameMembers([...seen.endedSessions], [...model.ended], `step ${i}`)
        assert.sameMembers([...(own?.endedSessions ?? [])], [...model.ended])
      }
      for (const tag of ["rotated", "reused", "unknown"]) assert.isAtLeast(outcomes.get(tag) ?? 0, 10, tag)
      // What was kept is what a third one finds.
      const third = yield* open(path)
      assert.deepStrictEqual(new Map((yield* third.fresh).users), model.users)
      assert.sameMembers([...(yield* third.fresh).endedSessions], [...model.ended])
    })
  )

  it.live("says at once that another has changed the file, and that nobody has", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "identity.sqlite")
      const one = yield* open(path)
      const two = yield* open(path)
      const before = two.current()
      assert.isDefined(before)
      assert.strictEqual(two.current(), before)
      yield* one.createUser(userOf("ann"))
      assert.isUndefined(two.current())
      assert.deepStrictEqual([...(yield* two.fresh).users.keys()], ["ann"])
      assert.isDefined(two.current())
      // A login changes the file, but nothing that a request is checked against.
      const snapshot = one.current() ?? (yield* one.fresh)
      yield* one.startSession({ id: "s", user: "ann", refreshHash: hashOf(1), createdAt: 1, expiresAt: 9 })
      assert.strictEqual(one.current(), snapshot)
      assert.strictEqual(yield* two.fresh, yield* two.fresh)
    })
  )

  it.effect("those who find it changed at once share one look", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.createUser(userOf("ann"))
      const seen = yield* Effect.all([store.fresh, store.fresh, store.fresh], { concurrency: "unbounded" })
      for (const { users } of seen) assert.isTrue(users.has("ann"))
    })
  )

  it.live("the file is its owner's alone, also where it was not", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "deep", "identity.sqlite")
      const store = yield* open(path)
      yield* store.createUser(userOf("ann"))
      for (const suffix of ["", "-wal", "-shm"]) {
        const { mode } = yield* Effect.promise(() => stat(`${path}${suffix}`))
        assert.strictEqual(mode & 0o777, 0o600, suffix)
      }
    })
  )

  it.effect("a user that is there is not made twice, and none is changed or deleted that is not", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.createUser(userOf("ann", { passwordHash: Redacted.make("$argon2id$…") }))
      assert.deepStrictEqual(
        yield* Effect.flip(store.createUser(userOf("ann"))),
        new AlreadyThere({ what: "user ann" })
      )
      assert.deepStrictEqual(
        yield* Effect.flip(store.changeUser("bob", { disabled: true }, 1)),
        new NotThere({ what: "user bob" })
      )
      assert.deepStrictEqual(yield* Effect.flip(store.deleteUser("bob", 1)), new NotThere({ what: "user bob" }))
      const changed = yield* store.changeUser("ann", { roles: ["admin", "viewer"] }, 7)
      assert.deepStrictEqual([changed.roles, changed.updatedAt], [["admin", "viewer"], 7])
      const hash = (yield* store.fresh).users.get("ann")?.passwordHash
      assert.strictEqual(hash === undefined ? "" : Redacted.value(hash), "$argon2id$…")
      assert.notInclude(JSON.stringify([...(yield* store.fresh).users]), "argon2id")
    })
  )

  it.effect("a user's end is the end of its logins and tokens, and nobody of the name inherits them", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.createUser(userOf("ann"))
      yield* store.createToken(tokenOf("t1", { owner: "ann" }))
      yield* store.createToken(tokenOf("t2", { owner: "bob" }))
      yield* store.startSession({ id: "s1", user: "ann", refreshHash: hashOf(1), createdAt: 1, expiresAt: 100 })
      yield* store.deleteUser("ann", 50)
      yield* store.createUser(userOf("ann", { createdAt: 51, sessionsFrom: 51 }))
      const { endedSessions, tokens } = yield* store.fresh
      assert.deepStrictEqual([...endedSessions], ["s1"])
      assert.deepStrictEqual([tokens.get("t1")?.revokedAt, tokens.get("t2")?.revokedAt], [50, undefined])
      const rotation = { session: "s1", shown: hashOf(1), next: hashOf(2), now: 52, expiresAt: 200, graceMs: 10 }
      assert.deepStrictEqual(yield* store.rotate(rotation), { _tag: "unknown" })
      // A login that was being verified while its user went has ended before it began.
      yield* store.deleteUser("ann", 60)
      yield* store.startSession({ id: "s2", user: "ann", refreshHash: hashOf(3), createdAt: 61, expiresAt: 100 })
      assert.isTrue((yield* store.fresh).endedSessions.has("s2"))
    })
  )

  it.effect("of a user's logins above the bound the oldest ends", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.createUser(userOf("ann"))
      for (let i = 0; i < sessionsMax + 2; i++) {
        yield* store.startSession({
          id: `s${i}`,
          user: "ann",
          refreshHash: hashOf(i),
          createdAt: i,
          expiresAt: 1000 + i
        })
      }
      assert.sameMembers([...(yield* store.fresh).endedSessions], ["s0", "s1"])
    })
  )

  it.effect("whoever logs in anew each time costs no more memory for it, and nothing that has ended comes back", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.createUser(userOf("ann"))
      yield* store.createUser(userOf("bob"))
      const begin = (user: string, at: number) =>
        store.startSession({ id: `${user}${at}`, user, refreshHash: hashOf(at), createdAt: at, expiresAt: 1_000_000 })
      const hasEnded = (user: string, at: number) =>
        Effect.map(
          store.fresh,
          ({ endedSessions, users }) => endedSessions.has(`${user}${at}`) || at < (users.get(user)?.sessionsFrom ?? 0)
        )
      yield* begin("bob", 1)
      const logins = sessionsMax + endingsMax * 2
      for (let at = 1; at <= logins; at++) {
        yield* begin("ann", at)
        assert.isAtMost((yield* store.fresh).endedSessions.size, endingsMax)
      }
      // As many live as may, and no other.
      for (let at = 1; at <= logins; at++)
        assert.strictEqual(yield* hasEnded("ann", at), at <= logins - sessionsMax, `${at}`)
      const shown = { next: hashOf(0), now: logins, expiresAt: 1_000_000, graceMs: 10 }
      const oldest = logins - sessionsMax + 1
      const rotated = yield* store.rotate({ session: `ann${oldest}`, shown: hashOf(oldest), ...shown })
      assert.deepStrictEqual(rotated, { _tag: "rotated", user: "ann" })
      assert.deepStrictEqual(yield* store.rotate({ session: "ann1", shown: hashOf(1), ...shown }), { _tag: "unknown" })

      // In and out, beside a login that lives on: that one ends before memory does.
      for (let at = 2; at <= endingsMax + 2; at++) {
        yield* begin("bob", at)
        yield* store.endSession(`bob${at}`, 1_000_000)
      }
      yield* begin("bob", endingsMax + 3)
      assert.isAtMost((yield* store.fresh).endedSessions.size, 2 * endingsMax)
      for (let at = 1; at <= endingsMax + 2; at++) assert.isTrue(yield* hasEnded("bob", at), `${at}`)
      assert.isFalse(yield* hasEnded("bob", endingsMax + 3))
      assert.isFalse(yield* hasEnded("ann", logins))
    })
  )

  it.effect("of two that show one refresh token, one is given the next", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.createUser(userOf("ann"))
      yield* store.startSession({ id: "s", user: "ann", refreshHash: hashOf(1), createdAt: 1, expiresAt: 100 })
      const show = (shown: number, next: number, now: number) =>
        store.rotate({ session: "s", shown: hashOf(shown), next: hashOf(next), now, expiresAt: 100, graceMs: 0 })
      assert.strictEqual((yield* show(1, 2, 10))._tag, "rotated")
      assert.strictEqual((yield* show(1, 3, 10))._tag, "reused")
      assert.strictEqual((yield* show(2, 4, 10))._tag, "unknown")
    })
  )

  it.live("bounds users, service tokens and approvals, and says which bound it was", () =>
    Effect.gen(function* () {
      const path = join(yield* temporaryFolder, "identity.sqlite")
      const { db } = openDatabase(path, identityFormat)
      const fill = (table: string, columns: string, row: string, rows: number) =>
        db.exec(`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < ${rows - 1})
          INSERT INTO ${table} (${columns}, generation) SELECT ${row}, 1 FROM n`)
      fill(
        "users",
        "name, roles, disabled, sessions_from, created_at, updated_at",
        `'u' || i, '[]', 0, 0, 0, 0`,
        usersMax - 1
      )
      fill("tokens", "id, name, permissions, hash, created_at", `'t' || i, 't', '[]', x'00', 0`, tokensMax - 1)
      fill(
        "approvals",
        `id, permission, method, target, body_hash, requester, requester_owner, state, created_at, expires_at`,
        `'a' || i, 'p', 'POST', '/', '', 'ann', 'ann', 'pending', 0, 100`,
        approvalsMax - 1
      )
      db.close()
      const store = yield* open(path)
      yield* store.createUser(userOf("last"))
      assert.deepStrictEqual(
        yield* Effect.flip(store.createUser(userOf("one-more"))),
        new TooMany({ what: "users", max: usersMax })
      )
      yield* store.createToken(tokenOf("last"))
      assert.deepStrictEqual(
        yield* Effect.flip(store.createToken(tokenOf("one-more"))),
        new TooMany({ what: "service tokens", max: tokensMax })
      )
      yield* store.createApproval(approvalOf("last"))
      assert.deepStrictEqual(
        yield* Effect.flip(store.createApproval(approvalOf("one-more"))),
        new TooMany({ what: "approvals", max: approvalsMax })
      )
      // What has been decided makes room.
      yield* store.decideApproval("a7", { state: "denied", by: "bob", now: 1 })
      yield* store.createApproval(approvalOf("one-more"))
      assert.isFalse((yield* store.fresh).approvals.has("a7"))
    })
  )

  it.effect("a key retires the one of its algorithm, and the oldest go first", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.addKey(keyOf("ed", "EdDSA"), 0)
      for (let i = 0; i < keysMax + 3; i++) yield* store.addKey(keyOf(`k${i}`), 500)
      const { keys } = yield* store.fresh
      assert.lengthOf(keys, keysMax)
      const active = keys.filter(({ retiredAt }) => retiredAt === undefined).map(({ kid }) => kid)
      assert.deepStrictEqual(active, ["ed", `k${keysMax + 2}`])
      assert.strictEqual(keys.find(({ kid }) => kid === `k${keysMax + 1}`)?.expiresAt, 500)
      yield* store.prune(501)
      assert.lengthOf((yield* store.fresh).keys, 2)
    })
  )

  it.effect("an approval is decided once, while it waits, and used once, while it lasts", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.createApproval(approvalOf("a", { expiresAt: 100 }))
      yield* store.createApproval(approvalOf("b", { expiresAt: 100 }))
      assert.isUndefined(yield* store.decideApproval("a", { state: "approved", by: "bob", now: 100 }))
      assert.isFalse(yield* store.useApproval("a", 50))
      const approved = yield* store.decideApproval("a", { state: "approved", by: "bob", now: 50 })
      assert.deepStrictEqual([approved?.state, approved?.decidedBy, approved?.decidedAt], ["approved", "bob", 50])
      assert.isUndefined(yield* store.decideApproval("a", { state: "denied", by: "cy", now: 51 }))
      assert.isTrue(yield* store.useApproval("a", 60))
      assert.isFalse(yield* store.useApproval("a", 61))
      yield* store.prune(150)
      const states = [...(yield* store.fresh).approvals.values()].map(({ id, state }) => `${id} ${state}`)
      assert.sameMembers(states, ["a used", "b expired"])
      yield* store.prune(100 + 86_400_001)
      assert.strictEqual((yield* store.fresh).approvals.size, 0)
    })
  )

  it.effect("what has expired goes, a bounded number at a time, and nothing else does", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.createUser(userOf("ann"))
      for (let i = 0; i < 1500; i++) yield* store.revokeAccess(`j${i}`, 10)
      yield* store.revokeAccess("later", 1000)
      yield* store.createToken(tokenOf("gone", { expiresAt: 5 }))
      yield* store.createToken(tokenOf("revoked", { expiresAt: 7 * 86_400_000 + 500 }))
      yield* store.revokeToken("revoked", 700)
      yield* store.createToken(tokenOf("kept"))
      assert.isTrue(yield* store.prune(11))
      assert.isFalse(yield* store.prune(11))
      assert.deepStrictEqual([...(yield* store.fresh).revokedTokens], ["later"])
      yield* store.prune(7 * 86_400_000 + 600)
      assert.sameMembers([...(yield* store.fresh).tokens.keys()], ["revoked", "kept"])
      yield* store.prune(7 * 86_400_000 + 800)
      assert.sameMembers([...(yield* store.fresh).tokens.keys()], ["kept"])
      assert.isTrue((yield* store.fresh).users.has("ann"))
    })
  )

  it.effect("keeps when a token was used last, and never an earlier time", () =>
    Effect.gen(function* () {
      const store = yield* inMemory
      yield* store.createToken(tokenOf("t"))
      yield* store.touchTokens(new Map([["t", 50]]))
      yield* store.touchTokens(
        new Map([
          ["t", 40],
          ["none", 60]
        ])
      )
      assert.strictEqual((yield* store.fresh).tokens.get("t")?.lastUsedAt, 50)
    })
  )
})

describe("a file that is not what it was", () => {
  const opening = (path: string) => Effect.flip(Layer.build(identitiesAt(path)))

  it.live("is refused where it is damaged or somebody else's, and left as it is", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = join(folder, "identity.sqlite")
      yield* Effect.promise(() => writeFile(path, "no database at all, but long enough to look like one".repeat(50)))
      assert.match((yield* opening(path)).message, /identity store .*identity\.sqlite: .*\. It was left as it is\. /u)
      const { DatabaseSync } = yield* Effect.promise(() => import("node:sqlite"))
      const foreign = join(folder, "foreign.sqlite")
      const db = new DatabaseSync(foreign)
      db.exec("CREATE TABLE t (a)")
      db.close()
      assert.include((yield* opening(foreign)).message, "it is a database of another program")
      const newer = join(folder, "newer.sqlite")
      yield* (yield* open(newer)).close
      const later = new DatabaseSync(newer)
      later.exec("PRAGMA user_version = 99")
      later.close()
      assert.include((yield* opening(newer)).message, "its format is 99, this systemapi knows formats up to 1")
    })
  )

  it.live("is read anew where another has taken its place, and never made anew where it is gone", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = join(folder, "identity.sqlite")
      const other = yield* open(join(folder, "other.sqlite"))
      yield* other.createUser(userOf("bob"))
      yield* other.close
      const store = yield* open(path)
      yield* store.createUser(userOf("ann"))
      for (const suffix of ["", "-wal", "-shm"]) yield* Effect.promise(() => rm(`${path}${suffix}`))
      const gone = yield* Effect.flip(store.createUser(userOf("cy")))
      assert.include(gone.message, "it was removed; put it back")
      yield* Effect.promise(() => rename(join(folder, "other.sqlite"), path))
      yield* store.createUser(userOf("dan"))
      assert.sameMembers([...(yield* store.fresh).users.keys()], ["bob", "dan"])
    })
  )
})
