import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import { type Attempt, Authenticator, nobody, type Outcome } from "../../../src/services/auth/Authenticator.ts"
import { BasicAuth } from "../../../src/services/auth/BasicAuth.ts"
import { BasicSecret } from "../../../src/services/auth/BasicSecret.ts"
import { FailureThrottle } from "../../../src/services/auth/FailureThrottle.ts"
import type { ClientCertificate, Peer } from "../../../src/services/auth/Peer.ts"
import { load } from "../../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../../src/services/config/CurrentConfig.ts"
import type { CertificateConfig } from "../../../src/services/config/IdentityConfig.ts"
import { AccessTokens, type Verified } from "../../../src/services/identity/AccessTokens.ts"
import { CurrentRoles } from "../../../src/services/identity/CurrentRoles.ts"
import { IdentityStore, IdentityUnavailable, type User } from "../../../src/services/identity/IdentityStore.ts"
import { LoginLimited, Passwords, type PasswordVerdict } from "../../../src/services/identity/Passwords.ts"
import { PermissionSet } from "../../../src/services/identity/Permission.ts"
import { type Principal, type Provider, providers } from "../../../src/services/identity/Principal.ts"
import { openGrants } from "../../../src/services/identity/Roles.ts"
import { ServiceTokens } from "../../../src/services/identity/ServiceTokens.ts"
import { parseNameKey } from "../../../src/services/tls/DistinguishedName.ts"

const basic = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`

const userNamed = (name: string, ...roles: ReadonlyArray<string>): User => ({
  name,
  roles,
  passwordHash: undefined,
  disabled: false,
  sessionsFrom: 0,
  createdAt: 0,
  updatedAt: 0
})
const alice = userNamed("alice", "viewer")

const program: Principal = { ...nobody(new PermissionSet(["events:write"]), []), id: "token:ci", kind: "token" }

const certificate: ClientCertificate = {
  fingerprint: "ab".repeat(32),
  subject: "CN=build,O=Example",
  subjectKey: parseNameKey("CN=build,O=Example") ?? "",
  notAfter: 9e12,
  sans: ["DNS:build.example", "URI:spiffe://example/build"],
  serial: "01"
}
const verified: Peer = { _tag: "verified", certificate }
const revoked: Peer = { _tag: "refused", certificate, reason: "it has been revoked" }

const entry = (name: string, by: Partial<CertificateConfig>): CertificateConfig => ({
  name,
  fingerprint: undefined,
  san: undefined,
  subject: undefined,
  roles: ["operator"],
  ...by
})

interface World {
  /** The password of the System API; null: its file is empty; undefined: no file is configured. */
  readonly secret?: string | null | undefined
  readonly users?: ReadonlyArray<User>
  readonly certificates?: ReadonlyArray<CertificateConfig>
  readonly verifyPassword?: Passwords["Service"]["verify"]
  readonly verifyToken?: AccessTokens["Service"]["verify"]
}

const world = (told: World = {}) => {
  const users = new Map((told.users ?? [alice]).map((user) => [user.name, user]))
  const asked: Array<string> = []
  const right = (user: User): PasswordVerdict => ({ _tag: "right", user })
  const layer = Layer.unwrap(
    Effect.gen(function* () {
      const { config } = yield* load(undefined, {})
      const general = { ...config.general, basic_auth_secret_path: told.secret === undefined ? undefined : "/secret" }
      const current = CurrentConfig.layer({ ...config, general, certificates: told.certificates ?? [] })
      const secret = Layer.mock(BasicSecret, {
        verifyNow: (password) => {
          if (told.secret === undefined || told.secret === null) return "open"
          return Buffer.from(password).toString() === told.secret ? "right" : "wrong"
        },
        version: () => 7,
        checkBootstrap: () => true
      })
      const identity = Layer.mergeAll(
        Layer.mock(IdentityStore, {
          current: () => ({
            users,
            tokens: new Map(),
            keys: [],
            endedSessions: new Set(),
            revokedTokens: new Set(),
            approvals: new Map()
          })
        }),
        Layer.mock(Passwords, {
          verify: (name, password, address) => {
            asked.push(name)
            if (told.verifyPassword !== undefined) return told.verifyPassword(name, password, address)
            const user = users.get(name)
            return Effect.succeed(
              user !== undefined && Buffer.from(password).toString() === `${name}'s`
                ? right(user)
                : { _tag: "wrong", reason: "the password is wrong" }
            )
          }
        }),
        Layer.mock(AccessTokens, {
          verify: (token) => {
            asked.push(token)
            if (told.verifyToken !== undefined) return told.verifyToken(token)
            const user = users.get(token)
            const answer: Verified =
              user === undefined
                ? { _tag: "invalid", reason: "the signature is wrong", claimed: "mallory" }
                : {
                    _tag: "valid",
                    user,
                    claims: { user: user.name, jti: "j1", session: "s1", issuedAt: 1000, expiresAt: 9000 }
                  }
            return Effect.succeed(answer)
          }
        }),
        Layer.mock(ServiceTokens, {
          isOne: (token) => token.startsWith("sa_"),
          verify: (token) =>
            Effect.succeed(
              token === "sa_ci_x"
                ? { _tag: "valid", principal: program }
                : { _tag: "invalid", reason: "it was revoked", claimed: "token:ci" }
            )
        })
      )
      return Authenticator.layer.pipe(
        Layer.provide(BasicAuth.layer),
        Layer.provide([secret, identity]),
        Layer.provide(CurrentRoles.layer),
        Layer.provide(current),
        Layer.provideMerge(FailureThrottle.layer)
      )
    })
  )
  return { layer, asked }
}

