/**
 * The state of the machine is asked of tools by whoever may ask: none of what they say becomes an option, a unit's name or a
 * path, and nothing is told that their role, the unit's policy or its redaction holds back.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import { chmod, mkdir, readFile, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { temporaryFolder } from "../support.ts"
import { config, startTarget, type Target } from "./support.ts"

/** Writes down its arguments, one after each NUL, and answers as the tool would. */
const tool = (folder: string, answer: string) => `#!/bin/sh
{ printf 'CALL'; for each in "$0" "$@"; do printf '\\000%s' "$each"; done; printf '\\n\\000\\n'; } >> "${folder}/calls"
${answer}
`

const entry = (cursor: number, message: string): string =>
  JSON.stringify({
    __CURSOR: `s=${cursor}`,
    __REALTIME_TIMESTAMP: String(1_790_000_000_000_000 + cursor),
    PRIORITY: "6",
    SYSLOG_IDENTIFIER: "web",
    _PID: "42",
    _HOSTNAME: "guest",
    _SYSTEMD_UNIT: "web.service",
    MESSAGE: message
  })

/** Which of them a pattern picks is for those who may see all of them. */
const messages = ["login of alice with password=hunter2 ok", "nothing to hide", "a line of password=hunter3 here"]

const answers: Readonly<Record<string, string>> = {
  systemctl: `cat <<'END'
Id=web.service
Names=web.service
LoadState=loaded
ActiveState=active
SubState=running
END`,
  // Greps as journalctl does, but for the expression's dialect; newest first where it is asked for that.
  journalctl: `pattern= reverse=
for each in "$@"; do case $each in --grep=*) pattern=\${each#--grep=} ;; --reverse|-r) reverse=1 ;; esac; done
entries() { cat <<'END'
${messages.map((message, index) => entry(index + 1, message)).join("\n")}
END
}
if [ -n "$reverse" ]; then entries | tac; else entries; fi | { if [ -n "$pattern" ]; then grep -E -- "$pattern"; else cat; fi; }
exit 0`,
  "nvidia-smi": "echo fine",
  du: `exec /usr/bin/du "$@"`
}

class Attacked extends Context.Service<Attacked, Target>()("test/system/attacks/status/Attacked") {
  static readonly layer = Layer.effect(
    Attacked,
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const tools = join(folder, "tools")
      const root = join(folder, "root")
      yield* Effect.promise(async () => {
        await mkdir(tools)
        await mkdir(join(root, "inside"), { recursive: true })
        await mkdir(join(folder, "root-of-another"))
        await symlink(folder, join(root, "out"))
        for (const [name, answer] of Object.entries(answers)) {
          await writeFile(join(tools, name), tool(folder, answer))
          await chmod(join(tools, name), 0o755)
        }
      })
      return yield* startTarget({
        folder,
        config: () => `${config(folder)}
[units.web]
unit = "web.service"
redact = ["password=\\\\S+"]
[units.secret]
unit = "secret.service"
logs = false
[disk]
roots = ["${root}"]
[watch]
interval_ms = 0
`,
        env: { PATH: `${tools}:${process.env["PATH"] ?? "/usr/bin:/bin"}` }
      })
    })
  )
}

const calls = (target: Target) =>
  Effect.promise(async () => {
    const text = await readFile(join(target.folder, "calls"), "utf8").catch(() => "")
    return text
      .split("\n\0\n")
      .filter((call) => call !== "")
      .map((call) => call.split("\0").slice(1))
  })

const hostile = [
  "--help",
  "-H",
  "--host=evil",
  "web.service",
  "*",
  "web*",
  "web web2",
  "web;id",
  "$(id)",
  "`id`",
  "..",
  "../web",
  "web/../secret",
  "web\n--all",
  "web\u0000--all",
  "constructor",
  "__proto__",
  "toString",
  "é",
  "x".repeat(900)
]

const Logs = Schema.Struct({ returned_lines: Schema.Int, logs: Schema.Array(Schema.String) })
const decodeLogs = Schema.decodeUnknownSync(Schema.fromJsonString(Logs))

