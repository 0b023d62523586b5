/**
 * What is sent: valid requests to every endpoint, and what they become when somebody gets each part of HTTP wrong. A
 * script is what one connection sends, in pieces, and how it ends.
 */
import { gzipSync } from "node:zlib"
import { mutate, type Random, split } from "./random.ts"

type Choices = readonly [string, ...ReadonlyArray<string>]

export interface Script {
  readonly writes: ReadonlyArray<Buffer>
  /** All of the writes. */
  readonly bytes: Buffer
  /** How many requests were meant. */
  readonly requests: number
  /** Nothing in it is wrong, so that each request has exactly one answer. */
  readonly sound: boolean
  /** `half-close`: the client has said all; `wait`: the last request asks for the end; `leave`: it goes without a word. */
  readonly ending: "half-close" | "wait" | "leave"
}

const numbers: Choices = [
  "0",
  "-0",
  "1",
  "-1",
  "7",
  "1e999",
  "9007199254740991",
  "9007199254740992",
  "999999999999999",
  "1000000000000000",
  "NaN",
  "Infinity",
  "0x10",
  "1.5",
  "+1",
  " 1",
  "",
  "١",
  "10000",
  "10001",
  "null"
]

const times: Choices = [
  "2024-11-05T22:03:23Z",
  "2024-02-30T00:00:00Z",
  "1700000000",
  "1700000000.123456789",
  "9999999999999",
  "0",
  "-1",
  "1969-12-31T23:59:59Z",
  "2262-04-11T23:47:17Z",
  "9999-12-31T23:59:59Z",
  "2024-11-05t22:03:60+23:59",
  "now",
  ""
]

const texts: Choices = [
  "http",
  "daemon",
  "pipe:x",
  "info",
  "info,error",
  "INFO",
  ",",
  "a b",
  '"a b" c',
  '"',
  "%",
  "%zz",
  "\u0000",
  "'; --",
  "é😀",
  "../..",
  "__proto__",
  "constructor",
  "json",
  "ndjson",
  "text",
  "x".repeat(300),
  "w ".repeat(20),
  "a\nb",
  "\\"
]

const parameters: Choices = [
  "after",
  "before",
  "limit",
  "tail",
  "since",
  "until",
  "source",
  "level",
  "q",
  "format",
  "wait",
  "message",
  "__proto__",
  ""
]

const valueOf = (random: Random, name: string): string => {
  if (name === "wait") return random.pick(["0", "61", "-1", "1e9", "x"])
  if (random.percent(10)) return random.pick(random.pick([numbers, times, texts]))
  if (/^(?:after|before|limit|tail)$/u.test(name)) return random.pick(numbers)
  return random.pick(/^(?:since|until)$/u.test(name) ? times : texts)
}

const encode = (random: Random, text: string): string => {
  return random.percent(15) && /^[!-~]*$/u.test(text) ? text : encodeURIComponent(text)
}

const queryOf = (random: Random): string => {
  const parts = random.times(random.below(4), () => {
    const name = random.pick(parameters)
    return random.percent(95) ? `${name}=${encode(random, valueOf(random, name))}` : name
  })
  return parts.length === 0 ? random.pick(["", "?", "??"]) : `?${parts.join(random.pick(["&", "&", "&", ";", "&&"]))}`
}

const odd: Choices = [
  "%00",
  "%",
  "%zz",
  "%2e%2e/",
  "/../",
  "/./",
  "//",
  ";x",
  "#f",
  "%2F",
  "%c0%ae",
  "\x80",
  "\xff\xfe",
  "?",
  "&",
  "=",
  "*",
  "%E2%82",
  "%u0041",
  "\\",
  "|",
  '"',
  "<",
  "`",
  "{",
  "^",
  "~",
  "@",
  ":"
]

const paths: Choices = [
  "/",
  "/livez",
  "/readyz",
  "/logs",
  "/api/v1/events",
  "/api/v1/actions",
  "/api/v1/info",
  "/api/v1/actors",
  "/metrics",
  "/openapi.json",
  "/docs",
  "/nowhere",
  "/api/v1/",
  "/debug/pprof/profile",
  "/api/v1/actions/fail",
  "/api/v1/actions/none",
  "/api/v1/set-basic-auth",
  "/favicon.ico",
  "/api/v1/file-upload/none",
  "/api/v1/file-upload/",
  "/api/v1/actions/"
]