const attempt = (authorization: string | undefined, offered: ReadonlyArray<Provider>, peer?: Peer): Attempt => ({
  authorization,
  address: "192.0.2.1",
  peer,
  surface: { address: "unix:/run/s.sock", providers: offered, roles: ["viewer"] }
})

const ask = (authorization: string | undefined, offered: ReadonlyArray<Provider> = ["basic", "bearer"], peer?: Peer) =>
  Authenticator.use((auth) => auth.authenticate(attempt(authorization, offered, peer)))

/** Whom it let in, or how it did not. */
const told = (outcome: Outcome): string => {
  switch (outcome._tag) {
    case "admitted":
      return `${outcome.principal.id}${outcome.otherwise === undefined ? "" : ` although ${told(outcome.otherwise)}`}`
    case "refused":
      return [
        "refused",
        outcome.refusal.scheme,
        ...(outcome.refusal.error === undefined ? [] : [outcome.refusal.error]),
        outcome.refusal.reason
      ].join(": ")
    case "limited":
      return `limited ${outcome.retryAfterSeconds}`
    case "unavailable":
      return "unavailable"
  }
}
const who = (...asked: Parameters<typeof ask>) => Effect.map(ask(...asked), told)

const permissionsOf = (outcome: Outcome) =>
  outcome._tag === "admitted" ? outcome.principal.permissions : PermissionSet.none

