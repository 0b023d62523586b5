import { generateKeyPairSync, type KeyObject, sign, X509Certificate } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { type Bundle, judge, type Shown } from "../../../src/services/tls/ClientTrust.ts"
import * as Der from "../../../src/services/tls/Der.ts"
import { isSignedBy, type ParsedCertificate, parseCertificate } from "../../../src/services/tls/ParsedCertificate.ts"

const now = Date.UTC(2026, 10, 22)
const dayMs = 86_400_000
const ed25519 = Der.sequence(Der.oid("1.3.101.112"))
const nameOf = (name: string) => Der.sequence(Der.set(Der.sequence(Der.oid("2.5.4.3"), Der.utf8String(name))))

interface Made {
  readonly name: string
  readonly issuer: string
  readonly isCa?: boolean
  readonly from?: number
  readonly until?: number
  readonly publicKeyInfo?: Der.Der
}

interface Keys {
  readonly publicKey: KeyObject
  readonly privateKey: KeyObject
}

const keys = (): Keys => generateKeyPairSync("ed25519")

/** A certificate of the first's key, signed with the second's. */
const made = (own: Keys, by: Keys, { from = -1, isCa = false, issuer, name, until = 9, ...rest }: Made) => {
  const { publicKeyInfo = own.publicKey.export({ type: "spki", format: "der" }) } = rest
  const body = Der.sequence(
    Der.explicit(0, Der.integer(Uint8Array.of(2))),
    Der.integer(Uint8Array.of(1)),
    ed25519,
    nameOf(issuer),
    Der.sequence(Der.time(now + from * dayMs), Der.time(now + until * dayMs)),
    nameOf(name),
    publicKeyInfo,
    ...(isCa
      ? [
          Der.explicit(
            3,
            Der.sequence(Der.sequence(Der.oid("2.5.29.19"), Der.octetString(Der.sequence(Der.boolean(true)))))
          )
        ]
      : [])
  )
  const der = Der.sequence(body, ed25519, Der.bitString(sign(null, body, by.privateKey)))
  return parseCertificate(new X509Certificate(der))
}

const rootKeys = keys()
const root = made(rootKeys, rootKeys, { name: "root", issuer: "root", isCa: true, until: 99 })
const bundle: Bundle = { pem: "", roots: [root], intermediates: [] }
const trust = { bundle, lists: [] }
const shown = (leaf: ParsedCertificate, ...sent: ReadonlyArray<ParsedCertificate>): Shown => ({
  leaf,
  sent,
  bundle,
  refusal: undefined
})

describe("judge", () => {
  it("says how long what it says is true", () => {
    const middleKeys = keys()
    const middle = made(middleKeys, rootKeys, { name: "middle", issuer: "root", isCa: true, from: -2, until: 5 })
    const leaf = made(keys(), middleKeys, { name: "leaf", issuer: "middle", from: 1, until: 7 })
    const at = (days: number) => {
      const { from, reason, until } = judge(trust, shown(leaf, middle), now + days * dayMs)
      return [reason, (from - now) / dayMs, Math.floor((until - now) / dayMs)]
    }
    assert.deepStrictEqual(at(0), ["it is not valid yet", -1, 1])
    assert.deepStrictEqual(at(1), [undefined, 1, 5])
    assert.deepStrictEqual(at(5), [undefined, 1, 5])
    const ended = at(6)
    assert.deepStrictEqual([ended[0], ended[2]], ["the certificate of its CA has expired", 7])
    assert.strictEqual(at(8)[0], "it has expired")
  })

  it("takes another path where one of them has ended", () => {
    const middleKeys = keys()
    const middle = (until: number) => made(middleKeys, rootKeys, { name: "middle", issuer: "root", isCa: true, until })
    const leaf = made(keys(), middleKeys, { name: "leaf", issuer: "middle" })
    const reason = (...sent: ReadonlyArray<ParsedCertificate>) => judge(trust, shown(leaf, ...sent), now + dayMs).reason
    assert.strictEqual(reason(middle(0)), "the certificate of its CA has expired")
    assert.isUndefined(reason(middle(0), middle(4)))
  })

  it("stands what a client may send: loops, crowds of one name, keys of no known kind", () => {
    const [one, other] = [keys(), keys()]
    const a = made(one, other, { name: "a", issuer: "b", isCa: true })
    const b = made(other, one, { name: "b", issuer: "a", isCa: true })
    const leaf = made(keys(), one, { name: "leaf", issuer: "a" })
    assert.strictEqual(judge(trust, shown(leaf, a, b), now).reason, "no CA that is trusted here has signed it")

    const crowd = Array.from({ length: 40 }, () => made(keys(), keys(), { name: "a", issuer: "a", isCa: true }))
    assert.strictEqual(judge(trust, shown(leaf, ...crowd), now).reason, "too many certificates were sent along with it")

    const strange = Der.sequence(Der.sequence(Der.oid("1.2.3.4.5")), Der.bitString(new Uint8Array(32)))
    const odd = made(one, rootKeys, { name: "a", issuer: "root", isCa: true, publicKeyInfo: strange })
    assert.throws(() => odd.publicKey)
    assert.isFalse(isSignedBy(leaf, odd))
    assert.strictEqual(judge(trust, shown(leaf, odd), now).reason, "no CA that is trusted here has signed it")
    assert.strictEqual(judge(trust, shown(odd), now).reason, undefined)
  })

  it("believes TLS where it has refused what seems right here", () => {
    const leaf = made(keys(), rootKeys, { name: "leaf", issuer: "root" })
    const refusal = "CA_MD_TOO_WEAK"
    assert.isUndefined(judge(trust, shown(leaf), now).reason)
    assert.strictEqual(
      judge(trust, { ...shown(leaf), refusal }, now).reason,
      "refused in the TLS handshake: CA_MD_TOO_WEAK"
    )
  })
})
