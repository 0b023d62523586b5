/** The forms an answer of events can have: how it begins, what stands between events, how it ends. */
import type { Event } from "../../services/events/Event.ts"
import { briefJson, eventJson, textLine } from "../../services/events/render.ts"
import type { EventFormat } from "./eventParams.ts"

export interface Form {
  readonly contentType: string
  readonly open: string
  readonly separator: string
  readonly close: string
  readonly event: (event: Event) => string
}

export const forms: Readonly<Record<EventFormat, Form>> = {
  text: {
    contentType: "text/plain; charset=utf-8",
    open: "",
    separator: "",
    close: "",
    event: ({ message, receivedAt }) => textLine(receivedAt, message)
  },
  json: { contentType: "application/json", open: "[", separator: ",", close: "]\n", event: eventJson },
  /** As clients of the original know it. */
  brief: {
    contentType: "application/json",
    open: "[",
    separator: ",",
    close: "]\n",
    event: ({ message, receivedAt }) => briefJson(receivedAt, message)
  },
  ndjson: {
    contentType: "application/x-ndjson",
    open: "",
    separator: "\n",
    close: "\n",
    event: eventJson
  }
}

export const renderAll = (form: Form, events: ReadonlyArray<Event>): string =>
  events.length === 0 && form.open === "" ? "" : form.open + events.map(form.event).join(form.separator) + form.close

/** The next page of an answer whose first page was rendered without its close. */
export const renderMore = (form: Form, events: ReadonlyArray<Event>): string =>
  events.map((event) => form.separator + form.event(event)).join("")
