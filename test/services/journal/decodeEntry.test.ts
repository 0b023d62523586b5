/** Lines of journalctl, and what entries they are. */
import { assert, describe, it } from "@effect/vitest"
import { decodeEntry } from "../../../src/services/journal/decodeEntry.ts"
import { JournalLines, lineMaxBytes } from "../../../src/services/journal/JournalLines.ts"
import { cursorOf, lineOf, timeOf } from "./support.ts"

const units = ["demo.service"]

const decode = (fields: Readonly<Record<string, unknown>>) => decodeEntry(lineOf(1, fields), units)

const bytes = (text: string, encoding: BufferEncoding = "utf8") => [...Buffer.from(text, encoding)]

describe("an entry", () => {
  it("has what the line says", () => {
    assert.deepStrictEqual(decode({}), {
      cursor: cursorOf(1),
      realtimeUs: timeOf(1),
      priority: 6,
      identifier: "demo",
      pid: 45,
      unit: "demo.service",
      hostname: "guest",
      message: "message 1"
    })
  })

  it.each([
    ["bytes", bytes("caf\xe9", "latin1"), "caf\uFFFD"],
    ["bytes with control characters", bytes("a\u0001b"), "a\u0001b"],
    ["no bytes", [], ""],
    ["null", null, ""],
    ["several", ["first", "second"], "first"],
    ["several of bytes", [bytes("first"), "second"], "first"],
    ["several, the first too long for journalctl", [null, "second"], ""]
  ])("whose message is %s", (_what, MESSAGE, message) => {
    assert.strictEqual(decode({ MESSAGE })?.message, message)
  })

  it("may lack all that is not its place and its time", () => {
    const line = JSON.stringify({ __CURSOR: cursorOf(1), __REALTIME_TIMESTAMP: String(timeOf(1)) })
    assert.deepStrictEqual(decodeEntry(line, units), {
      cursor: cursorOf(1),
      realtimeUs: timeOf(1),
      priority: null,
      identifier: null,
      pid: null,
      unit: null,
      hostname: null,
      message: ""
    })
  })

  it("is named by its program and by what it says of itself where nothing better is known", () => {
    const entry = decode({ SYSLOG_IDENTIFIER: undefined, _COMM: "sh", _PID: undefined, SYSLOG_PID: "7" })
    assert.deepStrictEqual([entry?.identifier, entry?.pid], ["sh", 7])
    assert.strictEqual(decode({ PRIORITY: "9", _PID: "x" })?.priority, null)
  })

  it.each([
    ["systemd", { _PID: "1", _SYSTEMD_UNIT: "init.scope", UNIT: "demo.service" }, "demo.service"],
    ["root", { _UID: "0", _SYSTEMD_UNIT: "x.service", COREDUMP_UNIT: "demo.service" }, "demo.service"],
    ["root", { _UID: "0", _SYSTEMD_UNIT: "x.service", OBJECT_SYSTEMD_UNIT: "demo.service" }, "demo.service"],
    ["anybody", { _UID: "1000", _SYSTEMD_UNIT: "x.service", UNIT: "demo.service" }, "x.service"],
    ["anybody", { _UID: "1000", _SYSTEMD_UNIT: "x.service", OBJECT_SYSTEMD_UNIT: "demo.service" }, "x.service"],
    ["root, about a unit nobody asked for", { _UID: "0", OBJECT_SYSTEMD_UNIT: "y.service" }, "demo.service"]
  ])("is about the unit that %s says", (_who, fields, unit) => {
    assert.strictEqual(decode(fields)?.unit, unit)
  })

  it.each([
    "-- No entries --",
    "",
    "{",
    "[]",
    "null",
    "{}",
    JSON.stringify({ __CURSOR: 1, __REALTIME_TIMESTAMP: "1" }),
    lineOf(1, { __REALTIME_TIMESTAMP: "soon" }),
    lineOf(1, { MESSAGE: { text: "no" } })
  ])("is not %j", (line) => {
    assert.isUndefined(decodeEntry(line, units))
  })
})

describe("lines", () => {
  const all = (chunks: ReadonlyArray<Uint8Array>) => {
    const lines = new JournalLines()
    return chunks.flatMap((chunk) => [...lines.push(chunk)])
  }

  it("are the same however they come in pieces, in the midst of characters too", () => {
    const text = Buffer.from("one\nzwölf\n\n€uro\nlast\nnot yet")
    for (let size = 1; size <= text.length; size++) {
      const chunks = Array.from({ length: Math.ceil(text.length / size) }, (_, n) =>
        text.subarray(n * size, (n + 1) * size)
      )
      assert.deepStrictEqual(all(chunks).filter(Boolean), ["one", "zwölf", "€uro", "last"])
    }
  })

  it("that are too long for memory keep what they are about, but for their message", () => {
    const message = `","__CURSOR":"forged","x":"${"m".repeat(2 * lineMaxBytes)}`
    for (const place of ["first", "last"]) {
      const rest = JSON.parse(lineOf(3))
      const fields = place === "first" ? { MESSAGE: message, ...rest } : { ...rest, MESSAGE: message }
      fields.MESSAGE = message
      const chunks = Buffer.from(`${lineOf(2)}\n${JSON.stringify(fields)}\n${lineOf(4)}\n`)
      const lines = all(
        Array.from({ length: Math.ceil(chunks.length / 65_536) }, (_, n) =>
          chunks.subarray(n * 65_536, (n + 1) * 65_536)
        )
      )
      const entries = lines.map((line) => decodeEntry(line, units))
      assert.deepStrictEqual(
        entries.map((entry) => [entry?.cursor, entry?.realtimeUs, entry?.identifier]),
        [2, 3, 4].map((n) => [cursorOf(n), timeOf(n), "demo"])
      )
      assert.match(entries[1]?.message ?? "", /^\[a message of \d+ bytes is not shown\]$/u)
    }
  })

  it("that are a little too long are whole all the same", () => {
    const line = "x".repeat(lineMaxBytes + 100)
    assert.deepStrictEqual(all([Buffer.from(line.slice(0, 1000)), Buffer.from(`${line.slice(1000)}\n`)]), [line])
  })
})
