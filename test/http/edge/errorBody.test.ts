import { assert, describe, it } from "@effect/vitest"
import { errorBody } from "../../../src/http/edge/errorBody.ts"
import { errorResponse, failure } from "../../../src/http/edge/HttpFailure.ts"

describe("the body of an error", () => {
  it("has two members in the System API, whatever else is known", () => {
    for (const path of ["/", "/livez", "/api/v1/events", "/v1", "/v10/x", "/api/v1/v1/", "//v1/users", "/V1/users"]) {
      assert.deepStrictEqual(
        errorBody(path, { status: 400, message: "no", word: "VALIDATION_ERROR" }),
        { code: 400, message: "no" },
        path
      )
    }
  })

  it("elsewhere has the contract's, code as a text, and those of RFC 9457", () => {
    for (const path of ["/v1/users", "/v1/", "/v1/nowhere", "/.well-known/jwks.json"]) {
      assert.deepStrictEqual(
        errorBody(path, { status: 400, message: "no", word: "VALIDATION_ERROR" }),
        {
          error: "VALIDATION_ERROR",
          message: "no",
          code: "400",
          type: "about:blank",
          title: "Bad Request",
          status: 400,
          detail: "no"
        },
        path
      )
    }
  })

  it("has a word for every status that is answered, and for those that nobody foresaw", () => {
    const statuses = [400, 401, 403, 404, 405, 409, 413, 415, 422, 428, 429, 500, 501, 503, 507]
    const words = statuses.map((status) => Object(errorBody("/v1/x", { status, message: "" })).error)
    assert.strictEqual(new Set(words).size, statuses.length)
    for (const word of words) assert.match(word, /^[A-Z]+(?:_[A-Z]+)*$/u)
    assert.notInclude(words, "ERROR")
    assert.deepInclude(errorBody("/v1/x", { status: 418, message: "tea" }), {
      error: "ERROR",
      code: "418",
      title: "I'm a Teapot"
    })
  })

  it("is one line of JSON with the failure's own headers", () => {
    const { body, headers, status } = errorResponse(failure(503, "a\nb", { "retry-after": "1" }), "/v1/x")
    assert.deepStrictEqual([status, headers["retry-after"], headers["content-type"]], [503, "1", "application/json"])
    const text = body._tag === "Uint8Array" ? Buffer.from(body.body).toString() : ""
    assert.match(text, /^\{[^\n]+\}\n$/u)
    assert.deepInclude(JSON.parse(text), { error: "UNAVAILABLE", message: "a\nb" })
  })
})
