/** Access tokens, taken apart and put together again in every way that has once worked somewhere. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { base64url, decodeJwt, decodeProtectedHeader, exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose"
import { createHmac, createSecretKey } from "node:crypto"
import { assertRefused, secret, startTarget, type Target } from "./support.ts"

class Attacked extends Context.Service<Attacked, Target>()("test/system/attacks/tokens/Attacked") {
  static readonly layer = Layer.effect(Attacked, startTarget())
}

const key = createSecretKey(Buffer.from(secret))

type Header = Readonly<Record<string, unknown>>

/** Signed as the daemon signs, whatever the header says. */
const signed = (header: Header, claims: Header, by: (text: string) => string = sign): string => {
  const text = `${base64url.encode(JSON.stringify(header))}.${base64url.encode(JSON.stringify(claims))}`
  return `${text}.${by(text)}`
}

const sign = (text: string): string => createHmac("sha256", key).update(text).digest("base64url")

/** Changes what is claimed, or what the header says, of a token the daemon gave out. */
const forged = (token: string, header: Header, claims: Header, by?: (text: string) => string): string =>
  signed({ ...decodeProtectedHeader(token), ...header }, { ...decodeJwt(token), ...claims }, by)

const without = (claims: JWTPayload, name: string): Header =>
  Object.fromEntries(Object.entries(claims).filter(([each]) => each !== name))

const now = () => Math.floor(Date.now() / 1000)

