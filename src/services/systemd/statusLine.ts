/** One line for `systemctl status`: what is wrong comes first, for whoever looks there looks for that. */

export interface StatusFacts {
  readonly problems: ReadonlyArray<string>
  /** URLs, or what stands for them. */
  readonly listeners: ReadonlyArray<string>
  /** Commands at work, and those whose turn has not come. */
  readonly running: number
  readonly waiting: number
}

/** More addresses than these say nothing to whoever reads one line. */
const listenersShown = 3

export const statusLine = ({ listeners, problems, running, waiting }: StatusFacts): string => {
  const [first] = problems
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : ""
  return [
    ...(first === undefined ? [] : [`degraded: ${first}${more}`]),
    listening(listeners),
    ...(running === 0 ? [] : [`${counted(running, "command")} at work`]),
    ...(waiting === 0 ? [] : [`${counted(waiting, "command")} waiting`])
  ].join("; ")
}

const counted = (count: number, thing: string): string => `${count} ${thing}${count === 1 ? "" : "s"}`

const listening = (listeners: ReadonlyArray<string>): string => {
  const shown = listeners.slice(0, listenersShown).join(", ")
  const rest = listeners.length - listenersShown
  return `listening on ${shown}${rest > 0 ? ` and ${rest} more` : ""}`
}
