/**
 * Workflows of the built daemon, ended with kill -9 in their midst: what they have done is done once, and undone once. What
 * the actions do they tell in a file; one that is held opens a FIFO, which is how the test knows that it has begun, and reads
 * a line of it before it goes on.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { open, readFile } from "node:fs/promises"
import { join } from "node:path"
import { request } from "./client.ts"
import { type Daemon, execute, start, temporaryFolder } from "./support.ts"

const config = `
[general]
listen_addr = "127.0.0.1:0"
pipe_file = ""

[auth]
development_users = true

[actions.do]
command = 'echo "do $ARG_STEP" >> told'
args = [{ name = "step" }]

[actions.undo]
command = 'echo "undo $ARG_STEP" >> told'
args = [{ name = "step" }]

[actions.held]
command = 'echo "do $ARG_STEP" >> told; read go < gate'
args = [{ name = "step" }]

[actions.held_again]
command = 'echo "do $ARG_STEP" >> told; read go < gate'
args = [{ name = "step" }]
on_restart = "run_again"

[actions.undo_held]
command = 'read go < undo_gate && echo "undo $ARG_STEP" >> told'
args = [{ name = "step" }]
on_restart = "run_again"

[actions.fails_once]
command = 'echo "try" >> told; read go < gate; test "$(grep -c try told)" = 2'

[workflows.goes_on]
steps = [
  { name = "a", action = "do", input = { step = "a" }, compensate = "undo" },
  { name = "b", action = "held_again", needs = ["a"], input = { step = "b" }, compensate = "undo" },
  { name = "c", action = "do", needs = ["b"], input = { step = "c" }, compensate = "undo" }
]

[workflows.comes_back]
steps = [
  { name = "a", action = "do", input = { step = "a" }, compensate = "undo" },
  { name = "b", action = "do", needs = ["a"], input = { step = "b" }, compensate = "undo_held" },
  { name = "c", action = "held", needs = ["b"], input = { step = "c" }, compensate = "undo" },
  { name = "d", action = "do", needs = ["c"], input = { step = "d" } }
]

[workflows.again]
steps = [{ name = "a", action = "fails_once", retries = 1, retry_delay_ms = 3000 }]
`

const Token = Schema.Struct({ token: Schema.String })
const Submitted = Schema.Struct({ id: Schema.String, status: Schema.String })
const Details = Schema.Struct({
  status: Schema.String,
  error: Schema.NullOr(Schema.Struct({ error: Schema.String, message: Schema.String })),
  steps: Schema.Array(Schema.Struct({ name: Schema.String, status: Schema.String, attempt: Schema.Int }))
})

const decode = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S, text: string) =>
  Effect.orDie(Schema.decodeEffect(Schema.fromJsonString(schema))(text))

/** An operator of this daemon. */
const login = Effect.fnUntraced(function* ({ url }: Daemon) {
  const body = JSON.stringify({ username: "operator", password: "operator123" })
  const { token } = yield* decode(Token, (yield* request(`${url}/v1/auth/login`, { body })).body)
  const headers = { authorization: `Bearer ${token}` }
  return {
    submit: Effect.fnUntraced(function* (workflow_type: string) {
      const asked = JSON.stringify({ workspace: "production", workflow_type })
      const answer = yield* request(`${url}/v1/workflows/submit`, { headers, body: asked })
      assert.strictEqual(answer.status, 202, answer.body)
      return (yield* decode(Submitted, answer.body)).id
    }),
    cancel: (id: string) => request(`${url}/v1/workflows/${id}/cancel`, { method: "POST", headers }),
    ended: Effect.fnUntraced(function* (id: string) {
      const { status, error, steps } = yield* decode(
        Details,
        (yield* request(`${url}/v1/workflows/${id}?wait=40`, { headers })).body
      )
      return { status, error, steps: steps.map((step) => `${step.name} ${step.status}`) }
    })
  }
})

const prepared = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  const fifos = ["gate", "undo_gate"].map((name) => join(folder, name))
  assert.strictEqual((yield* execute("mkfifo", fifos)).code, 0)
  return folder
})

