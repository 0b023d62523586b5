/**
 * What clients of the original Provisioning API do, as their document prints it: each command runs and is answered in the
 * printed shape, from a fresh machine on, without any cloud.
 *
 * The commands go to localhost:8083 and api.example.com; curl's own configuration (.curlrc) says where those are here. No
 * character of a command is changed but what a client changes too: the tokens and the id that answers gave it, and what
 * GitHub puts in for `${{ … }}` before a shell sees it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { mkdir, readFile, symlink } from "node:fs/promises"
import { join } from "node:path"
import { program } from "./build.ts"
import { blocks, commands, differences, ofLanguage, scripts } from "./printed.ts"
import { type Daemon, execute, run, start, temporaryFolder, write } from "./support.ts"

/** The document's users, on two free ports of this machine; everything else is as it comes. */
const config = `
[general]
pipe_file = ""
tls_create_if_missing = true
tls_cert_hosts = ["api.example.com"]
tls_cert_path = "cert.pem"
tls_key_path = "key.pem"

[server]
host = "127.0.0.1"
port = 0

[[listeners]]
address = "127.0.0.1:0"
tls = true

[auth]
development_users = true
`

const Login = Schema.Struct({ token: Schema.String, refresh_token: Schema.String, expires_in: Schema.Int })
const Operation = Schema.Struct({
  id: Schema.String,
  status: Schema.String,
  result: Schema.Json,
  error: Schema.NullOr(Schema.Json)
})
const Failure = Schema.Struct({ error: Schema.String, message: Schema.String, code: Schema.String })

const decode = <S extends Schema.Top & { readonly DecodingServices: never }>(schema: S, text: string) =>
  Effect.orDie(Schema.decodeEffect(Schema.fromJsonString(schema))(text))

const portOf = (daemon: Daemon, scheme: string): string =>
  new RegExp(`listening on ${scheme}://\\S+:(\\d+)\\n`, "u").exec(daemon.said())?.[1] ?? ""

/** A home for curl whose configuration leads the document's names to the daemon. */
const curlHome = Effect.fnUntraced(function* (daemon: Daemon, name: string, more: string) {
  const folder = join(daemon.folder, name)
  yield* Effect.promise(() => mkdir(folder))
  yield* write(
    folder,
    ".curlrc",
    `silent
show-error
connect-to = "localhost:8083:127.0.0.1:${portOf(daemon, "http")}"
connect-to = "api.example.com:443:127.0.0.1:${portOf(daemon, "https")}"
cacert = "${join(daemon.folder, "cert.pem")}"
${more}`
  )
  return folder
})

interface Answer {
  readonly status: number
  readonly text: string
}

/** A person's shell: what it has exported stays. */
const shellOf = Effect.fnUntraced(function* (daemon: Daemon) {
  const home = yield* curlHome(daemon, "shell", 'write-out = "\\n%{http_code}"\n')
  return Effect.fnUntraced(function* (command: string, token = "") {
    const env = { CURL_HOME: home, ...(token === "" ? {} : { TOKEN: token }) }
    const { code, err, out } = yield* execute("/bin/sh", ["-c", command], { cwd: daemon.folder, env })
    assert.deepStrictEqual([code, err], [0, ""], command)
    const end = out.lastIndexOf("\n")
    const answer: Answer = { status: Number(out.slice(end + 1)), text: out.slice(0, end) }
    return answer
  })
})

const placeholder = "eyJhbGc..."
const printedId = "550e8400-e29b-41d4-a716-446655440000"

