/** JSON as the original sends it: one line, ended by a newline. */
import * as HttpServerResponse from "effect/http/HttpServerResponse"

export const jsonResponse = (body: unknown, status = 200): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(`${JSON.stringify(body)}\n`, { status, contentType: "application/json" })
