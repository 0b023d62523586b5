/** What the fault tests look at: the whole log, the daemon's own opinion of itself, its metrics. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { eventsOf, jsonOf, request } from "../system/client.ts"

/** All that readers are shown of the log, oldest first, read from the store page by page; dies where it is out of order. */
export const wholeLog = Effect.fnUntraced(function* (url: string) {
  const messages: Array<string> = []
  let last = 0
  while (true) {
    const page = yield* eventsOf(url, `after=${last}&limit=10000`)
    for (const { message, seq } of page) {
      if (seq <= last) throw new Error(`seq ${seq} comes after ${last}`)
      messages.push(message)
      last = seq
    }
    if (page.length === 0) return messages
  }
})

/** How often each message is in the log. */
export const counted = (messages: ReadonlyArray<string>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const message of messages) counts.set(message, (counts.get(message) ?? 0) + 1)
  return counts
}

const Readiness = Schema.Struct({ status: Schema.String, problems: Schema.Array(Schema.String) })

/** `/readyz`: its status, and the problems in one line. */
export const readiness = (url: string) =>
  Effect.map(request(`${url}/readyz`), (answer) => ({
    status: answer.status,
    problems: Schema.decodeUnknownSync(Readiness)(jsonOf(answer)).problems.join("; ")
  }))

export const isReady = (url: string) => Effect.map(readiness(url), ({ status }) => status === 200)

/** The value of the only series of this name. */
export const metric = (url: string, name: string) =>
  Effect.map(request(`${url}/metrics`), ({ body }) =>
    Number(new RegExp(`^${name}(?:\\{[^}]*\\})? (\\S+)$`, "mu").exec(body)?.[1] ?? Number.NaN)
  )

export const post = (url: string, message: string) =>
  request(`${url}/api/v1/events`, { body: JSON.stringify({ message }) })

export const errorBody = (code: number, message: string): string => `${JSON.stringify({ code, message })}\n`
