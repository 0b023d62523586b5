/** Audit entries for tests. */
import type { AuditEntry } from "../../src/services/audit/Audit.ts"

export const entryOf = (entry: Partial<AuditEntry> = {}): AuditEntry => ({
  action: "request",
  outcome: "granted",
  who: "admin",
  kind: "user",
  address: "192.0.2.1",
  listener: "127.0.0.1:3535",
  requestId: "id-1",
  on: "actions:run:restart_web",
  ...entry
})

export const refusalOf = (entry: Partial<AuditEntry> = {}): AuditEntry =>
  entryOf({
    outcome: "refused",
    who: undefined,
    kind: "anonymous",
    on: "events:read",
    status: 401,
    detail: "wrong password",
    ...entry
  })
