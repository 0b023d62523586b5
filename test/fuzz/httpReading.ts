/**
 * HTTP/1 as strictly as RFC 9112 lets one read it, for both directions: which requests a stretch of bytes holds, and
 * which answers came back. What is read here and what the daemon reads have to agree, or a proxy in front of it and the
 * daemon could take the same bytes for different requests.
 */

export interface ReadRequest {
  readonly method: string
  readonly target: string
  /** Of HTTP/1.0, whose clients take the end of the connection for the end of an answer. */
  readonly isOld: boolean
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  /** The whole of it; undefined where it ends early or is framed wrongly. */
  readonly body: Buffer | undefined
  /** As much of it as there is. */
  readonly begun: Buffer
}

export interface ReadRequests {
  readonly requests: ReadonlyArray<ReadRequest>
  /** What follows the last request is none: one answer may say so. */
  readonly faulty: boolean
  /** The client said that no further request follows, or sent one without a sure end. */
  readonly ended: boolean
}

const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/u
const crlf = Buffer.from("\r\n")
const lastHeader = Buffer.from("\r\n\r\n")

/** Latin-1, so that every byte is one character. */
export const readRequests = (bytes: Buffer): ReadRequests => {
  const requests: Array<ReadRequest> = []
  let at = 0
  while (true) {
    // Empty lines before a request line are to be ignored, and a bare LF may be taken for the end of one.
    while (bytes[at] === 0x0d || bytes[at] === 0x0a) at += 1
    if (at >= bytes.length) return { requests, faulty: false, ended: false }
    const end = bytes.indexOf(lastHeader, at)
    const head = end === -1 ? undefined : readHead(bytes.toString("latin1", at, end))
    if (head === undefined) return { requests, faulty: true, ended: false }
    const framed = readBody(bytes, end + 4, head.headers)
    const isOldChunked = head.version === "0" && valuesOf(head.headers, "transfer-encoding").length > 0
    if (framed === "refused" || isOldChunked) return { requests, faulty: true, ended: false }
    const { headers, method, target } = head
    requests.push({
      method,
      target,
      isOld: head.version === "0",
      headers,
      body: framed.end === undefined ? undefined : framed.body,
      begun: framed.body
    })
    if (framed.end === undefined || !head.keepAlive) return { requests, faulty: false, ended: true }
    at = framed.end
  }
}

interface Head {
  readonly method: string
  readonly target: string
  readonly headers: ReadonlyArray<readonly [string, string]>
  readonly version: string
  readonly keepAlive: boolean
}

const readHead = (text: string): Head | undefined => {
  const [first = "", ...lines] = text.split("\r\n")
  // Words may stand apart by several spaces. Node's parser takes RTSP (and ICE of SOURCE) for HTTP and does not tell;
  // what follows is framed the same.
  const line = /^([A-Z][A-Z-]*) +([^\0-\x20\x7f]+) +(?:HTTP|RTSP|ICE)\/1\.([01])$/u.exec(first)
  if (line === null) return undefined
  const headers: Array<readonly [string, string]> = []
  for (const field of lines) {
    const colon = field.indexOf(":")
    const name = field.slice(0, Math.max(colon, 0))
    const value = field.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/gu, "")
    if (!token.test(name) || /[^\t\x20-\x7e\x80-\xff]/u.test(value)) return undefined
    headers.push([name.toLowerCase(), value])
  }
  const connection = valuesOf(headers, "connection").join(",").toLowerCase()
  const says = (word: string) => connection.split(",").some((part) => part.trim() === word)
  const keepAlive = line[3] === "1" ? !says("close") : says("keep-alive") && !says("close")
  const [, method = "", raw = "", version = ""] = line
  // As it came from the keyboard: what is not ASCII means the same as if it were encoded.
  const target = raw.replaceAll(/[\x80-\xff]/gu, (byte) => `%${byte.charCodeAt(0).toString(16)}`)
  return { method, target, headers, version, keepAlive: keepAlive && method !== "CONNECT" }
}

export const valuesOf = (headers: ReadRequest["headers"], name: string): ReadonlyArray<string> =>
  headers.filter(([each]) => each === name).map(([, value]) => value)

interface Framed {
  readonly body: Buffer
  /** Undefined: it ends early, or a chunk is broken. */
  readonly end: number | undefined
}