describe("the Authorization header", () => {
  const { asked, layer } = world({ secret: "sesame" })

  it.effect("decides by its scheme", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* who(basic("admin", "sesame")), "admin")
      assert.strictEqual(yield* who(basic("admin", "wrong")), "refused: basic: wrong user or password")
      assert.strictEqual(yield* who(basic("alice", "alice's")), "alice")
      assert.strictEqual(yield* who(basic("alice", "sesame")), "refused: basic: the password is wrong")
      assert.strictEqual(yield* who("Bearer alice"), "alice")
      assert.strictEqual(yield* who("bEaReR   alice"), "alice")
      assert.strictEqual(yield* who("Bearer junk"), "refused: bearer: invalid_token: the signature is wrong")
      assert.strictEqual(yield* who("Bearer sa_ci_x"), "token:ci")
      assert.strictEqual(yield* who("Bearer sa_ci_y"), "refused: bearer: invalid_token: it was revoked")
      for (const odd of ["Bearer", "Bearer ", "Bearer a b"]) {
        assert.strictEqual(yield* who(odd), "refused: bearer: invalid_token: it is no token", odd)
      }
      for (const odd of ["", " ", "junk", "Digest x", "Basicx", "Negotiate YII=", "\tBasic x", "Token alice"]) {
        assert.strictEqual(yield* who(odd), "refused: none: a scheme that is not known here", odd)
      }
    }).pipe(Effect.provide(layer))
  )

  it.effect("is refused where its scheme is not offered, and not looked at", () =>
    Effect.gen(function* () {
      asked.length = 0
      for (const offered of [[], ["none"], ["socket"], ["certificate"]] as const) {
        assert.strictEqual(
          yield* who(basic("admin", "sesame"), offered, verified),
          "refused: basic: this listener takes no passwords"
        )
        assert.strictEqual(yield* who("Bearer alice", offered), "refused: bearer: this listener takes no tokens")
      }
      assert.strictEqual(yield* who("Bearer alice", ["basic"]), "refused: bearer: this listener takes no tokens")
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.provide(layer))
  )

  it.effect("that is wrong is refused where socket, certificate or nothing would have done", () =>
    Effect.gen(function* () {
      for (const header of [basic("admin", "wrong"), basic("alice", "wrong"), "Bearer junk", "Digest x", ""]) {
        assert.match(yield* who(header, providers, verified), /^refused: /u)
      }
    }).pipe(
      Effect.provide(
        world({ secret: "sesame", certificates: [entry("build", { fingerprint: certificate.fingerprint })] }).layer
      )
    )
  )

  it.effect("makes the principal that it stands for", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(5000)
      const byPassword = yield* ask(basic("alice", "alice's"))
      const byToken = yield* ask("Bearer alice")
      const common = { id: "alice", kind: "user", roles: ["viewer"], owner: "alice" } as const
      assert.deepInclude(byPassword._tag === "admitted" ? byPassword.principal : {}, {
        ...common,
        provider: "basic",
        authenticatedAt: 5000,
        credential: undefined,
        expiresAt: undefined
      })
      assert.deepInclude(byToken._tag === "admitted" ? byToken.principal : {}, {
        ...common,
        provider: "bearer",
        authenticatedAt: 1000,
        credential: "j1",
        session: "s1",
        expiresAt: 9000
      })
      const admin = yield* ask(basic("admin", "sesame"))
      assert.deepInclude(admin._tag === "admitted" ? admin.principal : {}, { kind: "basic", authenticatedAt: 5000 })
      for (const outcome of [byPassword, byToken, admin]) assert.propertyVal(outcome, "secretVersion", 7)
      assert.isTrue(permissionsOf(byPassword).has("events:read"))
      assert.isFalse(permissionsOf(byPassword).has("events:write"))
      assert.isTrue(permissionsOf(admin).has("users:manage"))
    }).pipe(Effect.provide(layer))
  )

  it.effect("needs no fiber where no slow hash is needed", () =>
    Effect.gen(function* () {
      const auth = yield* Authenticator
      const headers = [undefined, basic("admin", "sesame"), basic("admin", "wrong"), basic("alice", "alice's")]
      for (const header of [...headers, "Bearer alice", "Bearer junk", "Bearer sa_ci_x"]) {
        const fiber = yield* Effect.forkChild(auth.authenticate(attempt(header, providers)), { startImmediately: true })
        assert.isDefined(fiber.pollUnsafe(), header)
      }
      for (const header of [undefined, basic("alice", "alice's"), "Bearer alice", "Bearer sa_ci_x"]) {
        assert.isTrue(Exit.isExit(auth.authenticate(attempt(header, ["basic", "bearer"]))), header)
      }
    }).pipe(Effect.provide(layer))
  )
})