/** Completes when the held command has begun. */
const gate = (folder: string, name = "gate") => Effect.promise(() => open(join(folder, name), "w"))

const letGo = (folder: string, name = "gate") =>
  Effect.flatMap(gate(folder, name), (file) =>
    Effect.promise(async () => {
      await file.write("go\n")
      await file.close()
    })
  )

const told = (folder: string) =>
  Effect.promise(async () => (await readFile(join(folder, "told"), "utf8")).trimEnd().split("\n"))

describe("a workflow that is killed", () => {
  it.live("goes on with what may be run again, and does nothing else twice", () =>
    Effect.gen(function* () {
      const folder = yield* prepared
      const first = yield* start({ folder, config })
      const id = yield* (yield* login(first)).submit("goes_on")
      const held = yield* gate(folder)
      yield* first.kill
      yield* Effect.promise(() => held.close())
      const second = yield* start({ folder, config })
      const { ended } = yield* login(second)
      yield* letGo(folder)
      assert.deepStrictEqual(yield* ended(id), {
        status: "completed",
        error: null,
        steps: ["a completed", "b completed", "c completed"]
      })
      assert.deepStrictEqual(yield* told(folder), ["do a", "do b", "do b", "do c"])
    })
  )

  it.live("is undone where a step may not be run again, also when it is killed while it is undone", () =>
    Effect.gen(function* () {
      const folder = yield* prepared
      const first = yield* start({ folder, config })
      const id = yield* (yield* login(first)).submit("comes_back")
      const held = yield* gate(folder)
      yield* first.kill
      yield* Effect.promise(() => held.close())
      const second = yield* start({ folder, config })
      const undoing = yield* gate(folder, "undo_gate")
      yield* second.kill
      yield* Effect.promise(() => undoing.close())
      const third = yield* start({ folder, config })
      const { ended } = yield* login(third)
      yield* letGo(folder, "undo_gate")
      const { error, status, steps } = yield* ended(id)
      assert.deepStrictEqual(
        [status, error?.error, steps],
        ["failed", "step_failed", ["a compensated", "b compensated", "c failed", "d skipped"]]
      )
      assert.match(error?.message ?? "", /^step c: the daemon was ended/u)
      assert.deepStrictEqual(yield* told(folder), ["do a", "do b", "do c", "undo b", "undo a"])
    })
  )
})

describe("a workflow that is cancelled", () => {
  it.live("ends the command that runs, and undoes what was done", () =>
    Effect.gen(function* () {
      const folder = yield* prepared
      const daemon = yield* start({ folder, config })
      const { cancel, ended, submit } = yield* login(daemon)
      const id = yield* submit("comes_back")
      const held = yield* gate(folder)
      assert.strictEqual((yield* cancel(id)).status, 202)
      yield* letGo(folder, "undo_gate")
      assert.deepStrictEqual(yield* ended(id), {
        status: "cancelled",
        error: { error: "cancelled", message: "it was cancelled" },
        steps: ["a compensated", "b compensated", "c failed", "d skipped"]
      })
      yield* Effect.promise(() => held.close())
      assert.deepStrictEqual(yield* told(folder), ["do a", "do b", "do c", "undo b", "undo a"])
      assert.strictEqual((yield* cancel(id)).status, 409)
    })
  )
})

describe("a workflow that waits for its next try", () => {
  it.live("does not hold up the stop, and goes on after the next start", () =>
    Effect.gen(function* () {
      const folder = yield* prepared
      const first = yield* start({ folder, config })
      const { submit } = yield* login(first)
      const id = yield* submit("again")
      yield* letGo(folder)
      const { code } = yield* first.stop
      assert.strictEqual(code, 0)
      const second = yield* start({ folder, config })
      const { ended } = yield* login(second)
      yield* letGo(folder)
      assert.deepStrictEqual(yield* ended(id), { status: "completed", error: null, steps: ["a completed"] })
      assert.deepStrictEqual(yield* told(folder), ["try", "try"])
    })
  )
})