/** `refused`: nobody can say where the body ends. */
const readBody = (bytes: Buffer, at: number, headers: ReadRequest["headers"]): Framed | "refused" => {
  const lengths = valuesOf(headers, "content-length")
  const codings = valuesOf(headers, "transfer-encoding")
  if (codings.length > 0) {
    if (lengths.length > 0 || codings.join(",").trim().toLowerCase() !== "chunked") return "refused"
    return readChunks(bytes, at)
  }
  if (lengths.length === 0) return { body: Buffer.alloc(0), end: at }
  const [length = ""] = lengths
  if (lengths.length > 1 || !/^\d{1,15}$/u.test(length)) return "refused"
  const end = at + Number(length)
  return { body: bytes.subarray(at, end), end: end > bytes.length ? undefined : end }
}

const readChunks = (bytes: Buffer, start: number): Framed => {
  const parts: Array<Buffer> = []
  const upTo = (end: number | undefined): Framed => ({ body: Buffer.concat(parts), end })
  for (let at = start; ;) {
    const end = bytes.indexOf(crlf, at)
    if (end === -1) return upTo(undefined)
    const size = /^([0-9a-fA-F]{1,12})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?$/u.exec(bytes.toString("latin1", at, end))
    if (size === null) return upTo(undefined)
    const length = Number.parseInt(size[1] ?? "", 16)
    at = end + 2
    if (length === 0) {
      // Trailers are fields like any other, and end with an empty line.
      if (bytes.subarray(at, at + 2).equals(crlf)) return upTo(at + 2)
      const last = bytes.indexOf(lastHeader, at)
      if (last === -1) return upTo(undefined)
      const sound = readHead(`GET / HTTP/1.1\r\n${bytes.toString("latin1", at, last)}`) !== undefined
      return upTo(sound ? last + 4 : undefined)
    }
    parts.push(bytes.subarray(at, at + length))
    if (!bytes.subarray(at + length, at + length + 2).equals(crlf)) return upTo(undefined)
    at += length + 2
  }
}

export interface ReadAnswer {
  readonly status: number
  readonly headers: ReadRequest["headers"]
  readonly body: Buffer
  /** Its end is there. */
  readonly whole: boolean
}

/** Throws where it is not HTTP. Interim answers are left out. */
export const readAnswers = (bytes: Buffer, requests: ReadonlyArray<ReadRequest>): ReadonlyArray<ReadAnswer> => {
  const answers: Array<ReadAnswer> = []
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf(lastHeader, at)
    const text = bytes.toString("latin1", at, end === -1 ? bytes.length : end)
    if (end === -1) {
      // The beginning of one, cut short.
      answers.push({ status: 0, headers: [], body: bytes.subarray(at), whole: false })
      return answers
    }
    const [first = "", ...lines] = text.split("\r\n")
    const status = Number(/^HTTP\/1\.1 ([1-5]\d{2}) [\x20-\x7e]*$/u.exec(first)?.[1])
    // As strict with what the daemon says as with what it hears.
    const fields = readHead(`GET / HTTP/1.1\r\n${lines.join("\r\n")}`)
    if (Number.isNaN(status) || (lines.length > 0 && fields === undefined)) {
      throw new Error(`no answer of HTTP: ${JSON.stringify(text.slice(0, 300))}`)
    }
    const headers = fields?.headers ?? []
    at = end + 4
    if (status < 200) continue
    const request = requests[answers.length]
    const bodiless = request?.method === "HEAD" || status === 204 || status === 304
    const framed = bodiless ? { body: Buffer.alloc(0), end: at } : readBody(bytes, at, headers)
    if (framed === "refused") throw new Error(`an answer without a sure end: ${text.slice(0, 300)}`)
    const sized = [...valuesOf(headers, "content-length"), ...valuesOf(headers, "transfer-encoding")]
    if (!bodiless && sized.length === 0 && request?.isOld === true) {
      answers.push({ status, headers, body: bytes.subarray(at), whole: true })
      return answers
    }
    if (!bodiless && sized.length !== 1) throw new Error(`an answer without a sure end: ${text.slice(0, 300)}`)
    answers.push({ status, headers, body: framed.body, whole: framed.end !== undefined })
    if (framed.end === undefined) return answers
    at = framed.end
  }
  return answers
}
