/** What a handler fails with to answer an error; becomes the contract's `{"code":N,"message":"…"}`. */
import * as Data from "effect/Data"
import * as HttpServerResponse from "effect/http/HttpServerResponse"

export class HttpFailure extends Data.TaggedError("HttpFailure")<{
  readonly status: number
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
}> {}

export const failure = (status: number, message: string, headers?: Readonly<Record<string, string>>): HttpFailure =>
  new HttpFailure(headers === undefined ? { status, message } : { status, message, headers })

export const errorResponse = ({ headers, message, status }: HttpFailure): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(`${JSON.stringify({ code: status, message })}\n`, {
    status,
    contentType: "application/json",
    ...(headers === undefined ? {} : { headers })
  })
