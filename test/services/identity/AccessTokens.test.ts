import { createHmac, createSecretKey } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { base64url, exportJWK, generateKeyPair, jwtVerify, SignJWT } from "jose"
import { AccessTokens } from "../../../src/services/identity/AccessTokens.ts"
import { clockLeewayMs } from "../../../src/services/identity/claims.ts"
import { Sessions } from "../../../src/services/identity/Sessions.ts"
import { makeTimedId } from "../../../src/services/identity/timedId.ts"
import { type IdentityOptions, loopback, someDay, startIdentity, utf8 } from "./support.ts"

const password = "a long password"
const alice = { users: { alice: password } }
const seconds = Math.floor(someDay / 1000)

interface Header {
  readonly alg: string
  readonly typ?: string
  readonly kid?: string
  readonly [name: string]: unknown
}

const json = (value: unknown) => base64url.encode(JSON.stringify(value))
const parts = (token: string): readonly [string, string, string] => {
  const [header = "", payload = "", signature = ""] = token.split(".")
  return [header, payload, signature]
}
const Json = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Unknown))
const read = (part: string) => Schema.decodeSync(Json)(Buffer.from(part, "base64url").toString())
const headerOf = (token: string): Header => {
  const { alg, kid, typ } = read(parts(token)[0])
  return { alg: String(alg), typ: String(typ), kid: String(kid) }
}

const start = Effect.fnUntraced(function* (options: IdentityOptions = {}) {
  const started = yield* startIdentity({ ...alice, ...options })
  const access = Context.get(started.context, AccessTokens)
  const sessions = Context.get(started.context, Sessions)
  const login = sessions.login("alice", utf8(password), loopback)
  const { refreshToken, token } = yield* login
  /** `alice`, or why not. */
  const says = (text: string) =>
    Effect.map(access.verify(text), (verified) => (verified._tag === "valid" ? verified.user.name : verified.reason))

  /** The secret of the key that signs, which nobody but the daemon has. */
  const ownKey = Effect.gen(function* () {
    const { keys } = yield* started.identities.snapshot
    const jwk = read(base64url.encode(Redacted.value(keys.at(-1)?.jwk ?? Redacted.make("{}"))))
    return createSecretKey(String(jwk["k"]), "base64url")
  })
  /** A token that only its claims or its header tell from one of ours. */
  const signed = Effect.fnUntraced(function* (claims: Readonly<Record<string, unknown>>, header: Partial<Header> = {}) {
    const key = yield* ownKey
    const head = json({ ...headerOf(token), ...header })
    const body = json({ ...read(parts(token)[1]), ...claims })
    return `${head}.${body}.${createHmac("sha256", key).update(`${head}.${body}`).digest("base64url")}`
  })
  return { ...started, access, login, says, signed, ownKey, token, refreshToken }
})

describe("an access token", () => {
  it.effect("has the header and the claims of the contract, and is verified without a fiber", () =>
    Effect.gen(function* () {
      const { access, identities, store, token } = yield* start()
      yield* store.changeUser("alice", { roles: ["operator", "deploy"] }, 0)
      const user = (yield* store.fresh).users.get("alice")
      if (user === undefined) return assert.fail("alice is gone")
      const two = yield* access.issue(user, "of-two-roles")
      const [header, payload] = parts(token)
      const kid = (yield* identities.snapshot).keys[0]?.kid
      assert.strictEqual(
        Buffer.from(header, "base64url").toString(),
        JSON.stringify({ alg: "HS256", typ: "at+jwt", kid })
      )
      const { jti, sid, ...claims } = read(payload)
      assert.deepStrictEqual(claims, {
        sub: "alice",
        role: "operator",
        iss: "systemapi",
        aud: "systemapi",
        iat: seconds,
        exp: seconds + 24 * 3600
      })
      assert.isString(jti)
      assert.isString(sid)
      assert.deepInclude(read(parts(two)[1]), { role: "operator", roles: ["operator", "deploy"] })
      assert.isTrue(Exit.isExit(access.verify(token)))
    })
  )

  it.effect("counts until it expires, and five seconds for clocks that differ", () =>
    Effect.gen(function* () {
      const { says, token } = yield* start()
      yield* TestClock.setTime((seconds + 24 * 3600) * 1000 + clockLeewayMs - 1)
      assert.strictEqual(yield* says(token), "alice")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* says(token), "it has expired")
    })
  )

  it.effect("is refused where the store cannot be read", () =>
    Effect.gen(function* () {
      const { access, identities, token } = yield* start()
      identities.breakWith("gone")
      assert.strictEqual((yield* Effect.flip(access.verify(token)))._tag, "IdentityUnavailable")
    })
  )

  it.effect("has the rights of the user as of now, whatever it says", () =>
    Effect.gen(function* () {
      const { access, store, token } = yield* start()
      yield* store.changeUser("alice", { roles: ["viewer"] }, 0)
      const verified = yield* access.verify(token)
      assert.deepStrictEqual(verified._tag === "valid" ? verified.user.roles : verified, ["viewer"])
    })
  )

  it.effect("ends with a change of its user's logins, in the very millisecond", () =>
    Effect.gen(function* () {
      const { login, says, store, token } = yield* start()
      yield* TestClock.adjust("1 millis")
      yield* store.changeUser("alice", { endSessions: true }, someDay + 1)
      assert.notStrictEqual(yield* says(token), "alice")
      const { token: next } = yield* login
      assert.strictEqual(yield* says(next), "alice")
    })
  )
})

