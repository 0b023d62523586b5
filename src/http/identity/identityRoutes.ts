/** The identity API: every endpoint of its contract with its handler. */
import * as Effect from "effect/Effect"
import { Audit } from "../../services/audit/Audit.ts"
import { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import { EventLog } from "../../services/events/EventLog.ts"
import { AccessTokens } from "../../services/identity/AccessTokens.ts"
import { CurrentRoles } from "../../services/identity/CurrentRoles.ts"
import { IdentityStore } from "../../services/identity/IdentityStore.ts"
import { Passwords } from "../../services/identity/Passwords.ts"
import { ServiceTokens } from "../../services/identity/ServiceTokens.ts"
import { Sessions } from "../../services/identity/Sessions.ts"
import { identityEndpoints } from "../api/endpoints.ts"
import { bind, type Route } from "../edge/routes.ts"
import { watchExpiry } from "./approvalExpiry.ts"
import { makeApprovalHandlers } from "./approvalHandlers.ts"
import { makeAuditHandlers } from "./auditHandlers.ts"
import { makeAuthHandlers } from "./authHandlers.ts"
import { makeKeyHandlers } from "./keyHandlers.ts"
import { makeRecorder } from "./recording.ts"
import { makeTokenHandlers } from "./tokenHandlers.ts"
import { makeUserHandlers } from "./userHandlers.ts"

export const identityRoutes = Effect.gen(function* () {
  const store = yield* IdentityStore
  const passwords = yield* Passwords
  const auditLog = yield* Audit
  const recorder = makeRecorder(auditLog)
  const auth = makeAuthHandlers({ passwords, recorder, sessions: yield* Sessions, store })
  const keys = makeKeyHandlers({ accessTokens: yield* AccessTokens, recorder, store })
  const users = makeUserHandlers({
    config: yield* CurrentConfig,
    passwords,
    recorder,
    roles: yield* CurrentRoles,
    store
  })
  const audit = makeAuditHandlers({ audit: auditLog, log: yield* EventLog })
  const tokens = makeTokenHandlers({ recorder, serviceTokens: yield* ServiceTokens, store })
  yield* watchExpiry(store, auditLog)
  const routes: ReadonlyArray<Route> = [
    ...bind(identityEndpoints.auth, { ...auth, ...keys }),
    ...bind(identityEndpoints.users, users),
    ...bind(identityEndpoints.tokens, tokens),
    ...bind(identityEndpoints.audit, audit),
    ...bind(identityEndpoints.approvals, makeApprovalHandlers({ recorder, store }))
  ]
  return routes
})
