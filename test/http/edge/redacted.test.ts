import { assert, describe, it } from "@effect/vitest"
import { redactedPath, redactedQuery } from "../../../src/http/edge/redacted.ts"

const jwt = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhZG1pbiJ9.c2ln"
const serviceToken = `sa_0123456789abcdef_${"s".repeat(43)}`

describe("what logs show of a target", () => {
  it("is the path without what looks like a credential", () => {
    for (const [path, shown] of [
      ["/api/v1/events", "/api/v1/events"],
      ["/v1/users/a@b.example", "/v1/users/a@b.example"],
      ["/v1/users/sa_short", "/v1/users/sa_short"],
      [`/x/${jwt}`, "/x/REDACTED"],
      [`/x/${jwt}/y/${serviceToken}/z`, "/x/REDACTED/y/REDACTED/z"],
      ["https://user:pass@host/x", "https://REDACTEDhost/x"],
      ["//user@host/x", "//REDACTEDhost/x"]
    ] as const) {
      assert.strictEqual(redactedPath(path), shown)
    }
  })

  it("is cut, and what is cut in the middle of a token still shows none", () => {
    assert.strictEqual(redactedPath(`/${"x".repeat(3000)}`), `/${"x".repeat(1023)}… (3001 characters)`)
    for (let length = 960; length < 1030; length++) {
      const shown = redactedPath(`/${"x".repeat(length)}/${serviceToken}/${"y".repeat(2000)}`)
      assert.notInclude(shown, "s".repeat(8), String(length))
    }
  })

  it("costs no more for what was made to cost much", () => {
    for (const piece of ["eyJ", "sa_", "eyJa.", "sa_a", "//", "@", "sa_a_", "eyJ."]) {
      const started = performance.now()
      for (let n = 0; n < 20; n++) redactedPath(piece.repeat(1_000_000 / piece.length))
      assert.isBelow(performance.now() - started, 2000, piece)
    }
  })

  it("has a query without secret values, however their names are written", () => {
    for (const [query, shown] of [
      ["tail=1&q=?", "tail=1&q=?"],
      ["", ""],
      [`access_token=${jwt}&tail=1`, "access_token=REDACTED&tail=1"],
      ["%74oken=x", "%74oken=REDACTED"],
      ["Api-Key=x&PASSWORD=a=b&x", "Api-Key=REDACTED&PASSWORD=REDACTED&x"],
      [`q=${serviceToken}`, "q=REDACTED"],
      [jwt, "REDACTED"],
      ["token", "token"]
    ] as const) {
      assert.strictEqual(redactedQuery(query), shown)
    }
  })
})
