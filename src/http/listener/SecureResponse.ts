/**
 * The fields that keep browsers from doing with an answer what nobody meant: on every answer, those of the listener
 * itself included, and at the cost of one concatenation. Node checks names and values anew for every answer, which
 * for these would take longer than all else that the edge does; so HTTP/1 answers get them as one text, made and checked
 * once, right behind the status line.
 *
 * An answer's own `cache-control` or `content-security-policy` replaces the one here. Strict-Transport-Security is sent
 * over TLS alone, where it means something.
 */
import * as Http from "node:http"

declare module "node:http" {
  interface OutgoingMessage {
    /** Not in Node's documentation, and called by it since version 0.5 to make the head of a message. */
    _storeHeader(firstLine: string, headers: unknown): void
  }
}

type Fields = Readonly<Record<string, string>>

const always: Fields = {
  "X-Content-Type-Options": "nosniff",
  "X-Frame-Options": "DENY",
  "Referrer-Policy": "no-referrer",
  "Cross-Origin-Resource-Policy": "same-origin"
}

const replaceable = {
  "Cache-Control": "no-store",
  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'"
} as const

/** A year, as preload lists ask for; a host that serves other things without TLS is not spoken for, so no subdomains. */
const overTls: Fields = { "Strict-Transport-Security": "max-age=31536000" }

type Own = Readonly<Record<string, unknown>>

/** By whether it goes over TLS, has its own cache-control, its own policy. */
const variants: ReadonlyArray<Fields> = Array.from({ length: 8 }, (_, index) => ({
  ...always,
  ...((index & 2) === 0 ? { "Cache-Control": replaceable["Cache-Control"] } : {}),
  ...((index & 4) === 0 ? { "Content-Security-Policy": replaceable["Content-Security-Policy"] } : {}),
  ...((index & 1) === 0 ? {} : overTls)
}))

const texts: ReadonlyArray<string> = variants.map((fields) =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")
)

const variantOf = (isTls: boolean, own: Own): number =>
  (isTls ? 1 : 0) +
  (own["cache-control"] === undefined ? 0 : 2) +
  (own["content-security-policy"] === undefined ? 0 : 4)

/** For answers that are not made here: of HTTP/2, which is never without TLS, and where there is no request in hand. */
export const secureFields = (own: Own, isTls: boolean): Fields => variants[variantOf(isTls, own)] ?? always

const none: Own = {}

export class SecureResponse<
  Request extends Http.IncomingMessage = Http.IncomingMessage
> extends Http.ServerResponse<Request> {
  override _storeHeader(firstLine: string, headers: unknown): void {
    const isTls = this.socket !== null && "encrypted" in this.socket
    const own = isFields(headers) ? headers : none
    super._storeHeader(firstLine + (texts[variantOf(isTls, own)] ?? ""), headers)
  }
}

const isFields = (headers: unknown): headers is Own => typeof headers === "object" && headers !== null
