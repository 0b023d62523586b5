/**
 * The failures of system calls in words, for messages that people read: what Node attaches to an error is a code
 * (`ENOSPC`), a negative number, and a message that repeats the call and the path. Never throws, whatever was thrown.
 */
import { getSystemErrorMessage } from "node:util"

/** `ENOSPC`, or a code of Node's own such as `ERR_INVALID_ARG_VALUE`; undefined where the error has none. */
export const errnoCode = (cause: unknown): string | undefined =>
  cause instanceof Error && "code" in cause && typeof cause.code === "string" ? cause.code : undefined

export const hasErrno = (cause: unknown, code: string): boolean => errnoCode(cause) === code

/** `no space left on device`; `own` has the caller's words for the codes of which it knows more than the system. */
export const errnoText = (cause: unknown, own: Readonly<Record<string, string>> = {}): string => {
  if (!(cause instanceof Error)) return String(cause)
  const code = errnoCode(cause)
  if (code !== undefined && Object.hasOwn(own, code)) return own[code] ?? code
  const errno = "errno" in cause ? cause.errno : undefined
  // Anything else than a negative integer makes it throw.
  return typeof errno === "number" && Number.isSafeInteger(errno) && errno < 0
    ? getSystemErrorMessage(errno)
    : cause.message
}