layer(Attacked.layer)("an access token", (it) => {
  /** The token of somebody with few rights, and what it opens. */
  const developer = Effect.gen(function* () {
    const target = yield* Attacked
    const { token } = yield* target.login("developer", "dev123")
    return { ...target, token }
  })

  const me = (target: Target, token: string) => target.ask("/v1/auth/me", { token })

  it.effect("that is put together again as it was is taken: the forger of these tests forges well", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      const again = signed(decodeProtectedHeader(token), decodeJwt(token))
      assert.strictEqual((yield* me(target, again)).status, 200)
    })
  )

  it.effect.each([
    ["alg none, unsigned", { alg: "none" }, () => ""],
    ["alg None in another case, unsigned", { alg: "nOnE" }, () => ""],
    ["alg none, with the right signature", { alg: "none" }, sign],
    [
      "alg swap: HS512 in the header",
      { alg: "HS512" },
      (text: string) => createHmac("sha512", key).update(text).digest("base64url")
    ],
    [
      "alg swap: HS384 in the header",
      { alg: "HS384" },
      (text: string) => createHmac("sha384", key).update(text).digest("base64url")
    ],
    ["alg swap: RS256 in the header", { alg: "RS256" }, sign],
    ["alg swap: an alg that is no text", { alg: ["HS256"] }, sign],
    [
      "kid injection: a path",
      { kid: "../../../../dev/null" },
      (text: string) => createHmac("sha256", "").update(text).digest("base64url")
    ],
    [
      "kid injection: SQL",
      { kid: "x' UNION SELECT 'key" },
      (text: string) => createHmac("sha256", "key").update(text).digest("base64url")
    ],
    ["kid injection: a prototype's member", { kid: "__proto__" }, sign],
    ["kid injection: no kid", { kid: undefined }, sign],
    ["kid injection: a number", { kid: 0 }, sign],
    [
      "a key of its own: jwk",
      { jwk: { kty: "oct", k: base64url.encode("mine") } },
      (text: string) => createHmac("sha256", "mine").update(text).digest("base64url")
    ],
    ["a key of its own: jku", { jku: "http://127.0.0.1:9/keys" }, sign],
    ["a key of its own: x5u", { x5u: "http://127.0.0.1:9/chain" }, sign],
    ["an extension that is critical and unknown", { crit: ["exp2"], exp2: 1 }, sign],
    ["typ of a refresh token", { typ: "rt+jwt" }, sign],
    ["typ JWT, as of any other token", { typ: "JWT" }, sign],
    ["no typ", { typ: undefined }, sign],
    ["an unencoded payload", { b64: false, crit: ["b64"] }, sign]
  ] as const)("header: %s", ([, header, by]) =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      assertRefused(yield* me(target, forged(token, header, {}, by)))
    })
  )

  it.effect.each([
    ["expired a minute ago", () => ({ exp: now() - 60 })],
    ["expired in 1970", () => ({ exp: 0 })],
    ["exp as text", () => ({ exp: String(now() + 3600) })],
    ["exp beyond all numbers", () => ({ exp: Number.MAX_VALUE })],
    ["not yet valid: nbf in an hour", () => ({ nbf: now() + 3600 })],
    ["not yet valid: issued in an hour", () => ({ iat: now() + 3600 })],
    ["wrong iss", () => ({ iss: "somebody-else" })],
    ["iss in a list", () => ({ iss: ["systemapi"] })],
    ["wrong aud", () => ({ aud: "another-service" })],
    ["a list of wrong auds", () => ({ aud: ["another-service", "systemap"] })],
    ["a user that does not exist", () => ({ sub: "nobody-at-all" })],
    ["a user's name in another case", () => ({ sub: "DEVELOPER" })],
    ["sub that is no text", () => ({ sub: { $ne: "" } })],
    ["another login's session", () => ({ sid: "00000000000000000000000000000000", jti: "" })]
  ] as const)("claims, signed with the right key: %s", ([, claims]) =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      assertRefused(yield* me(target, forged(token, {}, claims())))
    })
  )

  it.effect.each(["exp", "iss", "aud", "sub", "jti", "iat", "sid"])(
    "claims, signed with the right key: no %s",
    (name) =>
      Effect.gen(function* () {
        const { token, ...target } = yield* developer
        assertRefused(yield* me(target, signed(decodeProtectedHeader(token), without(decodeJwt(token), name))))
      })
  )

  it.effect("lifted role: what the token says of roles gives no right, even if it were signed", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      const lifted = { role: "admin", roles: ["admin"] }
      assertRefused(
        yield* me(
          target,
          forged(token, {}, lifted, () => token.split(".")[2] ?? "")
        )
      )
      const answer = yield* target.ask("/v1/users", { token: forged(token, {}, lifted) })
      assert.strictEqual(answer.status, 403, answer.body)
    })
  )

  it.effect("stripped signature, and signatures that are nearly right", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      const [header = "", payload = "", signature = ""] = token.split(".")
      const text = `${header}.${payload}`
      const flipped = `${signature.startsWith("A") ? "B" : "A"}${signature.slice(1)}`
      for (const wrong of [
        `${text}.`,
        text,
        `${text}..`,
        `.${payload}.${signature}`,
        `${header}..${signature}`,
        `${text}.${signature}.`,
        `${text}.${signature}=`,
        `${text}.${signature.slice(0, -1)}`,
        `${text}.${flipped}`,
        `${text}.${signature}${signature}`,
        `${text} .${signature}`,
        "..",
        "a.b.c",
        "e30.e30.e30"
      ]) {
        assertRefused(yield* me(target, wrong))
      }
    })
  )

  it.effect("foreign key: signed by somebody else, with every algorithm there is", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      const header = decodeProtectedHeader(token)
      for (const alg of ["HS256", "EdDSA", "ES256", "PS256"]) {
        const foreign =
          alg === "HS256"
            ? createSecretKey(Buffer.from("another secret that is long enough"))
            : yield* Effect.promise(async () => (await generateKeyPair(alg, { extractable: true })).privateKey)
        const jwt = yield* Effect.promise(() =>
          new SignJWT(decodeJwt(token)).setProtectedHeader({ ...header, alg }).sign(foreign)
        )
        assertRefused(yield* me(target, jwt))
        const brought = yield* Effect.promise(async () =>
          new SignJWT(decodeJwt(token))
            .setProtectedHeader({ ...header, alg, jwk: alg === "HS256" ? {} : await exportJWK(foreign) })
            .sign(foreign)
        )
        assertRefused(yield* me(target, brought))
      }
    })
  )

  it.effect("said twice: a header whose members are there two times is none that the daemon writes", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      const [header = "", payload = ""] = token.split(".")
      const plain = Buffer.from(header, "base64url").toString()
      for (const twice of [
        `${plain.slice(0, -1)},"alg":"none"}`,
        `{"alg":"none",${plain.slice(1)}`,
        `${plain.slice(0, -1)},"typ":"rt+jwt"}`,
        `${plain.slice(0, -1)},"kid":"another"}`
      ]) {
        const text = `${base64url.encode(twice)}.${payload}`
        assertRefused(yield* me(target, `${text}.${sign(text)}`))
      }
    })
  )

  it.effect("token in URL: under every name, with every kind of token", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      for (const name of ["access_token", "token", "authorization", "bearer", "jwt", "auth"]) {
        const answer = yield* target.ask(`/v1/auth/me?${name}=${token}`)
        assert.include([400, 401], answer.status, name)
        const plain = yield* target.ask(`/api/v1/info?${name}=${token}`)
        assert.notInclude(plain.body, "developer")
      }
      const both = yield* target.ask(`/v1/auth/me?access_token=${token}`, { token })
      assert.strictEqual(both.status, 400)
      assert.match(both.headers["www-authenticate"] ?? "", /error="invalid_request"/u)
      assert.notInclude(target.said(), token)
    })
  )

  it.effect("in a cookie, a form or a header of another name counts for nothing", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      for (const header of [
        ["cookie", `token=${token}; access_token=${token}`],
        ["x-authorization", `Bearer ${token}`],
        ["proxy-authorization", `Bearer ${token}`],
        ["x-access-token", token],
        ["sec-websocket-protocol", token]
      ] as const) {
        assert.strictEqual((yield* target.ask("/v1/auth/me", { headers: [header] })).status, 401, header[0])
      }
      const form = yield* target.ask("/v1/auth/logout", {
        body: `access_token=${token}`,
        headers: [["content-type", "application/x-www-form-urlencoded"]]
      })
      assert.strictEqual(form.status, 401)
    })
  )

  it.effect("of enormous size is refused without being worked through", () =>
    Effect.gen(function* () {
      const { token, ...target } = yield* developer
      assertRefused(yield* me(target, forged(token, {}, { more: "x".repeat(600_000) })))
      assertRefused(yield* me(target, ".".repeat(100_000)))
      assert.strictEqual((yield* me(target, token)).status, 200)
    })
  )
})