describe("the user admin", () => {
  it.effect("has the password of the System API, whatever is stored under that name", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* who(basic("admin", "sesame")), "admin")
      assert.match(yield* who(basic("admin", "admin's")), /^refused/u)
    }).pipe(Effect.provide(world({ secret: "sesame", users: [userNamed("admin", "viewer")] }).layer))
  )

  it.effect("is a stored user where no file is configured for that password", () =>
    Effect.gen(function* () {
      const outcome = yield* ask(basic("admin", "admin's"))
      assert.strictEqual(told(outcome), "admin")
      assert.isFalse(permissionsOf(outcome).has("events:write"))
    }).pipe(Effect.provide(world({ users: [userNamed("admin", "viewer")] }).layer))
  )
})

describe("other names, while nobody is stored", () => {
  it.effect("are a wrong password of admin, and cost no slow hash", () => {
    const { asked, layer } = world({ secret: "sesame", users: [] })
    return Effect.gen(function* () {
      for (let n = 0; n < 10; n++) assert.match(yield* who(basic("root", "sesame")), /^refused: basic/u)
      assert.strictEqual(yield* who(basic("root", "sesame")), "limited 1")
      assert.strictEqual(yield* who(basic("admin", "sesame")), "admin")
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.provide(layer))
  })
})

describe("without a header", () => {
  const mapped = world({ secret: "sesame", certificates: [entry("build", { san: "DNS:build.example" })] })

  it.effect("a certificate comes before a socket, and that before nothing", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* who(undefined, providers, verified), "certificate:build")
      assert.strictEqual(yield* who(undefined, providers), "socket:/run/s.sock")
      assert.strictEqual(yield* who(undefined, ["none", "basic"]), "anonymous")
      assert.strictEqual(yield* who(undefined, ["basic", "bearer"]), "refused: none: no credentials")
      assert.strictEqual(yield* who(undefined, ["basic"], verified), "refused: none: no credentials")
    }).pipe(Effect.provide(mapped.layer))
  )

  it.effect("socket and nothing have the roles of their listener", () =>
    Effect.gen(function* () {
      for (const offered of [["socket"], ["none"]] as const) {
        const outcome = yield* ask(undefined, offered)
        assert.isTrue(permissionsOf(outcome).has("events:read"))
        assert.isFalse(permissionsOf(outcome).has("events:write"))
      }
    }).pipe(Effect.provide(mapped.layer))
  )

  it.effect("a certificate is whose the configuration says, by fingerprint, name or subject", () =>
    Effect.gen(function* () {
      for (const by of [
        { fingerprint: certificate.fingerprint },
        { san: "URI:spiffe://example/build" },
        { subject: "CN=build,O=Example" }
      ]) {
        const { layer } = world({ secret: "sesame", certificates: [entry("other", {}), entry("build", by)] })
        const outcome = yield* Effect.provide(ask(undefined, ["certificate"], verified), layer)
        assert.strictEqual(told(outcome), "certificate:build")
        assert.isTrue(permissionsOf(outcome).has("actions:run:any"))
        assert.deepInclude(outcome._tag === "admitted" ? outcome.principal : {}, {
          credential: certificate.fingerprint,
          expiresAt: certificate.notAfter
        })
      }
    })
  )

  it.effect("one that is nobody's is not let in by another way", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* who(undefined, providers, verified),
        "refused: certificate: the certificate is nobody's here"
      )
    }).pipe(Effect.provide(world({ secret: "sesame", certificates: [entry("x", { san: "DNS:x" })] }).layer))
  )
})

describe("a certificate that does not stand", () => {
  it.effect("is refused whatever else is shown, also where all is open", () =>
    Effect.gen(function* () {
      for (const secret of ["sesame", null]) {
        const { layer } = world({ secret, certificates: [entry("build", { fingerprint: certificate.fingerprint })] })
        for (const header of [undefined, basic("admin", "sesame"), "Bearer alice"]) {
          assert.strictEqual(
            yield* Effect.provide(who(header, providers, revoked), layer),
            "refused: certificate: it has been revoked"
          )
        }
      }
    })
  )
})

