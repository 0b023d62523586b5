import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { encodeLine, encodeRequest, entryBytesMax } from "../../../src/services/log/journalEntry.ts"

/** As the journal reads an entry: `NAME=value`, or the name, the length of the value and the value. */
const decode = (bytes: Buffer): ReadonlyArray<readonly [string, string]> => {
  const fields: Array<readonly [string, string]> = []
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf("\n", at)
    const line = bytes.toString("utf8", at, end)
    const equals = line.indexOf("=")
    if (equals >= 0) {
      fields.push([line.slice(0, equals), line.slice(equals + 1)])
      at = end + 1
      continue
    }
    const from = end + 9
    const to = from + Number(bytes.readBigUInt64LE(end + 1))
    assert.strictEqual(bytes[to], 10)
    fields.push([line, bytes.toString("utf8", from, to)])
    at = to + 1
  }
  return fields
}

const at = new Date(0)

describe("an entry of the journal", () => {
  it("has a priority, an identifier, a message that shows the fields, and each field by itself", () => {
    const fields = { actor: "EventStore", restarts: 2, none: undefined, cause: "Error: x\n  at y" }
    assert.deepStrictEqual(decode(encodeLine({ at, level: "Warn", message: "actor failed", fields })), [
      ["PRIORITY", "4"],
      ["SYSLOG_IDENTIFIER", "systemapi"],
      ["MESSAGE", 'actor failed actor=EventStore restarts=2 cause="Error: x\\\\n  at y"'],
      ["SYSTEMAPI_ACTOR", "EventStore"],
      ["SYSTEMAPI_RESTARTS", "2"],
      ["SYSTEMAPI_CAUSE", "Error: x\n  at y"]
    ])
  })

  it("of a request has what is asked for most", () => {
    const request = {
      method: "GET",
      path: "/livez",
      status: 200,
      durationMs: 0.5,
      address: "",
      who: "admin",
      id: "a-1"
    }
    assert.deepStrictEqual(decode(encodeRequest(request)), [
      ["PRIORITY", "6"],
      ["SYSLOG_IDENTIFIER", "systemapi"],
      ["MESSAGE", "GET /livez 200 ms=0.5 who=admin request_id=a-1"],
      ["SYSTEMAPI_METHOD", "GET"],
      ["SYSTEMAPI_PATH", "/livez"],
      ["SYSTEMAPI_STATUS", "200"],
      ["SYSTEMAPI_MS", "0.5"],
      ["SYSTEMAPI_WHO", "admin"],
      ["SYSTEMAPI_REQUEST_ID", "a-1"]
    ])
  })

  it.effect.prop(
    "has the fields that it was made with, whatever names and values hold",
    [Schema.String, Schema.String, Schema.String],
    ([message, name, value]) =>
      Effect.sync(() => {
        const nasty = `${value}\nMESSAGE=forged\n${value}`
        const bytes = encodeLine({ at, level: "Info", message: `${message}\n_PID=1`, fields: { [name]: nasty } })
        const decoded = decode(bytes)
        assert.deepStrictEqual(
          decoded.map(([key]) => key),
          ["PRIORITY", "SYSLOG_IDENTIFIER", "MESSAGE", decoded[3]?.[0]]
        )
        assert.match(decoded[3]?.[0] ?? "", /^SYSTEMAPI_[A-Z0-9_]*$/u)
        assert.isAtMost(decoded[3]?.[0].length ?? 0, 64)
        assert.strictEqual(decoded[3]?.[1], nasty.toWellFormed())
      })
  )

  it("is cut where it is endless, and never larger than a datagram", () => {
    const many = Object.fromEntries(
      Array.from({ length: 100 }, (_, n) => [`${"n".repeat(100)}${n}`, "ä".repeat(100_000)])
    )
    const bytes = encodeLine({ at, level: "Error", message: "m".repeat(1_000_000), fields: many })
    assert.isAtMost(bytes.length, entryBytesMax)
    // net.core.wmem_default, less what the kernel counts beside it.
    assert.isAtMost(entryBytesMax, 212_992 - 4096)
    const decoded = decode(bytes)
    assert.lengthOf(decoded, 3 + 24)
    assert.isTrue(decoded[2]?.[1].endsWith("…"))
  })
})