describe("the document's commands", () => {
  it.live("are answered as printed", () =>
    Effect.gen(function* () {
      const printed = commands(yield* blocks)
      const one = (part: string) =>
        printed.find(({ command }) => command.includes(part)) ?? assert.fail(`there is no command with ${part}`)
      const daemon = yield* start({ config })
      const shell = yield* shellOf(daemon)
      let done = 0
      /** Runs one of them and holds its answer to the printed one. */
      const asPrinted = Effect.fnUntraced(function* (
        part: string,
        status: number,
        token: string,
        as = (command: string) => command
      ) {
        const { answer, command } = one(part)
        done += 1
        const got = yield* shell(as(command), token)
        assert.strictEqual(got.status, status, `${command}\n${got.text}`)
        // What is asked for is answered alike, whatever it is; it is printed of the first.
        const wanted = answer ?? (status === 202 ? one("/v1/servers/create").answer : undefined)
        if (wanted !== undefined) assert.deepStrictEqual(differences(wanted, JSON.parse(got.text)), [], command)
        return got.text
      })

      yield* asPrinted("/health", 200, "")
      const login = yield* decode(Login, yield* asPrinted("/v1/auth/login", 200, ""))
      assert.strictEqual(login.expires_in, 86_400)

      // Tokens that are no tokens, as printed.
      const refused = yield* shell(one("/v1/servers \\\n").command)
      assert.deepStrictEqual([refused.status, (yield* decode(Failure, refused.text)).code], [401, "401"])
      assert.strictEqual((yield* shell(one("/v1/auth/refresh").command)).status, 401)

      const refreshed = yield* decode(
        Login,
        yield* asPrinted("/v1/auth/refresh", 200, "", (command: string) =>
          command.replace(placeholder, login.refresh_token)
        )
      )
      const { token } = refreshed
      const exported = (command: string) => command.replace(placeholder, token)
      assert.deepStrictEqual(JSON.parse(yield* asPrinted("/v1/servers \\\n", 200, "", exported)), [])

      const server = yield* decode(Operation, yield* asPrinted("/v1/servers/create", 202, token))
      assert.deepStrictEqual([server.status, server.error], ["pending", null])
      const taskserv = yield* decode(Operation, yield* asPrinted("/v1/taskservs/create", 202, token))
      const workflow = yield* decode(Operation, yield* asPrinted("/v1/workflows/submit", 202, token))

      // Nobody has an operation of the printed id here.
      const unknown = yield* shell(one("/v1/operations/").command, token)
      assert.deepStrictEqual([unknown.status, (yield* decode(Failure, unknown.text)).error], [404, "NOT_FOUND"])
      const ended = Effect.fnUntraced(function* (id: string) {
        const wait = `curl 'http://localhost:8083/v1/operations/${id}?wait=30' -H "Authorization: Bearer $TOKEN"`
        const { status } = yield* decode(Operation, (yield* shell(wait, token)).text)
        assert.include(["completed", "failed", "cancelled"], status)
      })
      yield* ended(server.id)
      const completed = yield* asPrinted("/v1/operations/", 200, token, (command: string) =>
        command.replace(printedId, server.id)
      )
      assert.strictEqual((yield* decode(Operation, completed)).status, "completed")

      yield* Effect.forEach([taskserv.id, workflow.id], ended)
      const cluster = yield* shell(one("/v1/operations/").command.replace(printedId, workflow.id), token)
      assert.strictEqual((yield* decode(Operation, cluster.text)).status, "completed", cluster.text)

      yield* asPrinted("/v1/metrics", 200, token)
      assert.strictEqual((yield* shell(one("/v1/metrics").command)).status, 401)
      // The login, the list and the refresh are commands as well: each has run.
      assert.strictEqual(done, printed.length)
    })
  )

  it.live("do in pipelines what they do at a prompt", () =>
    Effect.gen(function* () {
      const [github = "", gitlab = ""] = ofLanguage(yield* blocks, "yaml")
      const daemon = yield* start({ config })
      const home = yield* curlHome(daemon, "pipeline", "")
      const sh = Effect.fnUntraced(function* (script: string, env: Readonly<Record<string, string>>) {
        const ran = yield* execute("sh", ["-ec", script], { cwd: daemon.folder, env: { CURL_HOME: home, ...env } })
        assert.deepStrictEqual([ran.code, ran.err], [0, ""], script)
        return ran.out
      })
      const values: Readonly<Record<string, string>> = {
        "secrets.API_USER": "operator",
        "secrets.API_PASS": "operator123",
        "github.run_number": "17"
      }
      const steps = scripts(github).map((script) =>
        script.replaceAll(/\$\{\{ ([\w.]+) \}\}/gu, (_, name: string) => values[name] ?? assert.fail(name))
      )
      assert.lengthOf(steps, 2)
      const file = yield* write(daemon.folder, "github.env", "")
      yield* sh(steps[0] ?? "", { GITHUB_ENV: file })
      const [, token = ""] = /^TOKEN=(\S+)\n$/u.exec(yield* Effect.promise(() => readFile(file, "utf8"))) ?? []
      const server = yield* decode(Operation, yield* sh(steps[1] ?? "", { TOKEN: token }))
      const hostname = `curl -H "Authorization: Bearer $TOKEN" "https://api.example.com/v1/operations/${server.id}?wait=30"`
      const ended = yield* decode(Operation, yield* sh(hostname, { TOKEN: token }))
      assert.strictEqual(ended.status, "completed", JSON.stringify(ended))

      const parameters = { cluster_name: "k8s", node_count: 1 }
      const workflow = { workspace: "staging", workflow_type: "cluster_create", parameters }
      yield* write(daemon.folder, "workflow.json", JSON.stringify(workflow))
      const script = scripts(gitlab)
      assert.lengthOf(script, 2)
      const env = { API_URL: "https://api.example.com", API_USER: "operator", API_PASS: "operator123" }
      const submitted = yield* decode(Operation, yield* sh(script.join("\n"), env))
      assert.strictEqual(submitted.status, "pending")
    })
  )
})

