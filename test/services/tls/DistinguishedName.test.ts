import { X509Certificate } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Der from "../../../src/services/tls/Der.ts"
import { DerReader } from "../../../src/services/tls/DerReader.ts"
import { formatName, nameKey, parseNameKey, readName } from "../../../src/services/tls/DistinguishedName.ts"
import { parseCertificate } from "../../../src/services/tls/ParsedCertificate.ts"
import { openssl, selfSigned } from "../../harness/pki.ts"
import { temporaryFolder } from "../files/support.ts"

/** A name of these parts, each a list of types and values. */
const name = (...parts: ReadonlyArray<ReadonlyArray<readonly [string, Der.Der]>>) =>
  readName(
    new DerReader(
      Der.sequence(...parts.map((part) => Der.set(...part.map(([type, value]) => Der.sequence(Der.oid(type), value)))))
    )
  )
const text = Der.utf8String
const [cn, o, ou] = ["2.5.4.3", "2.5.4.10", "2.5.4.11"]

describe("names of certificates", () => {
  it.live("are written as openssl writes them, and read back from it", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const subjects = [
        "/C=DE/ST=Bavaria/O=Example, Inc./OU=a+b/CN=build",
        '/O=Ex\\/ample/CN=#1 "quoted" <x>;y\\\\',
        "/CN= leading and trailing /O= ",
        "/CN=Jörg Müller/O=株式会社",
        "/DC=org/DC=example/UID=x/emailAddress=a@b/serialNumber=1/SN=s/GN=g/title=t/postalCode=1/street=s/description=d",
        "/CN=a+OU=b/O=c",
        "/jurisdictionC=DE/CN=unknown",
        "/CN=tab\tnew\nline"
      ]
      for (const [n, subject] of subjects.entries()) {
        const { cert, certPath } = yield* Effect.promise(() => selfSigned(folder, `n${n}`, { subject }))
        const { shown } = parseCertificate(new X509Certificate(cert))
        const printed = yield* Effect.promise(() =>
          openssl("x509", "-in", certPath, "-noout", "-subject", "-nameopt", "RFC2253")
        )
        const theirs = printed.slice("subject=".length, -1)
        // OpenSSL knows hundreds of names by heart.
        if (!subject.includes("jurisdictionC")) assert.strictEqual(shown.subject, theirs)
        assert.strictEqual(parseNameKey(shown.subject), shown.subjectKey, subject)
      }
    })
  )

  it.effect.prop(
    "are equal after they were written and read, and only then",
    [
      Schema.Array(Schema.String).check(Schema.isMinLength(1)),
      Schema.Array(Schema.String).check(Schema.isMinLength(1))
    ],
    ([some, others]) =>
      Effect.sync(() => {
        const of = (values: ReadonlyArray<string>) =>
          name(...values.map((value) => [[cn, text(value.toWellFormed())]] as const))
        const one = of(some)
        assert.strictEqual(parseNameKey(formatName(one)), nameKey(one))
        assert.match(formatName(one), /^[\x20-\x7e]*$/u)
        const same =
          JSON.stringify(some.map((value) => value.toWellFormed())) ===
          JSON.stringify(others.map((value) => value.toWellFormed()))
        assert.strictEqual(nameKey(one) === nameKey(of(others)), same)
        assert.strictEqual(formatName(one) === formatName(of(others)), same)
      })
  )

  it("keep what their author has hidden in a value within it", () => {
    const build = nameKey(name([[o, text("Example")]], [[cn, text("build")]]))
    assert.strictEqual(parseNameKey("CN=build,O=Example"), build)
    for (const forged of [
      name([[cn, text("build,O=Example")]]),
      name([[cn, text("build\nO=Example")]]),
      name([[o, text("Example")]], [[cn, text("build\0")]]),
      name([
        [o, text("Example")],
        [cn, text("build")]
      ]),
      name([[cn, text("build")]], [[o, text("Example")]]),
      name([[o, text("Example")]], [[cn, text("build")]], [[ou, text("")]]),
      name([[o, text("Example")]], [[cn, Der.octetString(Buffer.from("build"))]]),
      name([[o, text("Example")]], [[cn, text('build"],["2.5.4.3=:build')]])
    ]) {
      assert.notStrictEqual(nameKey(forged), build)
      assert.notStrictEqual(formatName(forged), "CN=build,O=Example")
      assert.strictEqual(parseNameKey(formatName(forged)), nameKey(forged))
    }
  })

  it("are the same whichever encoding their text has", () => {
    const latin = Buffer.from("M\u00fcller", "latin1")
    const teletex = Buffer.concat([Uint8Array.of(Der.universal.teletexString, latin.length), latin])
    const wide = Buffer.from("M\u00fcller", "utf16le").swap16()
    const bmp = Buffer.concat([Uint8Array.of(Der.universal.bmpString, wide.length), wide])
    const keys = [text("Müller"), teletex, bmp].map((value) => nameKey(name([[cn, value]])))
    assert.deepStrictEqual(keys, [keys[0], keys[0], keys[0]])
    // Half a character is no text.
    const broken = Buffer.concat([Uint8Array.of(Der.universal.utf8String, 1), latin.subarray(1, 2)])
    assert.strictEqual(formatName(name([[cn, broken]])), "CN=#0C01FC")
  })
})
