/** Work that is asked for and polled: nobody sees, steers or repeats what is not theirs, and junk becomes an error. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { eventually } from "../support.ts"
import { type AskOptions, config, startTarget, type Target } from "./support.ts"

const Entry = Schema.Struct({
  id: Schema.String,
  status: Schema.String,
  result: Schema.Json,
  error: Schema.NullOr(Schema.Struct({ error: Schema.String, message: Schema.String })),
  created_by: Schema.NullOr(Schema.String)
})
const decodeEntry = Schema.decodeUnknownSync(Schema.fromJsonString(Entry))

/** Actions that say what they were given, and one that takes its time. */
const more = (folder: string) => `
[actions.say]
command = 'printf "%s\\n" "$ARG_WORD" >> ${folder}/said; printf "%s" "$ARG_WORD"'
[[actions.say.args]]
name = "word"
pattern = "[ -~]+"
[actions.slow]
command = "sleep 300"
concurrency = 2
`
const attackedConfig = (folder: string) => {
  const whole = config(folder)
  const at = whole.indexOf("[file_uploads]")
  return whole.slice(0, at) + more(folder).trimStart() + "\n" + whole.slice(at)
}

class Attacked extends Context.Service<Attacked, Target>()("test/system/attacks/operations/Attacked") {
  static readonly layer = Layer.effect(Attacked, startTarget({ config: attackedConfig }))
}

const say = (target: Target, token: string, word: string, options: AskOptions = {}) =>
  target.ask("/api/v1/actions/say?async=1", { token, json: { args: { word } }, ...options })

const ended = (target: Target, token: string, id: string) =>
  Effect.map(target.ask(`/v1/operations/${id}?wait=30`, { token }), ({ body }) => decodeEntry(body))

const key = (value: string) => [["idempotency-key", value]] as const