describe("attacks on access tokens", () => {
  const refused = (
    name: string,
    reason: string | RegExp,
    attack: (context: Effect.Success<ReturnType<typeof start>>) => Effect.Effect<string>
  ) =>
    it.effect(`${name} is refused`, () =>
      Effect.gen(function* () {
        const context = yield* start()
        const verdict = yield* context.says(yield* attack(context))
        if (typeof reason === "string") assert.strictEqual(verdict, reason)
        else assert.match(verdict, reason)
      })
    )

  const foreign = "its header or its key is none of ours"

  for (const alg of ["none", "None", "NONE", "nOnE"]) {
    refused(`alg ${alg}`, "it is not signed", ({ token }) =>
      Effect.succeed(`${json({ ...headerOf(token), alg })}.${parts(token)[1]}.`)
    )
  }

  for (const alg of ["HS384", "HS512", "RS256", "EdDSA", "hs256", "dir"]) {
    refused(`alg swap to ${alg}`, foreign, ({ signed }) => signed({}, { alg }))
  }

  it.effect("alg swap: HS256 with the public EdDSA key as its secret is refused", () =>
    Effect.gen(function* () {
      const { access, says, token } = yield* start({ auth: { jwt_algorithm: "EdDSA" } })
      const { keys } = yield* access.jwks
      const [jwk] = keys
      const [, payload] = parts(token)
      const raw = Buffer.from(String(jwk?.["x"]), "base64url")
      const pem = `-----BEGIN PUBLIC KEY-----\n${Buffer.concat([Buffer.from("302a300506032b6570032100", "hex"), raw]).toString("base64")}\n-----END PUBLIC KEY-----\n`
      const header = json({ alg: "HS256", typ: "at+jwt", kid: jwk?.["kid"] })
      for (const secret of [raw, String(jwk?.["x"]), pem, pem.trimEnd(), JSON.stringify(jwk)]) {
        for (const head of [header, parts(token)[0]]) {
          const signature = createHmac("sha256", secret).update(`${head}.${payload}`).digest("base64url")
          assert.notStrictEqual(yield* says(`${head}.${payload}.${signature}`), "alice")
        }
      }
      assert.strictEqual(yield* says(token), "alice")
    })
  )

  for (const kid of [
    "../../../../dev/null",
    "' OR '1'='1",
    "' UNION SELECT 'x'--",
    "",
    "unknown",
    "a\u0000b",
    "__proto__"
  ]) {
    refused(`kid injection ${JSON.stringify(kid)}`, foreign, ({ signed }) => signed({}, { kid }))
  }
  refused("kid injection: an empty secret for a file that is empty", foreign, ({ token }) =>
    Effect.sync(() => {
      const head = json({ ...headerOf(token), kid: "/dev/null" })
      const body = parts(token)[1]
      return `${head}.${body}.${createHmac("sha256", "").update(`${head}.${body}`).digest("base64url")}`
    })
  )
  refused("a token without kid", "its header names no key", ({ ownKey, token }) =>
    Effect.map(ownKey, (key) => {
      const head = json({ alg: "HS256", typ: "at+jwt" })
      const body = parts(token)[1]
      return `${head}.${body}.${createHmac("sha256", key).update(`${head}.${body}`).digest("base64url")}`
    })
  )

  refused("a stripped signature", "its signature is wrong", ({ token }) =>
    Effect.succeed(`${parts(token)[0]}.${parts(token)[1]}.`)
  )
  refused("a token of two parts", "it is no token of ours", ({ token }) =>
    Effect.succeed(`${parts(token)[0]}.${parts(token)[1]}`)
  )
  refused("a token of four parts", "it is no token of ours", ({ token }) => Effect.succeed(`${token}.AAAA`))
  refused("a foreign key's signature", "its signature is wrong", ({ token }) =>
    Effect.sync(() => {
      const [head, body] = parts(token)
      return `${head}.${body}.${createHmac("sha256", "another secret").update(`${head}.${body}`).digest("base64url")}`
    })
  )
  refused("another token's signature", "its signature is wrong", ({ refreshToken, token }) =>
    Effect.succeed(`${parts(token)[0]}.${parts(token)[1]}.${parts(refreshToken)[2]}`)
  )
  refused("a lifted role", "its signature is wrong", ({ token }) =>
    Effect.sync(() => {
      const [head, body, signature] = parts(token)
      return `${head}.${json({ ...read(body), role: "admin", roles: ["admin"] })}.${signature}`
    })
  )
  refused("another subject", "its signature is wrong", ({ token }) =>
    Effect.sync(() => {
      const [head, body, signature] = parts(token)
      return `${head}.${json({ ...read(body), sub: "root" })}.${signature}`
    })
  )

  refused("an expired token", "it has expired", ({ signed }) => signed({ exp: seconds - 5 }))
  refused("a token without exp", "it lacks exp", ({ signed }) => signed({ exp: undefined }))
  for (const exp of ["2099-01-01", "9999999999", null, -1, true, [seconds + 60]]) {
    refused(`exp ${JSON.stringify(exp)}`, "it lacks exp", ({ signed }) => signed({ exp }))
  }
  refused("a token that is not valid yet (nbf)", "it is not valid yet", ({ signed }) => signed({ nbf: seconds + 6 }))
  refused("nbf that is no time", "its nbf is no time", ({ signed }) => signed({ nbf: "0" }))
  refused("a token issued in the future", "it is not valid yet", ({ signed }) =>
    signed({ iat: seconds + 60, jti: makeTimedId((seconds + 60) * 1000) })
  )
  refused("iat that differs from the id's", "its jti is none of ours", ({ signed }) => signed({ iat: seconds - 1 }))
  refused("a wrong iss", "it is of another issuer", ({ signed }) => signed({ iss: "systemap" }))
  refused("no iss", "it is of another issuer", ({ signed }) => signed({ iss: undefined }))
  for (const aud of ["other", "", [], ["other"], { systemapi: true }, undefined, null]) {
    refused(`aud ${JSON.stringify(aud)}`, "it is for somebody else", ({ signed }) => signed({ aud }))
  }
  for (const [claim, value] of [
    ["sub", 1],
    ["sub", undefined],
    ["jti", undefined],
    ["sid", null]
  ] as const) {
    refused(`${claim} ${JSON.stringify(value)}`, "it lacks sub, jti or sid", ({ signed }) => signed({ [claim]: value }))
  }
  refused("an unknown user", "there is no such user", ({ signed }) => signed({ sub: "__proto__" }))

  refused("an unknown crit", foreign, ({ signed }) => signed({}, { crit: ["b64"], b64: false }))
  refused("an empty crit", foreign, ({ signed }) => signed({}, { crit: [] }))
  refused("a jwk of the attacker's", foreign, ({ signed }) =>
    Effect.promise(async () => {
      const { privateKey, publicKey } = await generateKeyPair("EdDSA")
      void signed
      return new SignJWT({ sub: "alice", iss: "systemapi", aud: "systemapi", jti: makeTimedId(someDay), sid: "s" })
        .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid: "mine", jwk: await exportJWK(publicKey) })
        .setIssuedAt(seconds)
        .setExpirationTime(seconds + 60)
        .sign(privateKey)
    })
  )
  for (const name of ["jku", "x5u"]) {
    refused(`${name} of the attacker's`, foreign, ({ signed }) => signed({}, { [name]: "http://127.0.0.1:1/keys" }))
  }

  refused("a refresh token as access token", "it is of another kind", ({ refreshToken }) =>
    Effect.succeed(refreshToken)
  )
  refused("a refresh token under the other type", "its signature is wrong", ({ refreshToken, token }) =>
    Effect.succeed(`${parts(token)[0]}.${parts(refreshToken)[1]}.${parts(refreshToken)[2]}`)
  )
  refused("typ JWT", foreign, ({ signed }) => signed({}, { typ: "JWT" }))
  refused("typ in other letters", foreign, ({ signed }) => signed({}, { typ: "AT+JWT" }))

  refused("a header with a member twice", foreign, ({ ownKey, token }) =>
    Effect.map(ownKey, (key) => {
      const { alg, kid, typ } = headerOf(token)
      const head = base64url.encode(`{"alg":"HS512","alg":"${alg}","typ":"${typ}","kid":"${kid}"}`)
      const body = parts(token)[1]
      return `${head}.${body}.${createHmac("sha256", key).update(`${head}.${body}`).digest("base64url")}`
    })
  )
  refused("claims with a member twice", "its signature is wrong", ({ token }) =>
    Effect.sync(() => {
      const [head, body, signature] = parts(token)
      const text = Buffer.from(body, "base64url").toString()
      return `${head}.${base64url.encode(`{"sub":"root",${text.slice(1)}`)}.${signature}`
    })
  )

  it.effect("no way of writing its base64url but the one counts", () =>
    Effect.gen(function* () {
      const { says, token } = yield* start()
      const [head, body, signature] = parts(token)
      const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      // The last of 43 characters has two bits that no byte takes.
      const twin = alphabet[alphabet.indexOf(signature.slice(-1)) ^ 1] ?? ""
      assert.deepStrictEqual(
        Buffer.from(signature.slice(0, -1) + twin, "base64url"),
        Buffer.from(signature, "base64url")
      )
      for (const text of [
        `${head}.${body}.${signature.slice(0, -1)}${twin}`,
        `${head}.${body}.${signature}=`,
        `${head}.${body}.${signature.replaceAll("-", "+").replaceAll("_", "/")} `,
        `${head}.${body}.${signature}\n`,
        `${head}.${body}=.${signature}`,
        `${head}=.${body}.${signature}`,
        ` ${token}`,
        `${token} `,
        `${head}.${body}.${signature}\u0141`
      ]) {
        assert.notStrictEqual(yield* says(text), "alice", JSON.stringify(text.slice(-4)))
      }
    })
  )

  it.effect("huge tokens are refused before any work", () =>
    Effect.gen(function* () {
      const { access, token } = yield* start()
      const [head, body, signature] = parts(token)
      for (const text of [
        `${head}.${body}.${"A".repeat(8_000_000)}`,
        "A".repeat(4097),
        `${head}.${"A".repeat(4000)}.${signature}`
      ]) {
        const verified = access.verify(text)
        assert.deepStrictEqual(
          yield* verified,
          { _tag: "invalid", reason: "it is no token of ours", claimed: undefined },
          text.slice(0, 10)
        )
      }
    })
  )

  it.effect("what it says of its user is told for the audit log, where it can be a user's name", () =>
    Effect.gen(function* () {
      const { access, token } = yield* start()
      const [head, body] = parts(token)
      const claimed = (text: string) =>
        Effect.map(access.verify(text), (verified) => (verified._tag === "invalid" ? verified.claimed : "valid"))
      assert.strictEqual(yield* claimed(`${head}.${body}.`), "alice")
      assert.strictEqual(yield* claimed(`${head}.${json({ sub: "x\n".repeat(9) })}.`), undefined)
      assert.strictEqual(yield* claimed(`${head}.${json("x")}.`), undefined)
    })
  )
})

