/** The System API: every endpoint of its contract with its handler. */
import * as Effect from "effect/Effect"
import { Supervisor } from "../../actors/kernel/Supervisor.ts"
import { Actions } from "../../services/actions/Actions.ts"
import { Audit } from "../../services/audit/Audit.ts"
import { BasicSecret } from "../../services/auth/BasicSecret.ts"
import { FailureThrottle } from "../../services/auth/FailureThrottle.ts"
import { Executor } from "../../services/commands/Executor.ts"
import type { Config } from "../../services/config/Config.ts"
import { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import { EventLog } from "../../services/events/EventLog.ts"
import { Pipes } from "../../services/fifo/Pipes.ts"
import { FileUploads } from "../../services/files/FileUploads.ts"
import { IdentityStore } from "../../services/identity/IdentityStore.ts"
import { Instance } from "../../services/Instance.ts"
import { JournalFeeds } from "../../services/journal/JournalFeeds.ts"
import { Metrics } from "../../services/metrics/Metrics.ts"
import { Operations } from "../../services/operations/Operations.ts"
import { systemEndpoints } from "../api/endpoints.ts"
import { bind, type Route } from "../edge/routes.ts"
import { operationRoutes } from "../operations/operationRoutes.ts"
import { makeActionHandlers } from "./actionHandlers.ts"
import { type DaemonServices, makeDaemonHandlers } from "./daemonHandlers.ts"
import { makeDebugHandlers } from "./debugHandlers.ts"
import { makeEventReads } from "./eventReads.ts"
import { makeEventStream } from "./eventStream.ts"
import { makeEventWrites } from "./eventWrites.ts"

export const systemRoutes = Effect.fnUntraced(function* (initial: Config, listeners: DaemonServices["listeners"]) {
  const config = yield* CurrentConfig
  const log = yield* EventLog
  const operations = yield* Operations
  const actionHandlers = makeActionHandlers({
    actions: yield* Actions,
    executor: yield* Executor,
    operations,
    uploads: yield* FileUploads,
    config
  })
  const daemonHandlers = makeDaemonHandlers({
    audit: yield* Audit,
    config,
    identities: yield* IdentityStore,
    instance: yield* Instance,
    journals: yield* JournalFeeds,
    log,
    metrics: yield* Metrics,
    pipes: yield* Pipes,
    secret: yield* BasicSecret,
    supervisor: yield* Supervisor,
    throttle: yield* FailureThrottle,
    listeners
  })
  const reads = makeEventReads(log, { logMaxEntries: initial.general.log_max_entries })
  const writes = makeEventWrites(log, {
    messageMaxBytes: initial.events.message_max_bytes,
    acceptGivenTime: initial.events.accept_given_time,
    bodyMaxBytes: () => config.get().limits.body_max_bytes
  })
  const routes: ReadonlyArray<Route> = [
    ...bind(systemEndpoints.health, daemonHandlers.health),
    ...bind(systemEndpoints.events, { ...reads, ...writes, stream: yield* makeEventStream(log) }),
    ...bind(systemEndpoints.actions, actionHandlers.actions),
    {
      ...systemEndpoints.actions.run,
      access: "actions:list",
      audited: false,
      rate: "read",
      method: "OPTIONS",
      handler: actionHandlers.optionsOfAction
    },
    ...operationRoutes(systemEndpoints.operations, operations),
    ...bind(systemEndpoints.uploads, actionHandlers.uploads),
    ...bind(systemEndpoints.daemon, daemonHandlers.daemon),
    ...(initial.general.pprof ? bind(systemEndpoints.debug, makeDebugHandlers()) : [])
  ]
  return routes
})