layer(Attacked.layer, { excludeTestServices: true })("an operation", (it) => {
  it.effect("an idempotency key of somebody else leads nowhere", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const admin = (yield* target.login("admin", "admin123")).token
      const operator = (yield* target.login("operator", "operator123")).token
      const one = yield* say(target, admin, "of admin", { headers: key("same") })
      const other = yield* say(target, operator, "of admin", { headers: key("same") })
      const third = yield* say(target, operator, "of operator", { headers: key("other") })
      assert.deepStrictEqual([one.status, other.status, third.status], [202, 202, 202])
      assert.strictEqual(new Set([one, other, third].map(({ body }) => decodeEntry(body).id)).size, 3)
    })
  )

  it.effect("one key, used by many at once, is one operation, and with another body refused", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("admin", "admin123")
      const answers = yield* Effect.all(
        Array.from({ length: 24 }, () => say(target, token, "raced", { headers: key("raced") })),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(new Set(answers.map(({ status }) => status)), new Set([202]))
      const ids = new Set(answers.map(({ body }) => decodeEntry(body).id))
      assert.strictEqual(ids.size, 1)
      const [id = ""] = ids
      assert.strictEqual((yield* ended(target, token, id)).status, "completed")
      const said = yield* Effect.promise(() => readFile(join(target.folder, "said"), "utf8"))
      assert.strictEqual(said.split("\n").filter((line) => line === "raced").length, 1)
      const differs = yield* say(target, token, "raced otherwise", { headers: key("raced") })
      assert.strictEqual(differs.status, 422, differs.body)
    })
  )

  it.effect("keys that are none", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("admin", "admin123")
      for (const value of ["", " ", "a".repeat(256), "a\tb", "é"]) {
        const answer = yield* say(target, token, "never", {
          headers: [["idempotency-key", Buffer.from(value).toString("latin1")]]
        })
        assert.strictEqual(answer.status, 400, `${JSON.stringify(value)}: ${answer.body}`)
      }
      const twice = yield* say(target, token, "never", { headers: [...key("a"), ...key("b")] })
      assert.strictEqual(twice.status, 400, twice.body)
      const said = yield* Effect.promise(() => readFile(join(target.folder, "said"), "utf8").catch(() => ""))
      assert.notMatch(said, /never/u)
    })
  )

  it.effect("what is given is data: to the shell, the store, the log", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("admin", "admin123")
      for (const word of ["$(touch wiped)", "`id`", "'; DROP TABLE operations; --", "%s%n", "--help", '"}],"x":[{"']) {
        const answer = yield* say(target, token, word)
        assert.strictEqual(answer.status, 202, answer.body)
        const operation = yield* ended(target, token, decodeEntry(answer.body).id)
        assert.strictEqual(operation.status, "completed", `${word}: ${JSON.stringify(operation)}`)
        const output = yield* target.ask(`/v1/operations/${operation.id}/output?format=text`, { token })
        assert.strictEqual(output.body, word)
      }
    })
  )

  it.effect("without the right to it there is none: the same answer for each id, whether or not it is one", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token: admin } = yield* target.login("admin", "admin123")
      const { token: developer } = yield* target.login("developer", "dev123")
      const { id } = decodeEntry((yield* say(target, admin, "of admin alone")).body)
      const answers = yield* Effect.forEach([id, "550e8400-e29b-41d4-a716-446655440000", "none"], (each) =>
        target.ask(`/v1/operations/${each}/cancel`, { token: developer, method: "POST" })
      )
      assert.deepStrictEqual(
        answers.map(({ status }) => status),
        [403, 403, 403]
      )
      assert.strictEqual(new Set(answers.map(({ body }) => body)).size, 1)
      for (const path of ["", `/${id}`, `/${id}?wait=5`, `/${id}/output`]) {
        const nobody = yield* target.ask(`/v1/operations${path}`)
        assert.strictEqual(nobody.status, 401, path)
      }
      const asked = yield* target.ask("/api/v1/actions/say?async=1", {
        token: developer,
        json: { args: { word: "x" } }
      })
      assert.strictEqual(asked.status, 403)
    })
  )

  it.effect("ids, cursors, waits and offsets that are none", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("admin", "admin123")
      const { id } = decodeEntry((yield* say(target, token, "junk")).body)
      for (const other of ["none", "..%2f..%2fetc", "%00", "'", "1", `${id}x`, `${id}%0a`, id.replace(/-/gu, "")]) {
        const answer = yield* target.ask(`/v1/operations/${other}`, { token })
        assert.include([400, 404], answer.status, other)
      }
      for (const query of ["wait=-1", "wait=x", "wait=1e9", "wait=NaN", "wait="]) {
        assert.strictEqual((yield* target.ask(`/v1/operations/${id}?${query}`, { token })).status, 400, query)
      }
      for (const query of [
        "limit=0",
        "limit=-1",
        "limit=x",
        "limit=100000000",
        "cursor='",
        "cursor=-1",
        "status=done",
        "status=pending,x"
      ]) {
        assert.strictEqual((yield* target.ask(`/v1/operations?${query}`, { token })).status, 400, query)
      }
      for (const query of ["offset=-1", "offset=x", "offset=1e30", "stream=stdin", "format=exe"]) {
        assert.strictEqual((yield* target.ask(`/v1/operations/${id}/output?${query}`, { token })).status, 400, query)
      }
    })
  )

  it.effect("cancelling by many at once ends it once, and what has ended stays as it is", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("admin", "admin123")
      const started = yield* target.ask("/api/v1/actions/slow?async=1", { token, method: "POST" })
      const { id } = decodeEntry(started.body)
      yield* eventually(
        "it runs",
        Effect.map(target.ask(`/v1/operations/${id}`, { token }), ({ body }) => decodeEntry(body).status === "running")
      )
      const cancels = yield* Effect.all(
        Array.from({ length: 16 }, () => target.ask(`/v1/operations/${id}/cancel`, { token, method: "POST" })),
        { concurrency: "unbounded" }
      )
      for (const { body, status } of cancels) assert.include([200, 202, 409], status, body)
      assert.strictEqual((yield* ended(target, token, id)).status, "cancelled")
      const { id: other } = decodeEntry((yield* say(target, token, "done")).body)
      const before = yield* ended(target, token, other)
      const late = yield* target.ask(`/v1/operations/${other}/cancel`, { token, method: "POST" })
      assert.strictEqual(late.status, 409, late.body)
      assert.deepStrictEqual(yield* ended(target, token, other), before)
    })
  )
})

describe("what is kept of operations", () => {
  it.live("is for the daemon's owner alone, and has no credentials in it", () =>
    Effect.gen(function* () {
      const target = yield* startTarget({ config: attackedConfig })
      const { token } = yield* target.login("admin", "admin123")
      const asked = yield* say(target, token, "kept", { headers: [["x-justification", "for the test"]] })
      yield* ended(target, token, decodeEntry(asked.body).id)
      yield* target.stop
      const { readdir, stat } = yield* Effect.promise(() => import("node:fs/promises"))
      const names = yield* Effect.promise(() => readdir(target.folder, { recursive: true }))
      const files = names.filter((name) => name.includes("operations.sqlite"))
      assert.isAbove(files.length, 0)
      for (const name of files) {
        const path = join(target.folder, name)
        const { mode } = yield* Effect.promise(() => stat(path))
        assert.strictEqual(mode & 0o077, 0, name)
        const bytes = yield* Effect.promise(() => readFile(path))
        assert.isFalse(bytes.includes(token), name)
        assert.isFalse(bytes.includes("admin123"), name)
      }
    })
  )
})
