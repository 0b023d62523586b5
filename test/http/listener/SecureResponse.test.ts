import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { curl, dial, makeCertificate, serve } from "./harness.ts"

const always = {
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
  "referrer-policy": "no-referrer",
  "cross-origin-resource-policy": "same-origin"
}
const usual = {
  ...always,
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'"
}
const own = { ...always, "cache-control": "max-age=60", "content-security-policy": "default-src 'self'" }
const overTls = { "strict-transport-security": "max-age=31536000" }

/** The fields of a head, each of which must be there once. */
const fieldsOf = (head: string) => {
  const fields = new Map<string, string>()
  for (const line of head.split("\r\n").slice(1)) {
    const colon = line.indexOf(":")
    if (colon <= 0) continue
    const name = line.slice(0, colon).toLowerCase()
    assert.isFalse(fields.has(name), `${name} is there twice:\n${head}`)
    fields.set(name, line.slice(colon + 1).trim())
  }
  return Object.fromEntries(fields)
}

const headOf = (answer: string) => fieldsOf(answer.split("\r\n\r\n")[0] ?? "")

describe("every answer", () => {
  it.live("keeps browsers from what nobody meant, over each protocol, unless it says otherwise itself", () =>
    Effect.gen(function* () {
      const plain = yield* serve()
      const secure = yield* serve({ certificate: yield* makeCertificate("localhost") })
      for (const [url, flags, more] of [
        [plain.url, [], {}],
        [secure.url, ["-k", "--http1.1"], overTls],
        [secure.url, ["-k", "--http2"], overTls]
      ] as const) {
        for (const path of ["/x", "/deny", "/big"]) {
          const { out } = yield* curl(...flags, "-sI", `${url}${path}`)
          assert.deepInclude(headOf(out), { ...usual, ...more }, `${url}${path} ${flags.join(" ")}`)
        }
        const { out } = yield* curl(...flags, "-sI", `${url}/own`)
        assert.deepInclude(headOf(out), { ...own, ...more })
        if (url === plain.url) assert.notInclude(out.toLowerCase(), "strict-transport-security")
      }
    })
  )

  it.live("also those that the listener gives by itself", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      for (const request of [
        "GET /x HTTP/1.1\r\n\r\n",
        "GET /x HTTP/1.1\r\nHost: x\r\nExpect: wonders\r\n\r\n",
        "nonsense\r\n\r\n",
        "CONNECT x:1 HTTP/1.1\r\nHost: x\r\n\r\n"
      ]) {
        const client = yield* dial(served)
        client.send(request)
        assert.deepInclude(headOf(yield* client.closed), usual, request)
      }
    })
  )

  it.live("is not taken apart by what it is sent after", () =>
    Effect.gen(function* () {
      const served = yield* serve()
      const client = yield* dial(served)
      client.send("POST /count HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
      yield* client.until((text) => text === "HTTP/1.1 100 Continue\r\n\r\n")
      client.send("abc")
      const all = yield* client.until((text) => text.endsWith("\r\n\r\n3"))
      assert.deepInclude(fieldsOf(all.split("\r\n\r\n")[1] ?? ""), usual)
    })
  )
})
