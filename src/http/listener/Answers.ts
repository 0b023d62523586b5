/**
 * The answers a listener gives by itself, where no handler was or will be asked: always the one JSON shape of every
 * error, with its length, and the connection ends with it. Written either through the response of the request that is
 * at fault or, where there is none, as bytes on the socket.
 */
import * as Http from "node:http"
import type * as Http2 from "node:http2"
import { secureFields } from "./SecureResponse.ts"

export interface Refusal {
  readonly code: 400 | 403 | 405 | 408 | 413 | 417 | 431 | 500 | 501 | 503 | 505
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
}

export const headersTooLarge = (bytes: number): Refusal => ({
  code: 431,
  message: `Request line and headers are larger than ${bytes} bytes`
})

export const tooManyHeaders = (fields: number): Refusal => ({
  code: 431,
  message: `More than ${fields} header fields`
})

export const headersTimedOut: Refusal = { code: 408, message: "The request headers did not arrive in time" }

export const bodyTimedOut: Refusal = { code: 408, message: "The request body did not arrive in time" }

export const hostMissing: Refusal = { code: 400, message: "Malformed request: the Host header is missing" }

/** The parser takes any number; what is neither of these two has other rules, or none. */
export const unknownVersion: Refusal = { code: 505, message: "Only HTTP/1.0 and HTTP/1.1 are spoken here" }

/** What such a client means by it nobody can say, and proxies differ in what they take for the end of its body. */
export const chunkedHttp10: Refusal = { code: 400, message: "Malformed request: HTTP/1.0 has no Transfer-Encoding" }

/** A body that is compressed for the way only would be taken for what it says. */
export const unknownCoding: Refusal = { code: 501, message: "Of transfer codings only chunked is known" }

export const unknownExpectation: Refusal = { code: 417, message: "Only the expectation 100-continue is known" }

/** What a server of this kind can be asked at all; each route narrows it. */
export const connectRefused: Refusal = {
  code: 405,
  message: "This is not a proxy: CONNECT is not possible",
  headers: { allow: "GET, HEAD, POST, PUT, DELETE, OPTIONS" }
}

export const allConnectionsBusy: Refusal = {
  code: 503,
  message: "All connections are busy",
  headers: { "retry-after": "1" }
}

/** The handler ended without an answer: by a fault of its own, or because it was told to. */
export const internalError: Refusal = { code: 500, message: "Internal server error" }

export const notServed: Refusal = { code: 503, message: "The request was given up", headers: { "retry-after": "1" } }

const body = (refusal: Refusal): Buffer => Buffer.from(JSON.stringify({ code: refusal.code, message: refusal.message }))

const headersOf = (refusal: Refusal, length: number): Record<string, string> => ({
  "content-type": "application/json",
  "content-length": String(length),
  date: new Date().toUTCString(),
  ...refusal.headers
})

/** The whole answer as it goes over an HTTP/1 connection that has no request in hand. */
export const asBytes = (refusal: Refusal): Buffer => {
  const content = body(refusal)
  const headers = headersOf(refusal, content.length)
  const lines = Object.entries({ ...secureFields(headers, false), ...headers, connection: "close" }).map(
    ([name, value]) => `${name}: ${value}\r\n`
  )
  const status = `HTTP/1.1 ${refusal.code} ${Http.STATUS_CODES[refusal.code] ?? ""}\r\n`
  return Buffer.concat([Buffer.from(`${status}${lines.join("")}\r\n`), content])
}

/** Answers a request no handler has answered; the caller has made sure that none of its headers are out. */
export const throughHttp1 = (response: Http.ServerResponse, refusal: Refusal): void => {
  const content = body(refusal)
  response.writeHead(refusal.code, { ...headersOf(refusal, content.length), connection: "close" })
  response.end(content)
}

/** The same over HTTP/2, where the stream ends and the connection goes on. */
export const throughHttp2 = (response: Http2.Http2ServerResponse, refusal: Refusal): void => {
  const content = body(refusal)
  const headers = headersOf(refusal, content.length)
  response.writeHead(refusal.code, { ...secureFields(headers, true), ...headers })
  response.end(content, () => response.stream.close())
}

/** Where the parser's own words say nothing to a client. */
const faults: Readonly<Record<string, string>> = {
  HPE_INVALID_EOF_STATE: "The connection ended within it",
  HPE_PAUSED_H2_UPGRADE: "HTTP/2 is spoken over TLS only"
}

/** The answer to a fault of the parser. `undefined`: the connection is gone, and nobody is left to tell. */
export const forParserFault = (fault: Error, headerBytes: number): Refusal | undefined => {
  const code = textOf(fault, "code")
  if (code === "HPE_HEADER_OVERFLOW") return headersTooLarge(headerBytes)
  if (code === "HPE_CHUNK_EXTENSIONS_OVERFLOW") return { code: 413, message: "Chunk extensions are too large" }
  if (!code.startsWith("HPE_")) return undefined
  return { code: 400, message: `Malformed request: ${faults[code] ?? (textOf(fault, "reason") || code)}` }
}

const textOf = (fault: Error, name: string): string => {
  const value: unknown = Reflect.get(fault, name)
  return typeof value === "string" ? value : ""
}