describe("the fast path", () => {
  const Mutation = Schema.Union([
    Schema.Struct({ kind: Schema.Literal("none") }),
    Schema.Struct({ kind: Schema.Literal("char"), at: Schema.Int, to: Schema.Int }),
    Schema.Struct({ kind: Schema.Literal("cut"), at: Schema.Int }),
    Schema.Struct({ kind: Schema.Literal("claim"), name: Schema.String, value: Schema.Json }),
    Schema.Struct({
      kind: Schema.Literal("known"),
      name: Schema.Literals(["iss", "aud", "exp", "nbf", "sub"]),
      value: Schema.Union([
        Schema.Literals(["systemapi", "other", "alice"]),
        Schema.Null,
        Schema.Array(Schema.Literals(["systemapi", "other"])),
        Schema.Int.check(Schema.isBetween({ minimum: seconds - 10, maximum: seconds + 10 }))
      ])
    }),
    Schema.Struct({ kind: Schema.Literal("foreign") })
  ])
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+ "

  it.effect.prop(
    "accepts what jose accepts with the same options, and nothing else",
    [Mutation],
    ([mutation]) =>
      Effect.gen(function* () {
        const { ownKey, says, signed, token } = yield* start()
        const key = yield* ownKey
        const mutated = yield* Effect.suspend(() => {
          switch (mutation.kind) {
            case "none":
              return Effect.succeed(token)
            case "char": {
              const at = Math.abs(mutation.at) % token.length
              return Effect.succeed(
                token.slice(0, at) + (alphabet[Math.abs(mutation.to) % alphabet.length] ?? "") + token.slice(at + 1)
              )
            }
            case "cut":
              return Effect.succeed(token.slice(0, Math.abs(mutation.at) % token.length))
            case "claim":
            case "known":
              return signed({ [mutation.name]: mutation.value })
            case "foreign": {
              const [head, body] = parts(token)
              return Effect.succeed(
                `${head}.${body}.${createHmac("sha256", "x").update(`${head}.${body}`).digest("base64url")}`
              )
            }
          }
        })
        const joses = yield* Effect.promise(() =>
          jwtVerify(mutated, key, {
            algorithms: ["HS256"],
            typ: "at+jwt",
            issuer: "systemapi",
            audience: "systemapi",
            requiredClaims: ["exp", "iat", "sub", "jti", "sid"],
            clockTolerance: clockLeewayMs / 1000,
            maxTokenAge: "1000 years",
            currentDate: new Date(someDay)
          }).then(
            ({ payload }) => typeof payload.sub === "string",
            () => false
          )
        )
        const ours = yield* says(mutated)
        // Which user it is, and whether the id is ours, is for the store: the claims were accepted by then.
        const accepted = ours === "alice" || ours === "there is no such user"
        // jose takes every way of writing the last character.
        const isTwin = mutation.kind === "char" && joses && mutated !== token
        if (!isTwin) assert.strictEqual(accepted, joses, `${ours}: ${JSON.stringify(mutation)}`)
        else assert.isFalse(accepted)
      }),
    { arbitrary: { runs: 300 } }
  )
})

