/** What the operators' introduction to the System API tells to type, and what it prints. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readFile, stat } from "node:fs/promises"
import { join } from "node:path"
import { logsOf, messages, parseAnswer } from "./client.ts"
import { eventually, shell, start, temporaryFolder, write } from "./support.ts"

const config = (folder: string) => `
[general]
listen_addr = "127.0.0.1:0"
pipe_file = "pipe.fifo"
basic_auth_secret_path = "basic-auth-secret.txt"
basic_auth_secret_salt = "D;%yL9TS:5PalS/d"

[actions]
echo_test = "echo test"

[file_uploads]
testfile = "${folder}/testfile.txt"
`

/** curl's -d leaves newlines out: 1991 bytes arrive. */
const readme = `# System API\n${"x".repeat(1991 - 12)}\n`

/** The commands are the introduction's own, but for the port. */
const begin = Effect.gen(function* () {
  const folder = yield* temporaryFolder
  yield* write(folder, "README.md", readme)
  const daemon = yield* start({ folder, config: config(folder) })
  const type = (command: string) => shell(folder, command.replaceAll("localhost:3535", `127.0.0.1:${daemon.port}`))
  return { daemon, folder, type }
})

describe("the introduction", () => {
  it.live("records events from the FIFO and over HTTP, runs an action, takes an upload and shows it all", () =>
    Effect.gen(function* () {
      const { daemon, folder, type } = yield* begin
      yield* type('echo "hello world" > pipe.fifo')
      yield* eventually(
        "the line of the FIFO is in the log",
        Effect.map(logsOf(daemon.url), (lines) => lines.length === 1)
      )
      assert.strictEqual(yield* type("curl -s localhost:3535/api/v1/new_event?message=this+is+a+test"), "")
      assert.strictEqual(
        yield* type("curl -s localhost:3535/api/v1/actions/echo_test"),
        '{"message":"Action executed successfully"}\n'
      )
      assert.strictEqual(
        yield* type('curl -s -X POST -d "@README.md" localhost:3535/api/v1/file-upload/testfile'),
        `{"file":"${folder}/testfile.txt","message":"File uploaded successfully","size_bytes":"1991"}\n`
      )
      const logs = yield* type("curl -s localhost:3535/logs")
      assert.deepStrictEqual(messages(logs), [
        "hello world",
        "this is a test",
        "[system-api] executing action: echo_test = echo test",
        "[system-api] executing action success: echo_test = echo test",
        `[system-api] file upload: testfile = ${folder}/testfile.txt`,
        `[system-api] file upload success: testfile = ${folder}/testfile.txt - content: 1991 bytes`
      ])
      assert.match(logs.split("\n")[0] ?? "", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ \t hello world$/u)
      const uploaded = yield* Effect.promise(() => readFile(join(folder, "testfile.txt"), "utf8"))
      assert.strictEqual(uploaded, readme.replaceAll("\n", ""))
    })
  )

  it.live("is open until a secret is set over HTTP, and asks for it from then on", () =>
    Effect.gen(function* () {
      const { daemon, folder, type } = yield* begin
      const secretFile = join(folder, "basic-auth-secret.txt")
      const { mode, size } = yield* Effect.promise(() => stat(secretFile))
      assert.deepStrictEqual([size, mode & 0o777], [0, 0o600], "made empty, for its owner alone")

      assert.strictEqual(parseAnswer(yield* type("curl -si localhost:3535/livez")).status, 200)
      assert.strictEqual(
        yield* type('curl -s -d "foobar" localhost:3535/api/v1/set-basic-auth'),
        '{"message":"Basic auth secret updated"}\n'
      )
      // printf 'foobarD;%%yL9TS:5PalS/d' | sha256sum
      const hash = "326db13906d9b7ebf56651f2bc9657c3679fb6d6930c9182479cf25f27467250"
      assert.strictEqual(yield* type("cat basic-auth-secret.txt"), hash)
      assert.strictEqual((yield* Effect.promise(() => stat(secretFile))).mode & 0o777, 0o600)

      const refused = parseAnswer(yield* type("curl -si localhost:3535/livez"))
      assert.strictEqual(refused.status, 401)
      assert.strictEqual(refused.headers["www-authenticate"], 'Basic realm="system-api"')
      assert.strictEqual(refused.body, '{"code":401,"message":"Unauthorized"}\n')

      const admitted = parseAnswer(yield* type("curl -si -u admin:foobar localhost:3535/livez"))
      assert.deepStrictEqual([admitted.status, admitted.body], [200, '{"status":"ok"}\n'])
      const logs = yield* type("curl -s -u admin:foobar localhost:3535/logs")
      assert.deepStrictEqual(messages(logs), ["[system-api] basic auth secret updated."])

      const again = yield* type("curl -si -u admin:wrong -d other localhost:3535/api/v1/set-basic-auth")
      assert.strictEqual(parseAnswer(again).status, 401, "the old secret is needed to set a new one")
      yield* daemon.stop
      const next = yield* start({ folder, config: config(folder) })
      const after = (who: string) => shell(folder, `curl -si -u ${who} 127.0.0.1:${next.port}/livez`)
      assert.strictEqual(parseAnswer(yield* after("admin:foobar")).status, 200, "it outlives a restart")
      assert.strictEqual(parseAnswer(yield* after("admin:other")).status, 401)
    })
  )
})
