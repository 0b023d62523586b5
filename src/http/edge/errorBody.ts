/**
 * The body of an error, in the words of the API that was asked: the System API's is the original's, two members and no
 * more; the System Status Service has all of it under `detail`; the others have that of the Provisioning API, and beside
 * it the members of RFC 9457, which say the same again to clients that know that. A path that none of them has is answered
 * as the System API does, and where that is not mounted and the Status API is, as that one does.
 */
import { STATUS_CODES } from "node:http"
import type { ApiName } from "../../services/identity/Principal.ts"

/** What is wrong, as a word that programs compare; of a failure that has none of its own, that of its status. */
const words: Readonly<Record<number, string>> = {
  400: "BAD_REQUEST",
  401: "UNAUTHORIZED",
  403: "FORBIDDEN",
  404: "NOT_FOUND",
  405: "METHOD_NOT_ALLOWED",
  409: "CONFLICT",
  413: "PAYLOAD_TOO_LARGE",
  415: "UNSUPPORTED_MEDIA_TYPE",
  422: "UNPROCESSABLE",
  428: "PRECONDITION_REQUIRED",
  429: "RATE_LIMITED",
  500: "INTERNAL_ERROR",
  501: "NOT_IMPLEMENTED",
  503: "UNAVAILABLE",
  507: "INSUFFICIENT_STORAGE"
}

/** Whether a path is one of the Provisioning API's and ours; everything else answers as the System API does. */
export const isVersioned = (path: string): boolean =>
  path.startsWith("/v1/") || path.startsWith("/.well-known/") || path === "/health"

/** Whether a path is one of the System Status Service's own. */
export const isStatus = (path: string): boolean =>
  path === "/overview" || statusFolders.some((folder) => path === folder || path.startsWith(`${folder}/`))

const statusFolders = ["/services", "/gpu", "/gpus", "/disk", "/system", "/api/v1/host"]

/** Of the listener that was asked: what it mounts. */
const tellsDetail = (path: string, apis: ReadonlyArray<ApiName>): boolean => {
  if (isStatus(path)) return true
  if (!apis.includes("status") || apis.includes("system")) return false
  return path === "/health" || !isVersioned(path) || !(apis.includes("identity") || apis.includes("provisioning"))
}

export interface ErrorTold {
  readonly status: number
  readonly message: string
  readonly word?: string | undefined
  readonly detail?: string | object | undefined
}

export const errorBody = (
  path: string,
  { detail, message, status, word }: ErrorTold,
  apis: ReadonlyArray<ApiName> = []
): object => {
  if (tellsDetail(path, apis)) return { detail: detail ?? message }
  return isVersioned(path)
    ? {
        error: word ?? words[status] ?? "ERROR",
        message,
        code: String(status),
        type: "about:blank",
        title: STATUS_CODES[status] ?? "Error",
        status,
        detail: message
      }
    : { code: status, message }
}
