/**
 * Events as text and as JSON. A text line is one line whatever the message holds: control characters are escaped, so
 * that no message can forge a line or speak to a terminal. JSON keeps every character.
 */
import type { Event } from "./Event.ts"

/** C0 but the tab, DEL, and C1, whose CSI (U+009B) terminals obey; U+2028 and U+2029 end lines for some readers. */
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const controls = /[\u0000-\u0008\u000a-\u001f\u007f-\u009f\u2028\u2029]/gu

const named: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\u001b": "\\e" }

/** Almost every text has none, and a search costs a fraction of a replacement. */
export const escapeControls = (text: string): string =>
  text.search(controls) === -1
    ? text
    : text.replace(controls, (c) => named[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)

let lastSecond = Number.NaN
let lastSecondText = ""

/** `2024-11-05T22:03:23`, remembered for the last second asked for: logs are read in order. */
const secondText = (seconds: number): string => {
  if (seconds !== lastSecond) {
    lastSecond = seconds
    lastSecondText = new Date(seconds * 1000).toISOString().slice(0, 19)
  }
  return lastSecondText
}

/** RFC 3339 UTC with nine digits after the second. */
export const rfc3339Nanos = (receivedAt: bigint): string => {
  const nanos = receivedAt % 1_000_000_000n
  return `${secondText(Number(receivedAt / 1_000_000_000n))}.${nanos.toString().padStart(9, "0")}Z`
}

/** One line of `/logs`: UTC in whole seconds, space, tab, space, message, newline. */
export const textLine = (receivedAt: bigint, message: string): string =>
  `${secondText(Number(receivedAt / 1_000_000_000n))}Z \t ${escapeControls(message)}\n`

/** An event as the original's `/api/v1/events` shows it. */
export const briefJson = (receivedAt: bigint, message: string): string =>
  `{"received_at":"${rfc3339Nanos(receivedAt)}","message":${JSON.stringify(message)}}`

/** An event with all it has. `fields` goes out as it came in: it was checked to be a JSON object then. */
export const eventJson = (event: Event): string => {
  const who = event.who === undefined ? "" : `,"who":${JSON.stringify(event.who)}`
  const fields = event.fields === undefined ? "" : `,"fields":${event.fields}`
  return (
    `{"seq":${event.seq},"received_at":"${rfc3339Nanos(event.receivedAt)}","source":${JSON.stringify(event.source)}` +
    `${who},"level":"${event.level}","message":${JSON.stringify(event.message)}${fields}}`
  )
}
