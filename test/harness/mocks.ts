/** Capabilities that do nothing but what a test tells them; what it leaves out dies when it is used. */
import type { DaemonServices } from "../../src/http/system/daemonHandlers.ts"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { LiveAnswers } from "../../src/http/edge/liveAnswers.ts"
import { Audit, type AuditEntry } from "../../src/services/audit/Audit.ts"
import { EventLog } from "../../src/services/events/EventLog.ts"
import { RecentEvents } from "../../src/services/events/RecentEvents.ts"
import { AccessTokens } from "../../src/services/identity/AccessTokens.ts"
import { IdentityStore } from "../../src/services/identity/IdentityStore.ts"
import { Passwords } from "../../src/services/identity/Passwords.ts"
import { ServiceTokens } from "../../src/services/identity/ServiceTokens.ts"
import { ProcessLog } from "../../src/services/log/ProcessLog.ts"

export const mockEventLog = (told: Partial<EventLog["Service"]>): Layer.Layer<EventLog> =>
  Layer.mock(EventLog, {
    bounds: () => ({ first: 1, last: 0, removedThrough: 0, hidden: 0, bytes: 0 }),
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

/** An audit log that keeps what it is told, in order. */
export const mockAudit = (entries: Array<AuditEntry>): Layer.Layer<Audit> =>
  Layer.mock(Audit, {
    record: (entry) => void entries.push(entry),
    before: (entry) => Effect.sync(() => void entries.push(entry)),
    durably: (several) => Effect.sync(() => void entries.push(...several)),
    recorded: Effect.void,
    degraded: () => undefined,
    stats: () => ({ recorded: entries.length, summed: 0, failed: 0 })
  })

/** Nobody is stored, so that no token and no password but that of the System API counts. */
export const nobodyStored = Layer.mergeAll(
  Layer.mock(IdentityStore, {
    current: () => ({
      users: new Map(),
      tokens: new Map(),
      keys: [],
      endedSessions: new Set(),
      revokedTokens: new Set(),
      approvals: new Map()
    })
  }),
  Layer.mock(Passwords, { verify: () => Effect.succeed({ _tag: "wrong", reason: "nobody is stored" }) }),
  Layer.mock(AccessTokens, {
    verify: () => Effect.succeed({ _tag: "invalid", reason: "nobody is stored", claimed: undefined })
  }),
  Layer.mock(ServiceTokens, { isOne: () => false })
)

/** Looks at no stream again. */
export const noLiveAnswers: LiveAnswers = { watched: (answer) => answer }