describe("while the System API has no password", () => {
  it.effect("everybody is let in, whatever credentials come, and whoever is known is known", () =>
    Effect.gen(function* () {
      for (const [secret, admin] of [
        [null, "no password is set"],
        [undefined, "the password is wrong"]
      ] as const) {
        const { layer } = world({ secret })
        yield* Effect.gen(function* () {
          const nobodyElse = yield* ask(undefined)
          assert.strictEqual(told(nobodyElse), "anonymous although refused: none: no credentials")
          assert.deepStrictEqual(permissionsOf(nobodyElse).grants, [...openGrants].sort())
          assert.strictEqual(yield* who(basic("admin", "x")), `anonymous although refused: basic: ${admin}`)
          assert.strictEqual(
            yield* who("Digest x"),
            "anonymous although refused: none: a scheme that is not known here"
          )
          assert.match(yield* who("Bearer junk"), /^anonymous although refused: bearer: invalid_token/u)
          assert.strictEqual(yield* who("Bearer alice"), "alice")
          assert.strictEqual(yield* who(basic("alice", "alice's")), "alice")
          assert.strictEqual(
            yield* who(basic("alice", "x")),
            "anonymous although refused: basic: the password is wrong"
          )
        }).pipe(Effect.provide(layer))
      }
    })
  )

  it.effect("only listeners that take its password are open", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* who(undefined, ["bearer"]), "refused: none: no credentials")
      assert.match(yield* who("Bearer junk", ["bearer"]), /^refused: bearer/u)
      assert.match(yield* who(undefined, ["certificate"]), /^refused/u)
    }).pipe(Effect.provide(world({ secret: null }).layer))
  )

  it.effect("nobody waits for a slow hash while nobody is stored", () => {
    const { asked, layer } = world({ users: [] })
    return Effect.gen(function* () {
      for (let n = 0; n < 100; n++) assert.match(yield* who(basic("root", "x")), /^anonymous although refused/u)
      assert.deepStrictEqual(asked, [])
    }).pipe(Effect.provide(layer))
  })
})

describe("what cannot be decided", () => {
  const down = new IdentityUnavailable({ reason: "disk", full: false })
  const failing = {
    verifyPassword: () => Effect.fail(down),
    verifyToken: () => Effect.fail(down)
  }

  it.effect("lets nobody in", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* who("Bearer alice"), "unavailable")
      assert.strictEqual(yield* who(basic("alice", "alice's")), "unavailable")
    }).pipe(Effect.provide(world({ secret: "sesame", ...failing }).layer))
  )

  it.effect("lets in as nobody where all is open", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* who("Bearer alice"), "anonymous although unavailable")
    }).pipe(Effect.provide(world({ ...failing }).layer))
  )

  it.effect("too many passwords are answered later", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* who(basic("alice", "alice's")), "limited 4")
    }).pipe(
      Effect.provide(
        world({ secret: "sesame", verifyPassword: () => Effect.fail(new LoginLimited({ retryAfterSeconds: 4 })) }).layer
      )
    )
  )

  it.effect("is waited for where a slow hash must tell", () => {
    const answer = Deferred.makeUnsafe<PasswordVerdict>()
    return Effect.gen(function* () {
      const asking = yield* Effect.forkChild(who(basic("alice", "alice's")), { startImmediately: true })
      assert.isUndefined(asking.pollUnsafe())
      yield* Deferred.succeed(answer, { _tag: "right", user: alice })
      assert.strictEqual(yield* Fiber.join(asking), "alice")
    }).pipe(Effect.provide(world({ secret: "sesame", verifyPassword: () => Deferred.await(answer) }).layer))
  })
})
