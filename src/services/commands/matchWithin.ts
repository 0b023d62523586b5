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

/** False as well when there is no answer in time. */
export const matchWithin = (pattern: RegExp, text: string): boolean => {
  const { context, script } = (made ??= make())
  context["pattern"] = pattern
  context["text"] = text
  try {
    return script.runInContext(context, { timeout: deadlineMs }) === true
  } catch {
    return false
  }
}
