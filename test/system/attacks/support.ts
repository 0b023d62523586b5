/**
 * What an attacker has: the daemon's address over TLS, an account with few rights, a token of it to take apart, and here
 * also the signing secret's algorithm, though never the secret. What the tests know beyond that (the secret itself) serves
 * to show that a forgery fails by what was forged, and not by a slip in forging it.
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { readFile } from "node:fs/promises"
import * as Https from "node:https"
import { join } from "node:path"
import type { Answer } from "../client.ts"
import { type Daemon, start, type StartOptions, temporaryFolder } from "../support.ts"

/** Known to the tests alone; 43 characters of it are text, as people choose them. */
export const secret = "a-secret-of-the-tests-and-of-nobody-else-01"

export const config = (folder: string, more = "") => `[general]
pipe_file = ""
tls_create_if_missing = true
tls_cert_hosts = ["localhost", "127.0.0.1"]
tls_cert_path = "cert.pem"
tls_key_path = "key.pem"
basic_auth_secret_path = "secret.txt"

[auth]
jwt_secret = "${secret}"
development_users = true

[actions]
touch = "touch ${folder}/touched"
wipe = "touch ${folder}/wiped"

[file_uploads]
conf = "${folder}/conf.txt"

[roles.touchers]
permissions = ["actions:run:touch"]

[[listeners]]
address = "127.0.0.1:0"
tls = true
${more}
`

export interface Target extends Daemon {
  readonly ask: (path: string, options?: AskOptions) => Effect.Effect<Answer>
  readonly login: (username: string, password: string) => Effect.Effect<Tokens>
}

export interface AskOptions {
  readonly method?: string
  /** Flat, as they go over the wire: a name may come twice. */
  readonly headers?: ReadonlyArray<readonly [name: string, value: string]>
  readonly token?: string | undefined
  readonly json?: unknown
  readonly body?: string | Uint8Array
  readonly agent?: Https.Agent
}

const Triple = Schema.Struct({ token: Schema.String, refresh_token: Schema.String, expires_in: Schema.Int })
export type Tokens = typeof Triple.Type

const decodeTriple = Schema.decodeUnknownSync(Schema.fromJsonString(Triple), { onExcessProperty: "error" })

export const tokensOf = ({ body, status }: Answer): Tokens => {
  assert.strictEqual(status, 200, body)
  return decodeTriple(body)
}

/** One request over TLS, its path sent as it is written. */
const send = (
  daemon: Daemon,
  ca: string,
  path: string,
  { agent, body, headers = [], json, method, token }: AskOptions
): Effect.Effect<Answer> =>
  Effect.callback((resume) => {
    const bytes = json === undefined ? body : JSON.stringify(json)
    const fields = [
      ["host", `localhost:${daemon.port}`] as const,
      ...(token === undefined ? [] : [["authorization", `Bearer ${token}`] as const]),
      ...(bytes === undefined ? [] : [["content-length", String(Buffer.byteLength(bytes))] as const]),
      ...headers
    ]
    const request = Https.request(
      {
        host: "127.0.0.1",
        port: daemon.port,
        servername: "localhost",
        ca,
        path,
        method: method ?? (bytes === undefined ? "GET" : "POST"),
        headers: fields.flat(),
        ...(agent === undefined ? { agent: false } : { agent })
      },
      (answer) => {
        const chunks: Array<Buffer> = []
        answer.on("data", (chunk: Buffer) => chunks.push(chunk))
        answer.on("close", () =>
          resume(
            Effect.succeed({
              status: answer.statusCode ?? 0,
              headers: Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)])),
              body: Buffer.concat(chunks).toString()
            })
          )
        )
      }
    )
    request.on("error", (error) => resume(Effect.die(error)))
    request.end(bytes)
    return Effect.sync(() => request.destroy())
  })

export const startTarget = Effect.fnUntraced(function* (
  options: Omit<StartOptions, "config"> & { readonly config?: (folder: string) => string } = {}
) {
  const folder = options.folder ?? (yield* temporaryFolder)
  const daemon = yield* start({ ...options, folder, config: (options.config ?? config)(folder) })
  const ca = yield* Effect.promise(() => readFile(join(folder, "cert.pem"), "utf8"))
  const ask: Target["ask"] = (path, asked = {}) => send(daemon, ca, path, asked)
  const target: Target = {
    ...daemon,
    ask,
    login: (username, password) => Effect.map(ask("/v1/auth/login", { json: { username, password } }), tokensOf)
  }
  return target
})

/** 401, of the Bearer scheme, and nothing done. */
export const assertRefused = (answer: Answer, error = "invalid_token"): void => {
  assert.strictEqual(answer.status, 401, answer.body)
  assert.match(answer.headers["www-authenticate"] ?? "", new RegExp(`^Bearer .*error="${error}"`, "u"))
  assert.deepStrictEqual(Object.keys(JSON.parse(answer.body)).slice(0, 3), ["error", "message", "code"])
}