const messageOf = (random: Random, tag: string): string =>
  random.percent(70)
    ? tag
    : `${tag} ${random.pick(["a b", "é€😀", "%", ";", "\u0000", "line\nline", "\r\n", "<b>", "x".repeat(random.below(3000)), "\u2028", "+&=", "\ufeff"])}`

const eventOf = (random: Random, tag: string): string => {
  const message = JSON.stringify(messageOf(random, tag))
  switch (random.below(12)) {
    case 0:
      return `{"message":${message},"level":"${random.pick(["debug", "audit", "INFO", "fatal"])}"}`
    case 1:
      return `{"message":${message},"fields":{"a":${random.pick(["1", "1e999", "-0", "[]", "null", '{"__proto__":{"x":1}}', '"\\ud800"'])}}}`
    case 2:
      return `{"message":${message},"__proto__":{"level":"error"}}`
    case 3:
      return `{"message":${message},"fields":${"[".repeat(random.below(2000))}`
    case 4:
      return `{"message":${message},"fields":${'{"a":'.repeat(500)}1${"}".repeat(500)}}`
    case 5:
      return `{"message":"${tag}\\ud800"}`
    case 6:
      return `{"message":${message},"message":${message}}`
    case 7:
      return random.pick([
        "{}",
        "[]",
        "null",
        '""',
        "1",
        "{",
        `{"message":1}`,
        `{"message":${message},"received_at":"1700000000"}`
      ])
    default:
      return `{"message":${message}}`
  }
}

interface Draft {
  method: string
  target: string
  version: string
  headers: Array<string>
  body: Buffer | undefined
  sound: boolean
}

const get = (target: string): Draft => ({
  method: "GET",
  target,
  version: "HTTP/1.1",
  headers: ["Host: localhost"],
  body: undefined,
  sound: true
})

const post = (target: string, body: Buffer | string, type?: string): Draft => ({
  ...get(target),
  method: "POST",
  headers: ["Host: localhost", ...(type === undefined ? [] : [`Content-Type: ${type}`])],
  body: Buffer.from(body)
})

/** A request that is right, and says its tag wherever it can. */
const valid = (random: Random, tag: string): Draft => {
  const what = random.below(100)
  if (what < 22) return get(`/api/v1/new_event?message=${encodeURIComponent(messageOf(random, tag))}`)
  if (what < 34) {
    const events = random.times(random.between(1, 4), (at) => eventOf(random, `${tag}.${at}`))
    return random.percent(50)
      ? post("/api/v1/events", `[${events.join(",")}]`, random.pick(["application/json", "text/plain"]))
      : post("/api/v1/events", events.join(random.pick(["\n", "\n\n", "\r\n"])), "application/x-ndjson")
  }
  if (what < 40) return post("/api/v1/events", eventOf(random, tag), "application/json")
  if (what < 42) return post("/api/v1/file-upload/small", random.bytes(random.size(70_000)))
  if (what < 43) return random.pick([get, (target: string) => post(target, "")])("/api/v1/actions/echo")
  if (what < 45) {
    const args = random.pick([
      '{"args":{"word":"abc"}}',
      '{"args":{"word":"ABC"}}',
      '{"args":{"__proto__":"x"}}',
      '{"args":[]}',
      "{",
      "",
      '{"args":{"word":"a\\u0000"}}',
      '{"argz":{}}',
      `{"args":{"word":"${"a".repeat(5000)}"}}`,
      '{"args":{"word":1e999}}'
    ])
    return post("/api/v1/actions/say", args)
  }
  if (what < 46) return get(`/api/v1/events/stream${queryOf(random)}`)
  if (what < 70) return get(random.pick(["/logs", "/api/v1/events"]) + queryOf(random))
  return get(random.pick(paths) + (random.percent(20) ? queryOf(random) : ""))
}

