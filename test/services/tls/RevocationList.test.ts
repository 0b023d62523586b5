import { generateKeyPairSync, randomBytes, sign, X509Certificate } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Der from "../../../src/services/tls/Der.ts"
import { DerReader } from "../../../src/services/tls/DerReader.ts"
import { readName } from "../../../src/services/tls/DistinguishedName.ts"
import { authorityKey, parseCertificate } from "../../../src/services/tls/ParsedCertificate.ts"
import { pemBlocks } from "../../../src/services/tls/pemBlocks.ts"
import { type Authority, readRevocationList, revokedMax } from "../../../src/services/tls/RevocationList.ts"
import { ecKey, ed25519Key, inDays, root, rsaKey } from "../../harness/pki.ts"
import { temporaryFolder } from "../files/support.ts"

const { privateKey, publicKey } = generateKeyPairSync("ed25519")
const issuer = Der.sequence(Der.set(Der.sequence(Der.oid("2.5.4.3"), Der.utf8String("ca"))))
const ours: Authority = { authority: authorityKey(readName(new DerReader(issuer))), publicKey }

const ed25519 = Der.sequence(Der.oid("1.3.101.112"))
const thisUpdate = Der.time(Date.UTC(2026, 10, 1))
const nextUpdate = Der.time(Date.UTC(2026, 11, 1))

const entry = (serial: Uint8Array, ...more: ReadonlyArray<Der.Der>) =>
  Der.sequence(Der.integer(serial), thisUpdate, ...more)
const extension = (type: string, isCritical: boolean, value: Der.Der = Der.sequence()) =>
  Der.sequence(Der.oid(type), ...(isCritical ? [Der.boolean(true)] : []), Der.octetString(value))

const version2 = Der.integer(Uint8Array.of(1))
const head = [version2, ed25519, issuer, thisUpdate, nextUpdate]

/** Of more elements than arguments go over the stack. */
const longSequence = (content: Uint8Array): Der.Der => {
  const bytes = Der.octetString(content)
  bytes[0] = Der.universal.sequence
  return bytes
}

/** A list of this content, signed by us. */
const signed = (body: Der.Der) => Der.sequence(body, ed25519, Der.bitString(sign(null, body, privateKey)))
const listOf = (entries: ReadonlyArray<Der.Der>, ...extensions: ReadonlyArray<Der.Der>) =>
  signed(
    Der.sequence(
      ...head,
      ...(entries.length === 0 ? [] : [Der.sequence(...entries)]),
      ...(extensions.length === 0 ? [] : [Der.explicit(0, Der.sequence(...extensions))])
    )
  )

const reasonOf = (der: Uint8Array, authorities: ReadonlyArray<Authority> = [ours]) =>
  Effect.map(Effect.flip(readRevocationList(der, authorities)), ({ reason }) => reason)

