/**
 * A regular expression with a deadline. The pattern is the operator's, but any caller can send the text that makes it
 * backtrack for minutes, and matching happens on the event loop: V8 ends it where a script has run out of time.
 */
import { createContext, Script } from "node:vm"

/** Made for the first pattern there is: a context of its own costs a start time and memory. */
const make = () => ({
  script: new Script("pattern.test(text)"),
  context: createContext({ pattern: /(?:)/u, text: "" })
})

let made: ReturnType<typeof make> | undefined

/** Far above any honest match of a few kilobytes, and no stall that anybody would notice. */
const deadlineMs = 50

/**
 * The deadline is the clock's, and a machine with too much to do may not have let this thread run at all meanwhile: then
 * it is tried again, so often, until it has had half of it for itself.
 */
const triesMax = 20

/** False as well when there is no answer in time. */
export const matchWithin = (pattern: RegExp, text: string): boolean => {
  const { context, script } = (made ??= make())
  context["pattern"] = pattern
  context["text"] = text
  let before: NodeJS.CpuUsage | undefined
  for (let tries = 0; tries < triesMax; tries++) {
    try {
      return script.runInContext(context, { timeout: deadlineMs }) === true
    } catch {
      if (before !== undefined) {
        const { system, user } = process.threadCpuUsage(before)
        if (user + system > (deadlineMs * 1000) / 2) return false
      }
      before ??= process.threadCpuUsage()
    }
  }
  return false
}