const oddHeaders: Choices = [
  "Host: other",
  "Host:",
  "Connection: close",
  "Connection: keep-alive",
  "Connection: Upgrade",
  "Connection: x, close",
  "Upgrade: h2c",
  "Upgrade: websocket",
  "Expect: 100-continue",
  "Expect: 200-ok",
  "Transfer-Encoding: chunked",
  "Transfer-Encoding: gzip, chunked",
  "Transfer-Encoding: chunked, identity",
  "Transfer-Encoding : chunked",
  "Transfer-Encoding: xchunked",
  "Transfer-Encoding:\x0bchunked",
  "Content-Length: 0",
  "Content-Length: 5",
  "Content-Length: -1",
  "Content-Length: +5",
  "Content-Length: 0x5",
  "Content-Length: 5, 5",
  "Content-Length: 5 5",
  "Content-Length: 99999999999999999999",
  "Content-Length: 1e3",
  "Content-Length:",
  "Content-Length : 3",
  "content-length: 3",
  "Sec-Fetch-Site: cross-site",
  "X-Request-Id: ok-1",
  "X-Request-Id: a b\x7f",
  "X-Request-Id: <script>",
  "Last-Event-ID: 1",
  "Last-Event-ID: 1e3",
  "Accept: application/x-ndjson",
  "Accept: */*",
  "Accept-Encoding: gzip, br",
  "Content-Encoding: gzip",
  "Content-Type: application/x-ndjson",
  "Content-Type: multipart/form-data; boundary=x",
  "Content-Type:",
  "Range: bytes=0-1",
  "Content-Type: application/x-www-form-urlencoded",
  "If-None-Match: *",
  "Authorization: Basic YWRtaW46eA==",
  "TE: trailers",
  "Authorization: Basic",
  "Authorization: Bearer x",
  "X-Bootstrap-Token: x",
  "__proto__: polluted",
  "constructor: x",
  "Trailer: x",
  ": nameless",
  "no colon",
  " folded: x",
  "\tfolded",
  "a b: c",
  "é: x",
  "X-Null: a\0b",
  "X-Bare: a\rb",
  "X-High: \xff\x80",
  "",
  "X-Forwarded-For: 1.2.3.4",
  "Cookie: a=b; a=c",
  "Via: 1.1 x",
  "Max-Forwards: 0",
  "Proxy-Connection: close"
]

const methods: Choices = [
  "HEAD",
  "OPTIONS",
  "PUT",
  "DELETE",
  "PATCH",
  "TRACE",
  "CONNECT",
  "get",
  "Get",
  "PRI",
  "M-SEARCH",
  "PROPFIND",
  "GETGET",
  "",
  "G\u00c9T",
  "POST",
  "GET",
  "LINK",
  "QUERY",
  "BREW",
  "SOURCE"
]

/** One part of the request becomes what it should not be. */
const spoil = (random: Random, draft: Draft): void => {
  draft.sound = false
  switch (random.below(10)) {
    case 0:
      draft.method = random.pick(methods)
      return
    case 1: {
      const at = random.below(draft.target.length + 1)
      draft.target = draft.target.slice(0, at) + random.pick(odd) + draft.target.slice(at)
      return
    }
    case 2:
      draft.target = random.pick([
        (target: string) => `http://other.example${target}`,
        (target: string) => `//other.example${target}`,
        (target: string) => `HTTPS://a:b@c:99999${target}`,
        () => "*",
        () => "localhost:80",
        () => "",
        (target: string) => target.slice(1),
        (target: string) => target.toUpperCase(),
        (target: string) => `${target}/`,
        (target: string) => `${target}?${"a=b&".repeat(random.below(3000))}`,
        (target: string) => `/${"a/".repeat(random.below(2000))}..${target}`,
        (target: string) => target.replace(/[a-z]/u, (letter) => `%${letter.charCodeAt(0).toString(16)}`)
      ])(draft.target)
      return
    case 3:
      draft.version = random.pick([
        "HTTP/1.0",
        "HTTP/1.1 ",
        "HTTP/2.0",
        "HTTP/0.9",
        "HTTP/1.2",
        "http/1.1",
        "HTTP/1.",
        "",
        "RTSP/1.0"
      ])
      return
    case 4:
      draft.headers = random.pick([[], [...draft.headers, ...draft.headers], draft.headers.toReversed()])
      return
    case 5:
      draft.headers.push(
        random.percent(90)
          ? `X-Long: ${"v".repeat(random.size(20_000))}`
          : random.percent(70)
            ? `X-Huge: ${"v".repeat(random.pick([1_048_000, 1_052_000, 1_060_000]))}`
            : Array.from({ length: random.pick([1998, 1999, 2001, 3000]) }, (_, n) => `h${n}: x`).join("\r\n")
      )
      return
    case 6:
      if (draft.body === undefined)
        draft.body = Buffer.from(random.pick(["x", "{}", "0\r\n\r\n", "GET /livez HTTP/1.1\r\n\r\n"]))
      else draft.body = mutate(random, draft.body, bodyPieces)
      return
    case 7:
      if (draft.body !== undefined) {
        draft.headers.push("Content-Encoding: gzip")
        draft.body = random.percent(50) ? gzipSync(draft.body) : gzipSync(Buffer.alloc(1_000_000))
      }
      return
    default:
      draft.headers.splice(random.below(draft.headers.length + 1), 0, random.pick(oddHeaders))
  }
}

