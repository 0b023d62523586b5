import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { format, type ListenAddress, parse } from "../../../src/services/config/ListenAddress.ts"

const host = Schema.Union([
  Schema.Undefined,
  Schema.String.check(Schema.isPattern(/^[A-Za-z0-9][A-Za-z0-9._-]{0,30}$/u)),
  Schema.Literals(["::", "::1", "fe80::1", "2001:db8::ffff:192.0.2.1"])
])

const Address = Schema.Union([
  Schema.TaggedStruct("Tcp", {
    host,
    port: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 65_535 }))
  }),
  Schema.TaggedStruct("Unix", { path: Schema.String.check(Schema.isPattern(/^\/[a-z/. :]{0,90}$/u)) })
])

describe("a listen address", () => {
  it.effect.prop("is read back as it was written", [Address], ([given]) =>
    Effect.sync(() => {
      // An integer of the generator may be -0, which no text tells from 0.
      const address: ListenAddress = given._tag === "Tcp" ? { ...given, port: given.port + 0 } : given
      assert.deepStrictEqual(parse(format(address)), Result.succeed(address))
    })
  )

  it.effect.prop("never throws, and means what it prints", [Schema.String], ([text]) =>
    Effect.sync(() => {
      const parsed = parse(text)
      if (Result.isSuccess(parsed)) assert.deepStrictEqual(parse(format(parsed.success)), parsed)
    })
  )

  it("has four forms", () => {
    const forms: ReadonlyArray<readonly [string, ListenAddress]> = [
      ["127.0.0.1:3535", { _tag: "Tcp", host: "127.0.0.1", port: 3535 }],
      ["localhost:0", { _tag: "Tcp", host: "localhost", port: 0 }],
      [":3535", { _tag: "Tcp", host: undefined, port: 3535 }],
      ["[::1]:3535", { _tag: "Tcp", host: "::1", port: 3535 }],
      ["unix:/run/systemapi.sock", { _tag: "Unix", path: "/run/systemapi.sock" }]
    ]
    for (const [text, address] of forms) assert.deepStrictEqual(parse(text), Result.succeed(address))
  })

  it("has no others", () => {
    for (const text of [
      "",
      ":",
      "3535",
      "localhost",
      "host:",
      "host:65536",
      "host:-1",
      "host:1e3",
      "host: 1",
      "::1:3535",
      "[::1]",
      "[1.2.3.4]:1",
      "[fe80::1",
      "a b:1",
      "http://host:1",
      "unix:run.sock",
      "unix:",
      `unix:/${"x".repeat(107)}`,
      "unix:/a\0b"
    ]) {
      assert.isTrue(Result.isFailure(parse(text)), text)
    }
  })
})
