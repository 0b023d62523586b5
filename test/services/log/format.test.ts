import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import {
  formatLine,
  formatRequest,
  isJournal,
  type LogEntry,
  type LogFormat,
  type RequestEntry
} from "../../../src/services/log/format.ts"
import { AnyText, toText } from "../../harness/text.ts"

const formats: ReadonlyArray<LogFormat> = ["text", "json", "journal"]
const at = new Date("2024-11-05T22:03:23.456Z")
const entry = (message: string, fields: LogEntry["fields"] = {}): LogEntry => ({ at, level: "Warn", message, fields })
const request: RequestEntry = {
  method: "GET",
  path: "/logs",
  status: 200,
  durationMs: 1.23456,
  address: "192.0.2.1",
  who: "admin",
  id: "abc-1"
}

/** JSON is for machines, which mind only where a line ends. */
const assertOneLine = (format: LogFormat, line: string) => {
  const harmless = format === "json" ? /^[^\n\r]*\n$/u : /^[^\p{Cc}\u2028\u2029]*\n$/u
  assert.match(line.replaceAll("\t", ""), harmless)
}

describe("formatLine", () => {
  it("writes text for people, JSON for machines, a priority for the journal", () => {
    const line = entry("actor Pipe failed", { actor: "Pipe", restarts: 2, detail: "no such file", none: undefined })
    assert.deepStrictEqual(
      formats.map((format) => formatLine(format, line)),
      [
        '2024-11-05T22:03:23.456Z WARN  actor Pipe failed actor=Pipe restarts=2 detail="no such file"\n',
        '{"time":"2024-11-05T22:03:23.456Z","level":"warn","message":"actor Pipe failed","actor":"Pipe","restarts":2,"detail":"no such file"}\n',
        '<4>actor Pipe failed actor=Pipe restarts=2 detail="no such file"\n'
      ]
    )
  })

  it.effect.prop("is one line, whatever the values hold", [AnyText, AnyText], ([points, more]) =>
    Effect.sync(() => {
      const [message, value] = [toText(points), toText(more)]
      for (const format of formats) {
        const line = formatLine(format, entry(message, { value, "a key": { value } }))
        assertOneLine(format, line)
        if (format === "json") assert.deepInclude(JSON.parse(line), { message, value, "a key": { value } })
      }
    })
  )

  it("takes values that JSON cannot hold", () => {
    const circular: Record<string, unknown> = {}
    circular["self"] = circular
    for (const format of formats) {
      assert.include(formatLine(format, entry("m", { big: 10n })), "10")
      assert.include(formatLine(format, entry("m", { circular })), "m")
    }
  })
})

describe("formatRequest", () => {
  it("is one short line", () => {
    assert.deepStrictEqual(
      formats.map((format) => formatRequest(format, at.getTime(), request)),
      [
        "2024-11-05T22:03:23.456Z INFO  GET /logs 200 ms=1.23 address=192.0.2.1 who=admin request_id=abc-1\n",
        '{"time":"2024-11-05T22:03:23.456Z","level":"info","message":"GET /logs 200","ms":1.23,"address":"192.0.2.1","who":"admin","request_id":"abc-1"}\n',
        "<6>GET /logs 200 ms=1.23 address=192.0.2.1 who=admin request_id=abc-1\n"
      ]
    )
  })

  it("leaves out what is not known", () => {
    assert.strictEqual(
      formatRequest("journal", 0, { ...request, address: "", who: undefined }),
      "<6>GET /logs 200 ms=1.23 request_id=abc-1\n"
    )
    assert.deepStrictEqual(JSON.parse(formatRequest("json", 0, { ...request, address: "", who: undefined })), {
      time: "1970-01-01T00:00:00.000Z",
      level: "info",
      message: "GET /logs 200",
      ms: 1.23,
      request_id: "abc-1"
    })
  })

  it.effect.prop("holds what callers sent in one line", [AnyText, AnyText], ([points, more]) =>
    Effect.sync(() => {
      for (const format of formats) {
        assertOneLine(format, formatRequest(format, 0, { ...request, method: toText(points), path: toText(more) }))
      }
    })
  )
})

describe("isJournal", () => {
  it("believes only the file that standard error is", () => {
    const stderr = { dev: 8, ino: 42 }
    assert.isTrue(isJournal({ JOURNAL_STREAM: "8:42" }, stderr))
    assert.isFalse(isJournal({ JOURNAL_STREAM: "8:43" }, stderr))
    assert.isFalse(isJournal({}, stderr))
  })
})