const bodyPieces: readonly [Buffer, ...ReadonlyArray<Buffer>] = [
  Buffer.from("\n"),
  Buffer.from("\0"),
  Buffer.from([0xff]),
  Buffer.from([0xed, 0xa0, 0x80]),
  Buffer.from('"'),
  Buffer.from("\\u0000"),
  Buffer.from("\\ud800"),
  Buffer.from("}"),
  Buffer.from("["),
  Buffer.from('"__proto__":1,'),
  Buffer.from("\ufeff"),
  Buffer.from("--x\r\n"),
  Buffer.from("\r\n"),
  Buffer.from(",,")
]

const chunkSizes: Choices = [
  "0",
  "00000",
  "ffffffff",
  "-1",
  "1g",
  "",
  " 5",
  "5 ",
  "0x5",
  "5;ext=1",
  `5;${"e".repeat(17_000)}`,
  "FFFFFFFFFFFFFFFFF"
]

const chunked = (random: Random, body: Buffer, sound: boolean): Buffer => {
  const parts = split(random, body, 5).filter((part) => part.length > 0)
  const chunks = parts.map((part) => {
    const size = sound || random.percent(90) ? part.length.toString(16) : random.pick(chunkSizes)
    const end = sound || random.percent(97) ? "\r\n" : random.pick(["\n", "", "\r", "xx"])
    return Buffer.concat([Buffer.from(`${size}\r\n`), part, Buffer.from(end)])
  })
  const last =
    sound || random.percent(90)
      ? "0\r\n\r\n"
      : random.pick([
          "0\r\nX-Trailer: 1\r\n\r\n",
          "0\r\n",
          "",
          "0\n\n",
          "0\r\nbad trailer\r\n\r\n",
          "0\r\nContent-Length: 9\r\n\r\n"
        ])
  return Buffer.concat([...chunks, Buffer.from(last)])
}

const serialize = (random: Random, { body, headers, method, sound, target, version }: Draft): Buffer => {
  const framing: Array<string> = []
  let content = body ?? Buffer.alloc(0)
  if (body !== undefined) {
    if (random.percent(30)) {
      framing.push("Transfer-Encoding: chunked")
      content = chunked(random, body, sound)
    } else {
      const wrong = sound || random.percent(85) ? 0 : random.pick([-1, 1, 100, -body.length])
      framing.push(`Content-Length: ${Math.max(0, body.length + wrong)}`)
    }
    if (!sound && random.percent(5))
      framing.push(random.pick(["Content-Length: 0", "Transfer-Encoding: chunked", "Content-Length: 10"]))
  }
  const end = sound || random.percent(98) ? "\r\n" : random.pick(["\n", "\r", "\r\r\n", "\n\r"])
  const head = [`${method} ${target} ${version}`, ...headers, ...framing].join(end)
  return Buffer.concat([Buffer.from(`${head}${end}${end}`, "latin1"), content])
}

const streamPieces: readonly [Buffer, ...ReadonlyArray<Buffer>] = [
  Buffer.from("\r\n"),
  Buffer.from("\r\n\r\n"),
  Buffer.from("\n"),
  Buffer.from("\r"),
  Buffer.from("\0"),
  Buffer.from(" "),
  Buffer.from(":"),
  Buffer.from("0\r\n\r\n"),
  Buffer.from("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"),
  Buffer.from("HTTP/1.1 200 OK\r\n\r\n"),
  Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
  Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00]),
  Buffer.from("%"),
  Buffer.from("?")
]

export const scriptOf = (random: Random, tag: string): Script => {
  const count = random.percent(45) ? 1 : random.between(2, 5)
  const sound = random.percent(35)
  const drafts = random.times(count, (at) => {
    const draft = valid(random, `${tag}.${at}`)
    if (!sound) for (let times = random.size(3); times > 0; times--) spoil(random, draft)
    return draft
  })
  const waits = sound && random.percent(40)
  if (waits) drafts.at(-1)?.headers.push("Connection: close")
  const whole = Buffer.concat(drafts.map((draft) => serialize(random, draft)))
  const changed = !sound && random.percent(35) ? mutate(random, whole, streamPieces) : whole
  const leaves = !sound && random.percent(20)
  const bytes = leaves ? changed.subarray(0, random.below(changed.length + 1)) : changed
  return {
    bytes,
    writes: random.percent(60) ? [bytes] : split(random, bytes, 6),
    requests: count,
    sound,
    ending: leaves ? "leave" : waits ? "wait" : "half-close"
  }
}