/** A network of its own, so that the document's ports are free; whatever is started in it ends with it. */
const alone = (script: string): string => {
  const whole = `ip link set lo up && ${script}`
  return `exec unshare -rnpf --kill-child sh -c '${whole.replaceAll("'", String.raw`'\''`)}' "$0" "$@"`
}

const withoutSecret = (toml: string): string => toml.replace(/^jwt_secret.*\n/mu, "")

const listening = (daemon: Daemon): ReadonlyArray<string> =>
  [...daemon.said().matchAll(/listening on (\S+)/gu)].map(([, url = ""]) => url)

describe("the document's configuration", () => {
  it.live("is refused for its secret alone, which everybody knows", () =>
    Effect.gen(function* () {
      const [toml = ""] = ofLanguage(yield* blocks, "toml")
      const folder = yield* temporaryFolder
      yield* write(folder, "config.toml", toml)
      const { code, err } = yield* run({ folder, args: ["config", "check", "config.toml"] })
      assert.strictEqual(code, 1)
      assert.match(
        err,
        /^config\.toml:7: auth\.jwt_secret: found a string of 20 characters, which is the example of .+\n$/u
      )
      yield* write(folder, "config.toml", withoutSecret(toml))
      const checked = yield* run({ folder, args: ["config", "check", "config.toml"] })
      assert.deepStrictEqual(
        [checked.code, checked.out, checked.err],
        [
          0,
          "config.toml: ok\n",
          "warning: config.toml:1: server: 0.0.0.0:8083 takes logins and tokens without TLS: whoever is on the way reads them\n"
        ]
      )
    })
  )
})

describe("the document's starts", () => {
  it.live("start it where they say, but for the secrets they print", () =>
    Effect.gen(function* () {
      const all = yield* blocks
      const [toml = ""] = ofLanguage(all, "toml")
      const [variables = ""] = ofLanguage(all, "env")
      const [withFile = "", plain = "", withFlags = "", debugging = "", ...others] = ofLanguage(all, "start")
      assert.lengthOf(others, 0)
      const folder = yield* temporaryFolder
      // The name of the original is a link to this program.
      yield* Effect.promise(() => symlink(program, join(folder, "provisioning-server")))
      const named = (command: string) => `PATH=${folder}:$PATH; ${command}`

      yield* write(folder, "config.toml", toml)
      const refusal = (command: string) =>
        Effect.map(execute("sh", ["-c", named(command)], { cwd: folder }), ({ code, err }) => [code, err] as const)
      for (const [command, told] of [
        [withFile, /^config\.toml:7: auth\.jwt_secret: found a string of 20 characters, which is the example/u],
        [`${variables}${plain}`, /^JWT_SECRET: found a string of 15 characters, which is the example/u],
        [withFlags, /^--jwt-secret: found a string of 9 characters, which is the example/mu]
      ] as const) {
        const [code, err] = yield* refusal(command)
        assert.strictEqual(code, 1)
        assert.match(err, told)
      }

      yield* write(folder, "config.toml", withoutSecret(toml))
      const own = "0123456789abcdefghijklmnopqrstuvwxyz"
      for (const [command, urls, says] of [
        [withFile, ["http://localhost:8083"], /WARN.*takes logins and tokens without TLS/u],
        [`${variables.replace("your-secret-key", own)}${plain}`, ["http://localhost:8083"], /is ready/u],
        [withFlags.replace("my-secret", own), ["http://localhost:8083"], /warning: --jwt-secret: whoever may list/u],
        [debugging, ["http://127.0.0.1:3535"], /is ready/u]
      ] as const) {
        const daemon = yield* start({ folder, after: alone(named(command)) })
        assert.deepStrictEqual(listening(daemon), urls, command)
        assert.match(daemon.said(), says)
        assert.notInclude(daemon.said(), own)
        yield* daemon.kill
      }
    })
  )

  it.live("keep no secret in the list of processes", () =>
    Effect.gen(function* () {
      const own = "0123456789abcdefghijklmnopqrstuvwxyz"
      const config = '[general]\nlisten_addr = "127.0.0.1:0"\n'
      for (const args of [["--jwt-secret", own], [`-jwt-secret=${own}`]]) {
        const { pid } = yield* start({ config, args })
        const line = yield* Effect.promise(() => readFile(`/proc/${pid}/cmdline`, "utf8"))
        assert.include(line, "systemapi --config config.toml")
        assert.notInclude(line, own)
      }
    })
  )
})
