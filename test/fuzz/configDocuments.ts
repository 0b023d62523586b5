/**
 * Configurations that are nearly right: TOML put together from our own keys with wrong and right values in every place,
 * and the sample and the original's file with bytes and whole lines changed.
 */
import { readFileSync } from "node:fs"
import { join } from "node:path"
import { home } from "../system/build.ts"
import { mutate, type Random } from "./random.ts"

type Choices = readonly [string, ...ReadonlyArray<string>]

const sample = readFileSync(join(home, "systemapi-config.toml"), "utf8")

/** The sample with every key set: the defaults and examples without the "# " before them. */
const wholeSample = sample.replace(/^# (?=\w+ = |\[)/gmu, "")

const original = `[general]
listen_addr = "0.0.0.0:3535"
pipe_file = "pipe.fifo"
log_json = false
log_debug = true
log_max_entries = 1000
http_read_timeout_ms = 2500
http_write_timeout_ms = 2500
tls_enabled = false
tls_cert_hosts = ["127.0.0.1", "localhost"]

[actions]
reboot = "reboot"
"rbuilder_bidding_restart" = '/etc/init.d/rbuilder-bidding restart'

[file_uploads]
rbuilder_bidding = "/etc/rbuilder-bidding/config.toml"
`

const sections: Choices = [
  "general",
  "store",
  "events",
  "limits",
  "telemetry",
  "actions",
  "file_uploads",
  "actions.a",
  "actions.a.env",
  'actions."b c"',
  "file_uploads.f",
  "pipes",
  "listeners",
  "auth",
  "roles",
  "roles.r",
  "roles.admin",
  'roles."a,b"',
  "certificates",
  "cors",
  "rate_limits",
  "audit",
  "operations",
  "provisioning",
  "provisioning.templates",
  "workflows",
  "workflows.w",
  "workflows.w.steps",
  "server",
  "logging",
  "roles.__proto__",
  "actions.a.args",
  "__proto__",
  "constructor.prototype",
  "actions.__proto__",
  "generl",
  '""',
  "a.b.c.d.e.f"
]

/** Every name the sample explains, and some that none should. */
const keys: Choices = [
  "strict",
  ...new Set([...wholeSample.matchAll(/^(\w+) = /gmu)].map(([, name]) => name ?? "")),
  "__proto__",
  "constructor",
  "toString",
  "hasOwnProperty",
  "polluted",
  "listen_adr",
  "Listen_Addr",
  '""',
  '"a.b"',
  "'quoted'",
  '"ключ"',
  '"\\u0000"',
  '"\\n"',
  "x.y.z",
  "command",
  "args",
  "1",
  "-"
]

const values: Choices = [
  "true",
  "false",
  "0",
  "1",
  "-1",
  "65535",
  "1e3",
  "1e999",
  "-0.0",
  "nan",
  "-inf",
  "9007199254740991",
  "9007199254740992",
  "99999999999999999999999",
  "0xff",
  "0o777",
  "0b2",
  "1__0",
  "2024-11-05",
  "2024-02-30",
  "2024-11-05T22:03:23Z",
  "2024-11-05 22:03:23.5+23:59",
  "22:03:23",
  '""',
  '"x"',
  "'0644'",
  '"127.0.0.1:0"',
  '":99999"',
  '"[::1]:1"',
  '"unix:/x"',
  '"unix:"',
  '"http://127.0.0.1:1"',
  '"../../etc/passwd"',
  '"/dev/full"',
  '"a\\u0000b"',
  '"\\ud800"',
  '"\\U0010FFFF"',
  '"""\nmany\nlines"""',
  "'''\n'''",
  '"(a+)+$"',
  '"["',
  "[]",
  "[1, 2]",
  '["a", "b"]',
  '["system"]',
  '["system", "identity"]',
  '["basic", "none"]',
  '["socket", "certificate", "bearer"]',
  '["viewer", "r"]',
  '["actions:run:*", "events:read"]',
  '["event:read", "*:x", "a b"]',
  '["https://ops.example", "*"]',
  '"HS256"',
  '"EdDSA"',
  '"required"',
  '"1.3"',
  '"kS3nq0Yc1xv9Z2bQm7Tt5WfL8aRd4Hg6"',
  '"your-secret-key-here"',
  '"DNS:b.example"',
  '"CN=build,O=Example"',
  '"0.0.0.0:1"',
  '{ permissions = ["*"] }',
  "[[[[[[]]]]]]",
  "{}",
  "{ a = 1 }",
  '{ name = "a", type = "int", min = 2, max = 1 }',
  '[{ name = "a" }, { name = "a" }]',
  '{ command = "x", argv = ["y"] }',
  '{ command = "echo", args = [{ name = "n", type = "enum", values = ["a"], default = "b" }] }',
  '{ path = "p", then = "a" }',
  "{ a.b.c = { d = [] } }",
  "x",
  ""
]

const long = (random: Random): string =>
  random.pick(["a", "é", " ", "\\n", '\\"', "."]).repeat(random.between(1, random.percent(90) ? 300 : 20_000))

const value = (random: Random): string => (random.percent(3) ? `"${long(random)}"` : random.pick(values))

const key = (random: Random): string => {
  if (random.percent(1)) return `"${long(random)}"`
  if (random.percent(1)) return Array.from({ length: random.between(1, 100) }, () => "k").join(".")
  return random.percent(95) ? random.pick(keys) : `${random.pick(keys)}.${random.pick(keys)}`
}

const header = (random: Random): string => {
  const name = random.percent(97) ? random.pick(sections) : key(random)
  return random.percent(30) || /^(?:pipes|listeners|certificates|actions\.a\.args)$/u.test(name)
    ? `[[${name}]]`
    : `[${name}]`
}

const nested = (random: Random): string => {
  const depth = random.between(1, random.percent(80) ? 40 : 5000)
  return random.percent(50) ? `${"[".repeat(depth)}${"]".repeat(depth)}` : `${"{a=".repeat(depth)}1${"}".repeat(depth)}`
}

const built = (random: Random): string => {
  const lines: Array<string> = []
  for (let left = random.between(1, 25); left > 0; left--) {
    const what = random.below(100)
    if (what < 25) lines.push(header(random))
    else if (what < 26) lines.push(`${key(random)} = ${nested(random)}`)
    else if (what < 30) lines.push(random.pick(["", "# comment", "\t", "#\u00e9", "]", "= 1", "a = 1 b = 2"]))
    else lines.push(`${key(random)} = ${value(random)}`)
  }
  return lines.join(random.percent(95) ? "\n" : "\r\n")
}

/** Whole lines go, come twice, change places, or get another value. */
const edited = (random: Random, text: string): string => {
  const lines = text.split("\n")
  for (let times = random.between(1, 8); times > 0; times--) {
    const at = random.below(lines.length)
    const line = lines[at] ?? ""
    switch (random.below(6)) {
      case 0:
        lines.splice(at, 1)
        break
      case 1:
        lines.splice(random.below(lines.length), 0, line)
        break
      case 2:
        lines.splice(at, 0, `${key(random)} = ${value(random)}`)
        break
      case 3:
        lines.splice(at, 0, header(random))
        break
      default:
        lines[at] = line.replace(/^(\w+ = ).*$/u, (_, start: string) => start + value(random))
    }
  }
  return lines.join("\n")
}

const pieces: readonly [Buffer, ...ReadonlyArray<Buffer>] = [
  Buffer.from('"'),
  Buffer.from("'"),
  Buffer.from('"""'),
  Buffer.from("["),
  Buffer.from("]]"),
  Buffer.from("{"),
  Buffer.from("}"),
  Buffer.from("="),
  Buffer.from("."),
  Buffer.from(","),
  Buffer.from("\n"),
  Buffer.from("\r"),
  Buffer.from("\n[general]\n"),
  Buffer.from("#"),
  Buffer.from("\\"),
  Buffer.from("\\u00"),
  Buffer.from("\0"),
  Buffer.from("\u2028\u0085"),
  Buffer.from("\uFEFF"),
  Buffer.from([0xff]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from("__proto__"),
  Buffer.from("1e999"),
  Buffer.from("99999999999999999999"),
  Buffer.from("2024-13-01")
]

/** A stretch of a long file: what is around a mistake costs time and finds nothing. */
const stretchOf = (random: Random, text: string): string => {
  const lines = text.split("\n")
  const at = random.below(lines.length)
  return random.percent(3) ? text : lines.slice(at, at + random.between(1, 40)).join("\n")
}

/** The file of one case. */
export const documentOf = (random: Random): Buffer => {
  const stretch = random.pick([sample, wholeSample])
  const base = random.pick([built, built, () => original, () => stretchOf(random, stretch)])(random)
  const text = random.percent(50) ? edited(random, base) : base
  const bytes = Buffer.from(text)
  return random.percent(40) ? mutate(random, bytes, pieces) : bytes
}