describe("signing keys", () => {
  it.effect("are made at the first use and stored, once for all who ask at a time", () =>
    Effect.gen(function* () {
      const { identities } = yield* start()
      assert.strictEqual((yield* identities.snapshot).keys.length, 1)
    })
  )

  it.effect("of two daemons that make one at a time: both verify both, and one signs", () =>
    Effect.gen(function* () {
      const first = yield* start()
      const second = yield* startIdentity({ store: first.identities.layer })
      // The second one's was made in between: what each has read of the store is old.
      const access = Context.get(second.context, AccessTokens)
      const kid = yield* access.rotate
      const user = (yield* first.identities.snapshot).users.get("alice")
      if (user === undefined) return assert.fail("alice is gone")
      const tokens = [first.token, yield* first.access.issue(user, "a"), yield* access.issue(user, "b")]
      assert.deepStrictEqual(
        tokens.slice(1).map((token) => headerOf(token).kid),
        [kid, kid]
      )
      for (const token of tokens) {
        assert.strictEqual(yield* first.says(token), "alice")
        assert.strictEqual((yield* access.verify(token))._tag, "valid")
      }
    })
  )

  it.effect("overlap when they are rotated: tokens of the old one count until they expire", () =>
    Effect.gen(function* () {
      const { access, identities, login, says, token } = yield* start()
      const [old] = (yield* identities.snapshot).keys
      const kid = yield* access.rotate
      const keys = (yield* identities.snapshot).keys
      assert.deepStrictEqual(
        keys.map((key) => key.kid),
        [old?.kid ?? "", kid]
      )
      assert.strictEqual(keys[0]?.expiresAt, someDay + 168 * 3600 * 1000 + clockLeewayMs)
      assert.strictEqual(yield* says(token), "alice")
      const { token: next } = yield* login
      assert.strictEqual(headerOf(next).kid, kid)
      assert.strictEqual(yield* says(next), "alice")
    })
  )

  it.effect("that have expired sign and verify nothing", () =>
    Effect.gen(function* () {
      const { access, says, signed } = yield* start()
      const endless = yield* signed({ exp: seconds + 10 * 365 * 86_400 })
      assert.strictEqual(yield* says(endless), "alice")
      yield* access.rotate
      yield* TestClock.setTime(someDay + 168 * 3600 * 1000 + clockLeewayMs)
      assert.strictEqual(yield* says(endless), "its key has expired")
    })
  )

  it.effect("of the configuration sign, under an id that is theirs alone, and cannot be rotated", () =>
    Effect.gen(function* () {
      const secret = "a secret that is long enough for HS256"
      const auth = { jwt_secret: Redacted.make(secret) }
      const stored = yield* start()
      yield* start({ auth })
      const configured = yield* startIdentity({ auth, store: stored.identities.layer })
      const access = Context.get(configured.context, AccessTokens)
      const user = (yield* stored.identities.snapshot).users.get("alice")
      if (user === undefined) return assert.fail("alice is gone")
      const token = yield* access.issue(user, "s")
      const [head, body, signature] = parts(token)
      assert.strictEqual(signature, createHmac("sha256", secret).update(`${head}.${body}`).digest("base64url"))
      const { kid = "" } = headerOf(token)
      for (const algorithm of ["sha256", "sha512", "md5"]) {
        assert.notInclude(kid, createHmac(algorithm, "").update(secret).digest("base64url").slice(0, 22))
      }
      // What was signed before it was configured still counts.
      assert.strictEqual((yield* access.verify(stored.token))._tag, "valid")
      assert.strictEqual((yield* access.verify(token))._tag, "valid")
      assert.strictEqual((yield* Effect.flip(access.rotate))._tag, "KeyConfigured")
      assert.deepStrictEqual(yield* access.jwks, { keys: [] })
    })
  )

  it.effect("of EdDSA sign where the configuration says so; their public part is in the JWK set", () =>
    Effect.gen(function* () {
      const hmac = yield* start()
      const eddsa = yield* startIdentity({ auth: { jwt_algorithm: "EdDSA" }, store: hmac.identities.layer })
      const access = Context.get(eddsa.context, AccessTokens)
      const user = (yield* hmac.identities.snapshot).users.get("alice")
      if (user === undefined) return assert.fail("alice is gone")
      const token = yield* access.issue(user, "s")
      assert.strictEqual(headerOf(token).alg, "EdDSA")
      assert.strictEqual((yield* access.verify(token))._tag, "valid")
      assert.strictEqual((yield* access.verify(hmac.token))._tag, "valid")
      const { keys } = yield* access.jwks
      assert.deepStrictEqual(
        keys.map((key) => Object.keys(key).sort()),
        [["alg", "crv", "kid", "kty", "use", "x"]]
      )
      const [head, body, signature] = parts(token)
      for (const text of [
        `${head}.${body}.`,
        `${head}.${body}.${"A".repeat(86)}`,
        `${head}.${json({ ...read(body), sub: "root" })}.${signature}`
      ]) {
        assert.strictEqual((yield* access.verify(text))._tag, "invalid")
      }
      assert.strictEqual(yield* hmac.says(token), "alice")
    })
  )
})