describe("with EdDSA", () => {
  it.live("alg swap: the public key as the secret of HS256", () =>
    Effect.scoped(
      Effect.gen(function* () {
        const { config } = yield* Effect.promise(() => import("./support.ts"))
        const target = yield* startTarget({
          config: (folder) => config(folder).replace(`jwt_secret = "${secret}"`, 'jwt_algorithm = "EdDSA"')
        })
        const { token } = yield* target.login("developer", "dev123")
        assert.strictEqual(decodeProtectedHeader(token).alg, "EdDSA")
        assert.strictEqual((yield* target.ask("/v1/auth/me", { token })).status, 200)
        const jwks = yield* target.ask("/.well-known/jwks.json")
        assert.notMatch(jwks.body, /"d"/u)
        const x: unknown = JSON.parse(jwks.body).keys[0].x
        for (const publicKey of [String(x), Buffer.from(String(x), "base64url"), jwks.body]) {
          const swapped = forged(token, { alg: "HS256" }, { sub: "admin" }, (text) =>
            createHmac("sha256", publicKey).update(text).digest("base64url")
          )
          assertRefused(yield* target.ask("/v1/auth/me", { token: swapped }))
        }
        assertRefused(yield* target.ask("/v1/auth/me", { token: `${token.split(".").slice(0, 2).join(".")}.` }))
      })
    )
  )
})
