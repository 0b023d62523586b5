/**
 * Targets of requests as logs, traces and the audit log show them: cut to a bounded length, and without what looks like a
 * credential. Nothing here takes credentials from URLs; clients put them there all the same.
 */

/** Far longer than any path of ours: a request line may have a mebibyte, a line of the log should not. */
const shownMax = 1024

/** A JWT, a service token, and the user of a whole URL. */
const shapes = /eyJ[\w-]+\.[\w-]+(?:\.[\w-]*)*|sa_\w+?_[\w-]{8,}|(?<=\/\/)[^/?#\s]*@/gu

/** Whether it is worth looking: true of few paths, and told in nanoseconds. */
const worthLooking = /eyJ|sa_|@/u

const secretName = /token|secret|passw|pwd|auth|key|credential|signature|jwt|session|code/iu

const mark = "REDACTED"

export const redactedPath = (path: string): string => {
  const { length } = path
  const shown = length > shownMax ? path.slice(0, shownMax) : path
  const clean = worthLooking.test(shown) ? shown.replace(shapes, mark) : shown
  return length > shownMax ? `${clean}… (${length} characters)` : clean
}

/** Without values whose names or looks say that they are secret. */
export const redactedQuery = (query: string): string =>
  redactedPath(
    query
      .slice(0, shownMax)
      .split("&")
      .map((parameter) => {
        const [name = ""] = new URLSearchParams(parameter).keys()
        const value = parameter.indexOf("=") + 1
        return value > 0 && secretName.test(name) ? parameter.slice(0, value) + mark : parameter
      })
      .join("&")
  )
