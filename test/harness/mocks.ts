/** Capabilities that do nothing but what a test tells them; what it leaves out dies when it is used. */
import type { DaemonServices } from "../../src/http/system/daemonHandlers.ts"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { EventLog } from "../../src/services/events/EventLog.ts"
import { RecentEvents } from "../../src/services/events/RecentEvents.ts"
import { ProcessLog } from "../../src/services/log/ProcessLog.ts"

export const mockEventLog = (told: Partial<EventLog["Service"]>): Layer.Layer<EventLog> =>
  Layer.mock(EventLog, {
    bounds: () => ({ first: 1, last: 0, removedThrough: 0, bytes: 0 }),
    recent: new RecentEvents({ events: 1, bytes: 1 }, 0),
    degraded: () => undefined,
    recorded: Effect.void,
    ...told
  })

export const mockProcessLog = (told: Partial<ProcessLog["Service"]>): Layer.Layer<ProcessLog> =>
  Layer.mock(ProcessLog, { request: () => {}, dropped: () => 0, ...told })

/** What the daemon shows of a listener that listens nowhere. */
export const shownListener: ReturnType<DaemonServices["listeners"]>[number] = {
  address: "127.0.0.1:3535",
  tls: false,
  apis: ["system", "identity"],
  auth: ["basic", "bearer"],
  clientCertificates: "none",
  connections: 0
}
