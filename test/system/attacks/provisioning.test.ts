/** What is provisioned is named by whoever asks: none of it becomes an option, a command or a path of somebody else's. */
import { assert, describe, it, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { chmod, readFile, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { temporaryFolder } from "../support.ts"
import { config, startTarget, type Target } from "./support.ts"

const Entry = Schema.Struct({ id: Schema.String, status: Schema.String, result: Schema.Json })
const decodeEntry = Schema.decodeUnknownSync(Schema.fromJsonString(Entry))

/** Writes its arguments, one after each NUL, and what it finds in its environment, and says that all is well. */
const recordingCli = (folder: string) => `#!/bin/sh
{ printf 'CALL'; for each in "$@"; do printf '\\000%s' "$each"; done; printf '\\n\\000\\n'; } >> "${folder}/calls"
env >> "${folder}/environment"
echo '{"result":{"server_id":"srv-recorded","ip_address":"10.9.8.7"}}'
`

class Attacked extends Context.Service<Attacked, Target>()("test/system/attacks/provisioning/Attacked") {
  static readonly layer = Layer.effect(
    Attacked,
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const path = join(folder, "cli")
      yield* Effect.promise(() => writeFile(path, recordingCli(folder)).then(() => chmod(path, 0o755)))
      return yield* startTarget({
        folder,
        config: () => `${config(folder)}\n[provisioning]\ncli_path = "${path}"\n`,
        env: { JWT_SECRET: "a-secret-in-the-environment-of-the-daemon-01" }
      })
    })
  )
}

const server = {
  workspace: "production",
  provider: "upcloud",
  plan: "2xCPU-4GB",
  hostname: "web-01",
  zone: "de-fra1",
  check_mode: false,
  tags: ["web"]
}

const hostile = [
  "$(touch wiped)",
  "`id`",
  "; rm -rf /",
  "a b",
  "a\nb",
  "a\u0000b",
  "--help",
  "-x",
  "../../etc/passwd",
  "${HOME}",
  "'",
  '"',
  "\\",
  "*",
  "~",
  "é",
  "\u202e",
  "x".repeat(10_000),
  ""
]

const calls = (target: Target) => Effect.promise(() => readFile(join(target.folder, "calls"), "utf8").catch(() => ""))

const ended = (target: Target, token: string, body: string) =>
  Effect.flatMap(target.ask(`/v1/operations/${decodeEntry(body).id}?wait=30`, { token }), (answer) =>
    Effect.sync(() => decodeEntry(answer.body))
  )

