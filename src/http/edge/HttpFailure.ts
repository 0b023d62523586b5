/** What a handler fails with to answer an error; becomes the body that clients of the API know (errorBody.ts). */
import * as Data from "effect/Data"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import type { ApiName } from "../../services/identity/Principal.ts"
import { errorBody } from "./errorBody.ts"

export class HttpFailure extends Data.TaggedError("HttpFailure")<{
  readonly status: number
  readonly message: string
  readonly headers?: Readonly<Record<string, string>>
  /** `VALIDATION_ERROR`: what is wrong, where the status does not say it. */
  readonly word?: string
  /** What is wrong, as the System Status Service tells it; where it is left out, the message. */
  readonly detail?: string | object
}> {}

export const failure = (
  status: number,
  message: string,
  headers?: Readonly<Record<string, string>>,
  word?: string
): HttpFailure =>
  new HttpFailure({
    status,
    message,
    ...(headers === undefined ? {} : { headers }),
    ...(word === undefined ? {} : { word })
  })

/** 400 for what was sent; the message names the member, and shows nothing of it that may be a secret. */
export const invalid = (message: string): HttpFailure => failure(400, message, undefined, "VALIDATION_ERROR")

/** As clients of what is at that path, on a listener that mounts these, know errors. */
export const errorResponse = (
  error: HttpFailure,
  path: string,
  apis?: ReadonlyArray<ApiName>
): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(`${JSON.stringify(errorBody(path, error, apis))}\n`, {
    status: error.status,
    contentType: "application/json",
    ...(error.headers === undefined ? {} : { headers: error.headers })
  })