describe("RevocationList", () => {
  it.live("reads the lists that openssl makes, of every kind of key", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      for (const [name, key] of Object.entries({ rsa: rsaKey, ec: ecKey, ed: ed25519Key })) {
        const ca = yield* Effect.promise(() => root(folder, name, { key }))
        const authority = parseCertificate(new X509Certificate(ca.cert))
        const read = Effect.gen(function* () {
          const pem = yield* Effect.promise(() => ca.crl({ next: inDays(3) }))
          const [der = new Uint8Array()] = yield* pemBlocks(pem, "X509 CRL")
          return yield* readRevocationList(der, [authority])
        })
        assert.strictEqual((yield* read).size, 0)
        const clients = yield* Effect.promise(async () => [
          await ca.issue(`${name}1`, { key }),
          await ca.issue(`${name}2`, { key }),
          await ca.issue(`${name}3`, { key })
        ])
        const [first, second, third] = clients.map(({ cert }) => parseCertificate(new X509Certificate(cert)).serial)
        for (const client of clients.slice(0, 2)) yield* Effect.promise(() => ca.revoke(client))
        const list = yield* read
        assert.strictEqual(list.size, 2)
        assert.deepStrictEqual(
          [first, second, third].map((serial) => list.has(serial ?? new Uint8Array())),
          [true, true, false]
        )
        assert.strictEqual(list.issuer, `CN=${name}`)
        assert.approximately(list.nextUpdate ?? 0, Date.now() + 3 * 86_400_000, 60_000)
      }
    })
  )

  it.effect("takes what it need not understand, and a list without an end", () =>
    Effect.gen(function* () {
      const reason = extension("2.5.29.21", false)
      const list = yield* readRevocationList(
        listOf(
          [entry(Uint8Array.of(7), Der.sequence(reason)), entry(Uint8Array.of(0x80)), entry(Uint8Array.of(7))],
          extension("2.5.29.20", false, Der.integer(Uint8Array.of(1))),
          extension("2.5.29.28", true, Der.sequence(Der.implicit(1, Uint8Array.of(0xff)))),
          extension("1.2.3.4", false)
        ),
        [ours]
      )
      assert.strictEqual(list.size, 2)
      assert.isTrue(list.has(Uint8Array.of(7)) && list.has(Uint8Array.of(0, 0x80)))
      assert.isFalse(list.has(Uint8Array.of(0x80)) || list.has(Uint8Array.of(0, 7)) || list.has(new Uint8Array()))
      const endless = yield* readRevocationList(signed(Der.sequence(version2, ed25519, issuer, thisUpdate)), [ours])
      assert.deepStrictEqual([endless.nextUpdate, endless.size], [undefined, 0])
    })
  )

  it.effect("refuses lists that others have signed, or that were changed", () =>
    Effect.gen(function* () {
      const list = listOf([entry(Uint8Array.of(1))])
      const foreign = generateKeyPairSync("ed25519").publicKey
      const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 }).publicKey
      assert.match(yield* reasonOf(list, []), /^its issuer CN=ca is no CA of ours/u)
      assert.match(yield* reasonOf(list, [{ ...ours, authority: "other" }]), /is no CA of ours/u)
      for (const key of [foreign, rsa]) {
        assert.match(yield* reasonOf(list, [{ ...ours, publicKey: key }]), /^its signature is not that of its issuer/u)
      }
      // Among several of one name, the one that has signed it.
      assert.strictEqual((yield* readRevocationList(list, [{ ...ours, publicKey: foreign }, ours])).size, 1)
      const at = Buffer.from(list).indexOf(Der.integer(Uint8Array.of(1)), 40)
      const changed = Buffer.from(list)
      changed[at + 2] = 2
      assert.match(yield* reasonOf(changed), /signature/u)
      assert.match(yield* reasonOf(Buffer.concat([list, Uint8Array.of(0)])), /^not a revocation list: /u)
    })
  )

  it.effect("refuses what says less or more than it seems to", () =>
    Effect.gen(function* () {
      const one = [entry(Uint8Array.of(1))]
      const indirect = Der.sequence(Der.implicit(4, Uint8Array.of(0xff)))
      const cases: ReadonlyArray<readonly [Der.Der, RegExp]> = [
        [listOf(one, extension("2.5.29.27", true, Der.integer(Uint8Array.of(1)))), /delta list/u],
        [listOf(one, extension("2.5.29.28", true, indirect)), /indirect list/u],
        [listOf(one, extension("1.2.3.4", true)), /critical extension 1\.2\.3\.4/u],
        [listOf([entry(Uint8Array.of(1), Der.sequence(extension("2.5.29.29", true)))]), /other CAs/u],
        [listOf([Der.sequence(Der.integer(new Uint8Array(65).fill(1)), thisUpdate)]), /serial number/u],
        [listOf([entry(Uint8Array.of(1), Der.integer(Uint8Array.of(1)))]), /more than was expected/u],
        [listOf([Der.sequence(thisUpdate)]), /where 2 was expected/u]
      ]
      for (const [list, reason] of cases) assert.match(yield* reasonOf(list), reason)
      const sha1 = Der.sequence(Der.oid("1.2.840.113549.1.1.5"))
      const weak = Der.sequence(Der.sequence(version2, sha1, issuer, thisUpdate), sha1, Der.bitString(Uint8Array.of(1)))
      assert.match(yield* reasonOf(weak), /algorithm 1\.2\.840\.113549\.1\.1\.5 is not accepted/u)
      const swapped = Der.sequence(Der.sequence(...head), sha1, Der.bitString(Uint8Array.of(1)))
      assert.match(yield* reasonOf(swapped), /two signature algorithms/u)
    })
  )

  it.effect.prop(
    "reads or refuses whatever a CA may sign, and fails in no other way",
    [Schema.Uint8Array, Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 200 })), Schema.Uint8Array],
    ([bytes, at, serial]) =>
      Effect.gen(function* () {
        const body = Der.sequence(...head, Der.sequence(entry(serial), entry(Uint8Array.of(1), Der.sequence())))
        const changed = Buffer.from(body)
        changed.set(bytes.subarray(0, Math.max(0, changed.length - at)), Math.min(at, changed.length))
        const exit = yield* Effect.exit(readRevocationList(signed(changed), [ours]))
        assert.isFalse(Exit.hasDies(exit))
      })
  )

  it.live("reads half a million entries while others have their turn, and no more", () =>
    Effect.gen(function* () {
      const one = entry(new Uint8Array(16).fill(0x40))
      const at = Buffer.from(one).indexOf(0x40)
      const all = Buffer.alloc(one.length * (revokedMax + 1))
      const serialAt = (n: number) => all.subarray(n * one.length + at, n * one.length + at + 16)
      for (let n = 0; n <= revokedMax; n++) all.set(one, n * one.length)
      for (let n = 0; n <= revokedMax; n++) serialAt(n).set(randomBytes(15), 1)
      const ofFirst = (count: number) =>
        signed(Der.sequence(...head, longSequence(all.subarray(0, one.length * count))))
      const der = ofFirst(revokedMax)
      let turns = 0
      let isDone = false
      const count = () => {
        turns += 1
        if (!isDone) setImmediate(count)
      }
      count()
      const list = yield* Fiber.join(yield* Effect.forkChild(readRevocationList(der, [ours])))
      isDone = true
      assert.isAbove(turns, 100)
      assert.strictEqual(list.size, revokedMax)
      for (let n = 0; n < revokedMax; n += 997) assert.isTrue(list.has(serialAt(n)))
      assert.isFalse(list.has(serialAt(revokedMax)))
      assert.strictEqual(yield* reasonOf(ofFirst(revokedMax + 1)), `more than ${revokedMax} certificates are revoked`)
    })
  )
})