layer(Attacked.layer, { excludeTestServices: true })("the state of the machine", (it) => {
  it.effect("names that no unit was configured under are unknown, and reach no tool", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("admin", "admin123")
      for (const name of hostile) {
        for (const rest of ["status", "logs", "logs/stream"]) {
          const answer = yield* target.ask(`/services/${encodeURIComponent(name)}/${rest}`, { token })
          assert.strictEqual(answer.status, 404, `${JSON.stringify(name)} ${rest}: ${answer.body}`)
        }
        for (const verb of ["start", "stop", "restart"]) {
          const path = `/services/${encodeURIComponent(name)}/${verb}`
          const answer = yield* target.ask(path, { token, method: "POST" })
          assert.strictEqual(answer.status, 404, `${JSON.stringify(name)} ${verb}: ${answer.body}`)
        }
      }
      const units = new Set(["web.service", "secret.service"])
      for (const [program = "", ...args] of yield* calls(target)) {
        if (!program.endsWith("/systemctl")) continue
        for (const arg of args.filter((each) => !each.startsWith("-")))
          assert.isTrue(arg === "show" || units.has(arg), arg)
      }
    })
  )

  it.effect("a GPU is a number, or nothing is run", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("operator", "operator123")
      for (const gpu of [...hostile, "-1", "0x1", "1e3", "0,1", " 0", "00000000:19:00.0", ""]) {
        const answer = yield* target.ask(`/gpu/nvidia-smi?gpu=${encodeURIComponent(gpu)}`, { token })
        assert.strictEqual(answer.status, 400, `${JSON.stringify(gpu)}: ${answer.body}`)
      }
      for (const detail of ["maybe", "2", "--help", "true;id"]) {
        const answer = yield* target.ask(`/gpu/nvidia-smi?detail=${encodeURIComponent(detail)}`, { token })
        assert.strictEqual(answer.status, 422, `${detail}: ${answer.body}`)
      }
      for (const [program = "", ...args] of yield* calls(target)) {
        if (program.endsWith("/nvidia-smi"))
          assert.match(args.join(" "), /^(?:-q ?)?(?:-i \d+)?$|^--query-gpu=[a-z0-9._,]+ --format=[a-z,]+$/u)
      }
    })
  )

  it.effect("what a reader of a journal asks for stays the value of one option", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("developer", "dev123")
      for (const value of [...hostile, "--file=/etc/shadow", "-D/", "100000000000000000000", "1.5", "NaN", "0"]) {
        for (const name of ["lines", "since_minutes", "priority", "grep", "after", "before"]) {
          const answer = yield* target.ask(`/services/web/logs?${name}=${encodeURIComponent(value)}`, { token })
          assert.isTrue(
            [200, 400, 410, 422].includes(answer.status),
            `${name}=${JSON.stringify(value)}: ${answer.status} ${answer.body}`
          )
        }
      }
      const allowed =
        /^--(?:unit|lines|since|until|priority|grep|case-sensitive|after-cursor|cursor|output|output-fields|reverse|all|quiet|no-pager|follow|no-tail|boot|utc|no-hostname|merge)(?:=|$)/u
      for (const [program = "", ...args] of yield* calls(target)) {
        if (!program.endsWith("/journalctl")) continue
        for (const arg of args) assert.match(arg, allowed)
        assert.deepStrictEqual(
          args.filter((arg) => arg.startsWith("--unit=")),
          ["--unit=web.service"]
        )
      }
    })
  )

  it.effect("what is redacted is in no answer, and no expression can ask whether it is there", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("developer", "dev123")
      const logs = (query: string) => target.ask(`/services/web/logs${query}`, { token })
      const all = decodeLogs((yield* logs("")).body)
      assert.strictEqual(all.returned_lines, messages.length)
      assert.include(all.logs.join("\n"), "[redacted]")
      for (const query of ["", "?format=entries", "?grep=password", "?grep=hunter", "?lines=1"]) {
        const { body } = yield* logs(query)
        assert.notInclude(body, "hunter", query)
      }
      for (const path of ["logs", "logs/stream"]) {
        for (const grep of ["hunter2", "nothing", "\\[redacted\\]|hunter2", "^"]) {
          const answer = yield* target.ask(`/services/web/${path}?grep=${encodeURIComponent(grep)}`, { token })
          assert.strictEqual(answer.status, 422, `${path} ${grep}: ${answer.body}`)
          assert.match(answer.body, /redacted/u)
        }
      }
    })
  )

  it.effect("each role gets what it may, whatever the unit, and a unit's own policy stands above that", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const of = (name: string, password: string) => Effect.map(target.login(name, password), ({ token }) => token)
      const developer = yield* of("developer", "dev123")
      const operator = yield* of("operator", "operator123")
      const admin = yield* of("admin", "admin123")
      const status = (path: string, token: string | undefined, method = "GET") =>
        Effect.map(target.ask(path, { token, method }), (answer) => answer.status)
      for (const token of [developer, operator, admin]) {
        assert.strictEqual(yield* status("/services/web/status", token), 200)
      }
      for (const path of ["/services/web/logs", "/services/web/logs/stream", "/services/nope/logs"]) {
        assert.strictEqual(yield* status(path, operator), 403, path)
        const nobody = yield* status(path, undefined)
        assert.isTrue(nobody === 401 || nobody === 403, `${path}: ${nobody}`)
      }
      for (const path of ["/services/secret/logs", "/services/secret/logs/stream"]) {
        for (const token of [developer, admin]) assert.strictEqual(yield* status(path, token), 403, path)
      }
      for (const verb of ["start", "stop", "restart"]) {
        for (const token of [developer, operator, admin]) {
          assert.strictEqual(yield* status(`/services/web/${verb}`, token, "POST"), 403, verb)
        }
        const nobody = yield* status(`/services/web/${verb}`, undefined, "POST")
        assert.isTrue(nobody === 401 || nobody === 403, `${verb}: ${nobody}`)
      }
      for (const token of [undefined, developer, operator, admin]) {
        const answered = yield* status("/system/shutdown", token, "POST")
        assert.isTrue(answered === 401 || answered === 403, String(answered))
      }
      for (const [program = "", ...args] of yield* calls(target)) {
        if (program.endsWith("/systemctl")) assert.isTrue(args.includes("show"), args.join(" "))
      }
    })
  )

  it.effect("a web page of somebody else's cannot change a unit or shut down, and a GET changes nothing", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("admin", "admin123")
      for (const path of ["/services/web/restart", "/system/shutdown"]) {
        assert.strictEqual((yield* target.ask(path, { token })).status, 405, path)
        const foreign = yield* target.ask(path, {
          token,
          method: "POST",
          headers: [
            ["origin", "https://evil.example"],
            ["sec-fetch-site", "cross-site"]
          ]
        })
        assert.strictEqual(foreign.status, 403, `${path}: ${foreign.body}`)
      }
    })
  )

  it.effect("no path leads out of the configured roots, and none tells what is outside", () =>
    Effect.gen(function* () {
      const target = yield* Attacked
      const { token } = yield* target.login("operator", "operator123")
      const root = join(target.folder, "root")
      const ask = (path: string) => target.ask(`/disk/space?path=${encodeURIComponent(path)}`, { token })
      assert.strictEqual((yield* ask(root)).status, 200)
      const there = yield* ask("/etc")
      const notThere = yield* ask("/etc/nothing-of-that-name")
      assert.deepStrictEqual([there.status, there.body], [notThere.status, notThere.body])
      assert.strictEqual(there.status, 403)
      for (const path of [
        "/",
        `${root}/..`,
        `${root}/../..`,
        `${root}/inside/../../root-of-another`,
        `${root}-of-another`,
        `${root}/out`,
        `${root}/out/tools`,
        "root",
        ".",
        "",
        `--files0-from=${root}`,
        "-x",
        `${root}\u0000/../..`,
        "/proc/self/root"
      ]) {
        const answer = yield* ask(path)
        assert.isTrue(
          [400, 403, 422].includes(answer.status),
          `${JSON.stringify(path)}: ${answer.status} ${answer.body}`
        )
        assert.notInclude(answer.body, "tools")
      }
      for (const [program = "", ...args] of yield* calls(target)) {
        if (program.endsWith("/du")) assert.isTrue(args.includes("--"), args.join(" "))
      }
    })
  )
})