layer(Attacked.layer, { excludeTestServices: true })("a server", (it) => {
  it.effect("what is asked for reaches the program as arguments, and nothing of the daemon's does", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("operator", "operator123")
      const made = yield* target.ask("/v1/servers/create", { token, json: server })
      assert.strictEqual(made.status, 202, made.body)
      const operation = yield* ended(target, token, made.body)
      assert.strictEqual(operation.status, "completed")
      assert.match(yield* calls(target), /web-01/u)
      const environment = yield* Effect.promise(() => readFile(join(target.folder, "environment"), "utf8"))
      assert.notMatch(environment, /JWT_SECRET|a-secret/u)
    })
  )

  it.effect("members that are none are refused by name, before anything is called", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("operator", "operator123")
      const before = yield* calls(target)
      for (const member of ["workspace", "provider", "plan", "hostname", "zone"] as const) {
        for (const value of hostile) {
          const answer = yield* target.ask("/v1/servers/create", { token, json: { ...server, [member]: value } })
          assert.strictEqual(answer.status, 400, `${member} ${JSON.stringify(value)}: ${answer.body}`)
          assert.include(answer.body, member)
        }
      }
      for (const value of hostile) {
        const tagged = yield* target.ask("/v1/servers/create", { token, json: { ...server, tags: [value] } })
        assert.strictEqual(tagged.status, 400, `tags ${JSON.stringify(value)}: ${tagged.body}`)
        const taskserv = yield* target.ask("/v1/taskservs/create", {
          token,
          json: { workspace: "production", name: "kubernetes", servers: [value] }
        })
        assert.strictEqual(taskserv.status, 400, `servers ${JSON.stringify(value)}: ${taskserv.body}`)
      }
      for (const json of [
        null,
        [],
        "x",
        1,
        {},
        { ...server, hostname: 1 },
        { ...server, hostname: ["web-01"] },
        { ...server, check_mode: "false" },
        { ...server, tags: "web" },
        { ...server, tags: { length: 1 } },
        { ...server, tags: Array.from({ length: 10_000 }, () => "a") },
        { workspace: "production" }
      ]) {
        const answer = yield* target.ask("/v1/servers/create", { token, json })
        assert.strictEqual(answer.status, 400, `${JSON.stringify(json)?.slice(0, 80)}: ${answer.body}`)
      }
      for (const body of ["", "{", "\u0000", "hostname=web-01", '{"hostname":'.repeat(100_000)]) {
        const answer = yield* target.ask("/v1/servers/create", { token, body, method: "POST" })
        assert.include([400, 413], answer.status, body.slice(0, 40))
      }
      assert.strictEqual(yield* calls(target), before)
    })
  )

  it.effect("ids of others, and what is no id, is no server", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("operator", "operator123")
      for (const id of ["none", "--help", "..%2f..", "%00", "srv-", "'", "create", "x".repeat(5000)]) {
        const answer = yield* target.ask(`/v1/servers/${id}`, { token, method: "DELETE" })
        assert.include([400, 404, 405], answer.status, id)
        assert.include([400, 404], (yield* target.ask(`/v1/servers/${id}/status`, { token })).status, id)
      }
    })
  )

  it.effect("is made by nobody who may not, and the body is not looked at", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const before = yield* calls(target)
      const { token } = yield* target.login("developer", "dev123")
      for (const [path, method] of [
        ["/v1/servers/create", "POST"],
        ["/v1/taskservs/create", "POST"],
        ["/v1/workflows/submit", "POST"],
        ["/v1/workspaces/create", "POST"],
        ["/v1/servers/srv-recorded", "DELETE"],
        ["/v1/servers/none", "DELETE"],
        ["/v1/workflows/550e8400-e29b-41d4-a716-446655440000/cancel", "POST"]
      ] as const) {
        const answer = yield* target.ask(path, { token, method, body: "{ no JSON" })
        assert.strictEqual(answer.status, 403, `${path}: ${answer.body}`)
        assert.strictEqual((yield* target.ask(path, { method, body: "{ no JSON" })).status, 401, path)
      }
      const { token: operator } = yield* target.login("operator", "operator123")
      const workspace = yield* target.ask("/v1/workspaces/create", { token: operator, json: { name: "mine" } })
      assert.strictEqual(workspace.status, 403, workspace.body)
      for (const path of [
        "/v1/servers",
        "/v1/taskservs",
        "/v1/workflows",
        "/v1/operations",
        "/v1/workspaces",
        "/v1/metrics"
      ]) {
        assert.strictEqual((yield* target.ask(path, { token })).status, 200, path)
      }
      assert.strictEqual(yield* calls(target), before)
    })
  )
})

describe("a workflow", () => {
  it.live("takes what is declared, and of that what fits", () =>
    Effect.gen(function* () {
      const target = yield* startTarget()
      const { token } = yield* target.login("operator", "operator123")
      const submit = (json: unknown) => target.ask("/v1/workflows/submit", { token, json })
      const good = {
        workspace: "production",
        workflow_type: "cluster_create",
        parameters: { cluster_name: "k8s", node_count: 1 }
      }
      for (const workflow_type of ["none", "__proto__", "constructor", "toString", "", "../x", 1, null]) {
        const answer = yield* submit({ ...good, workflow_type })
        assert.strictEqual(answer.status, 400, `${String(workflow_type)}: ${answer.body}`)
      }
      for (const parameters of [
        { ...good.parameters, node_count: "three" },
        { ...good.parameters, node_count: 1e9 },
        { ...good.parameters, node_count: -1 },
        { ...good.parameters, node_count: 1.5 },
        { ...good.parameters, cluster_name: "$(id)" },
        { ...good.parameters, cluster_name: ["k8s"] },
        { ...good.parameters, undeclared: 1 },
        [],
        "x"
      ]) {
        const answer = yield* submit({ ...good, parameters })
        assert.strictEqual(answer.status, 400, `${JSON.stringify(parameters)}: ${answer.body}`)
      }
      const polluting = yield* target.ask("/v1/workflows/submit", {
        token,
        body: `{"workspace":"production","workflow_type":"cluster_create","parameters":{"__proto__":{"node_count":1},"cluster_name":"k8s"}}`
      })
      assert.strictEqual(polluting.status, 400, polluting.body)
      const made = yield* submit(good)
      assert.strictEqual(made.status, 202, made.body)
      const operation = yield* ended(target, token, made.body)
      assert.strictEqual(operation.status, "completed", JSON.stringify(operation))
    })
  )
})
