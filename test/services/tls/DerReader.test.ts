import { X509Certificate } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Der from "../../../src/services/tls/Der.ts"
import { DerFault, DerReader } from "../../../src/services/tls/DerReader.ts"
import { readName } from "../../../src/services/tls/DistinguishedName.ts"
import { readFields } from "../../../src/services/tls/ParsedCertificate.ts"
import { readRevocationList } from "../../../src/services/tls/RevocationList.ts"
import { makeSelfSigned } from "../../../src/services/tls/SelfSigned.ts"

const reader = (hex: string) => new DerReader(Buffer.from(hex.replaceAll(" ", ""), "hex"))
const int = (minimum: number, maximum: number) => Schema.Int.check(Schema.isBetween({ minimum, maximum }))

/** Whatever it is given, a reader reads it or says what is wrong; anything else is a bug. */
const readsOrFaults = <A>(read: () => A): Result.Result<A, DerFault> => {
  try {
    return Result.succeed(read())
  } catch (fault) {
    if (fault instanceof DerFault) return Result.fail(fault)
    throw fault
  }
}

/** Reads elements within elements, as far down as they go; the number of them. */
const walk = (bytes: Uint8Array): number => {
  const open = [new DerReader(bytes)]
  let seen = 0
  for (let inner = open.pop(); inner !== undefined; inner = open.pop()) {
    while (!inner.atEnd) {
      seen += 1
      if ((inner.tag & 0x20) === 0) inner.skip()
      else open.push(inner.enter(inner.tag))
    }
  }
  return seen
}

describe("DerReader", () => {
  it.effect.prop(
    "reads what the writer writes",
    [Schema.Uint8Array, int(0, 2 ** 31 - 1), Schema.Boolean],
    ([bytes, n, flag]) =>
      Effect.sync(() => {
        const number = Buffer.alloc(4)
        number.writeUInt32BE(n)
        const all = new DerReader(
          Der.sequence(
            Der.octetString(bytes),
            Der.integer(number),
            Der.boolean(flag),
            Der.oid(`1.2.${n}`),
            Der.time(n * 1000),
            Der.bitString(bytes),
            Der.explicit(3, Der.utf8String("x"))
          )
        )
        const inner = all.enter()
        all.end()
        assert.deepStrictEqual(Buffer.from(inner.content(Der.universal.octetString)), Buffer.from(bytes))
        assert.strictEqual(inner.count(), n)
        assert.strictEqual(inner.boolean(), flag)
        assert.strictEqual(inner.oid(), `1.2.${n}`)
        assert.strictEqual(inner.time(), n * 1000)
        assert.deepStrictEqual(Buffer.from(inner.bits().bytes), Buffer.from(bytes))
        assert.strictEqual(walk(inner.whole()), 2)
        assert.isTrue(inner.atEnd)
      })
  )

  it.each([
    ["an indefinite length", "30 80 00 00"],
    ["a length of five bytes", "30 85 00 00 00 00 01 00"],
    ["a length that is not the shortest", "04 81 01 00"],
    ["a length with a zero in front", "04 82 00 80"],
    ["an element longer than all", "04 05 00"],
    ["a tag of several bytes", "1f 81 01 00"],
    ["half a header", "30"]
  ])("refuses %s", (_, hex) => {
    assert.isTrue(Result.isFailure(readsOrFaults(() => reader(hex).skip())))
  })

  it.each([
    ["an empty integer", "02 00", (r: DerReader) => r.integer()],
    ["a padded integer", "02 02 00 01", (r: DerReader) => r.integer()],
    ["a padded negative integer", "02 02 ff 80", (r: DerReader) => r.integer()],
    ["a negative count", "02 01 ff", (r: DerReader) => r.count()],
    ["a boolean of another value", "01 01 01", (r: DerReader) => r.boolean()],
    ["an empty identifier", "06 00", (r: DerReader) => r.oid()],
    ["an identifier that goes on", "06 02 2a 86", (r: DerReader) => r.oid()],
    ["an identifier with a zero in front", "06 02 80 01", (r: DerReader) => r.oid()],
    ["bits without a count", "03 00", (r: DerReader) => r.bits()],
    ["eight unused bits", "03 02 08 00", (r: DerReader) => r.bits()],
    ["the 30th of February", "17 0d 32 36 30 32 33 30 30 30 30 30 30 30 5a", (r: DerReader) => r.time()],
    ["a time without seconds", "17 0b 32 36 30 32 30 31 30 30 30 30 5a", (r: DerReader) => r.time()],
    ["a time of another zone", "17 11 32 36 30 32 30 31 30 30 30 30 30 30 2b 30 31 30 30", (r: DerReader) => r.time()],
    ["another kind than was expected", "04 00", (r: DerReader) => r.enter()]
  ])("refuses %s", (_, hex, read) => {
    assert.isTrue(Result.isFailure(readsOrFaults<unknown>(() => read(reader(hex)))))
  })

  it("knows the two centuries of UTCTime, and GeneralizedTime to the end of time", () => {
    const utc = (text: string) =>
      new DerReader(Buffer.concat([Buffer.from([0x17, text.length]), Buffer.from(text)])).time()
    assert.strictEqual(utc("491231235959Z"), Date.UTC(2049, 11, 31, 23, 59, 59))
    assert.strictEqual(utc("500101000000Z"), Date.UTC(1950, 0, 1))
    const last = "99991231235959Z"
    const general = new DerReader(Buffer.concat([Buffer.from([0x18, last.length]), Buffer.from(last)])).time()
    assert.strictEqual(general, Date.UTC(9999, 11, 31, 23, 59, 59))
  })

  it.effect.prop("never fails otherwise than it says, whatever the bytes", [Schema.Uint8Array], ([bytes]) =>
    Effect.gen(function* () {
      for (const start of [[], [0x30, bytes.length & 0x7f], [0x30, 0x81, 0x80 | bytes.length]]) {
        const all = Buffer.concat([Buffer.from(start), bytes])
        const walked = readsOrFaults(() => walk(all))
        if (Result.isSuccess(walked)) assert.isAtMost(walked.success, all.length)
        readsOrFaults(() => readName(new DerReader(all)))
        const list = yield* Effect.exit(readRevocationList(all, []))
        assert.isTrue(Exit.isFailure(list) && !Exit.hasDies(list))
      }
    })
  )

  it.effect("reads or refuses certificates with bytes changed, cut and doubled", () =>
    Effect.gen(function* () {
      const { cert } = yield* makeSelfSigned(["a.example", "192.0.2.1", "2001:db8::1"])
      const { raw } = new X509Certificate(cert)
      assert.deepStrictEqual(readFields(raw).sans, ["DNS:a.example", "IP:192.0.2.1", "IP:2001:db8::1"])
      let isRead = 0
      for (let at = 0; at < raw.length; at++) {
        for (const other of [0x00, 0x7f, 0x80, 0xff, (raw[at] ?? 0) ^ 0x01, (raw[at] ?? 0) + 1]) {
          const changed = Buffer.from(raw)
          changed[at] = other
          if (Result.isSuccess(readsOrFaults(() => readFields(changed)))) isRead += 1
        }
        if (at > 0) assert.isTrue(Result.isFailure(readsOrFaults(() => walk(raw.subarray(0, at)))))
      }
      assert.isAbove(isRead, 0)
    })
  )
})