describe("pemBlocks", () => {
  const pem = (content: string) => `-----BEGIN A-----\n${content}\n-----END A-----\n`

  it.effect("finds the blocks of one kind among anything else", () =>
    Effect.gen(function* () {
      const text = `before\n${pem("AQI=")}between ${pem("AwQ=").replaceAll(" A", " B")}${pem("BQ==")}after`
      const blocks = yield* pemBlocks(text, "A")
      assert.deepStrictEqual(
        blocks.map((block) => Buffer.from(block ?? []).toString("hex")),
        ["0102", "05"]
      )
      assert.deepStrictEqual(yield* pemBlocks("", "A"), [])
    })
  )

  it.live("reads long blocks whole, however their lines are cut", () =>
    Effect.gen(function* () {
      const bytes = randomBytes(1_000_001)
      for (const length of [64, 76, 1001]) {
        const lines = bytes.toString("base64").match(new RegExp(`.{1,${length}}`, "gu")) ?? []
        for (const end of ["\n", "\r\n"]) {
          const [block] = yield* pemBlocks(pem(lines.join(end)), "A")
          assert.isTrue(bytes.equals(block ?? new Uint8Array()))
        }
      }
    })
  )

  it.effect("says where a block is none", () =>
    Effect.gen(function* () {
      for (const wrong of [pem(""), "-----BEGIN A-----\nAQI=\n", pem("AQI=").replace("END A", "END B")]) {
        assert.deepStrictEqual(yield* pemBlocks(wrong, "A"), [undefined], wrong)
      }
    })
  )
})
