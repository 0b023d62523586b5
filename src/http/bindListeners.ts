/**
 * Binds every configured listener: its address, limits and certificate, the ways in it offers and the APIs it mounts.
 * Two APIs on one listener share its edge and nothing else; of one that is not mounted there is no path.
 *
 * At the stop all of them end together, within one grace: no new work from then on, what is in hand may be finished.
 * Shortly before the grace is over the commands that still run are ended, so that who waits for one gets its answer.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { Audit } from "../services/audit/Audit.ts"
import { Authenticator } from "../services/auth/Authenticator.ts"
import { resolveAccount } from "../services/commands/accounts.ts"
import { Executor } from "../services/commands/Executor.ts"
import type { Config, ListenerConfig } from "../services/config/Config.ts"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import type { Reached } from "../services/config/exposures.ts"
import { format, type ListenAddress } from "../services/config/ListenAddress.ts"
import { passedFault } from "../services/config/listenerRules.ts"
import { IdentityStore } from "../services/identity/IdentityStore.ts"
import { type ApiName, apiNames } from "../services/identity/Principal.ts"
import { RateLimits } from "../services/limits/RateLimits.ts"
import { ProcessLog } from "../services/log/ProcessLog.ts"
import { Metrics } from "../services/metrics/Metrics.ts"
import { passedSocketMode } from "../services/systemd/socketMode.ts"
import { PassedSockets, type PassedSocketsShape } from "../services/systemd/PassedSockets.ts"
import { makeEdge } from "./edge/Edge.ts"
import { makeLiveAnswers } from "./edge/liveAnswers.ts"
import type { Route } from "./edge/routes.ts"
import { rateLimitGuard } from "./edge/rateLimitGuard.ts"
import { traced } from "./edge/tracing.ts"
import { ListenFailed } from "./listener/Bind.ts"
import type { ListenerLimits } from "./listener/Limits.ts"
import { type BoundListener, listen } from "./listener/Listener.ts"
import type { DaemonServices } from "./system/daemonHandlers.ts"
import { type ListenerTls, makeListenerTls } from "./listenerTls.ts"
import { approvalGuard } from "./identity/approvalGuard.ts"
import { justificationGuard } from "./identity/justificationGuard.ts"
import { makeRecorder } from "./identity/recording.ts"

type Listeners = ReturnType<DaemonServices["listeners"]>

/** Of the grace, for commands to end by TERM and for their answers; at most a quarter of it. */
const answersWithinMs = 1000

export const bindListeners = Effect.fnUntraced(function* <E, R>(
  config: Config,
  routesOf: (listeners: () => Listeners) => Effect.Effect<Readonly<Record<ApiName, ReadonlyArray<Route>>>, E, R>
) {
  const audit = yield* Audit
  const authenticator = yield* Authenticator
  const current = yield* CurrentConfig
  const executor = yield* Executor
  const log = yield* ProcessLog
  const metrics = yield* Metrics
  const bound: Array<Bound> = []
  const reached: Array<Reached | undefined> = []
  const seen = (): Listeners =>
    bound.map(({ address, listener, stats, tls }) => ({
      address: format(address),
      tls: tls !== undefined,
      apis: listener.apis,
      auth: listener.auth,
      clientCertificates: askedOf(listener),
      connections: stats().open,
      problems: tls?.problems() ?? []
    }))
  const clock = yield* Clock.Clock
  const sockets = yield* PassedSockets
  const guards = [
    rateLimitGuard(yield* RateLimits),
    justificationGuard(current),
    approvalGuard({ audit, config: current, recorder: makeRecorder(audit), store: yield* IdentityStore })
  ]
  const live = yield* makeLiveAnswers
  const routesByApi = yield* routesOf(seen)
  const listenerTls = makeListenerTls(config.general)
  for (const listener of config.listeners) {
    const tls = listener.tls === undefined ? undefined : yield* listenerTls.of(listener.tls)
    const { apis, auth: providers, roles } = listener
    const surface = { address: format(listener.address), providers, roles, apis }
    // In one order, whatever the file's: of a path that two of them have, the last one's counts (`/health`).
    const routes = apiNames.flatMap((api) => (apis.includes(api) ? routesByApi[api] : []))
    const app = yield* traced(
      makeEdge({
        routes,
        surface,
        audit,
        authenticator,
        clock,
        config: current.get,
        guards,
        live,
        log,
        observe: metrics.observeRequest
      })
    )
    const passed = yield* passedSocket(config, listener, sockets)
    const one = yield* listen(
      {
        address: listener.address,
        ...tls?.options,
        socketMode: listener.socket_mode,
        socketGroup: yield* socketGroup(listener),
        limits: limitsOf(config, listener),
        passed
      },
      app
    )
    if (tls !== undefined) yield* Effect.forkScoped(tls.follow(one))
    bound.push({ ...one, listener, tls })
    const socketMode = passed === undefined ? undefined : yield* passedSocketMode(passed.fd)
    reached.push(passed === undefined ? undefined : { address: one.reached, socketMode })
    yield* Effect.logInfo(`listening on ${one.url}`)
  }
  for (const name of sockets.left()) yield* Effect.logWarning(`no listener uses the socket ${name} that was passed`)
  yield* Effect.addFinalizer(() => stopAll(bound, executor.stop, current.get().limits.stop_timeout_ms))
  const whole: BoundListeners = {
    listeners: bound,
    seen,
    reached,
    reloads: listenerTls.reloads()
  }
  return whole
})

export interface BoundListeners {
  readonly listeners: ReadonlyArray<BoundListener>
  /** As the daemon shows them. */
  readonly seen: () => Listeners
  /** Of each listener on a socket that was passed: where it is. */
  readonly reached: ReadonlyArray<Reached | undefined>
  /** What a reload reads again of their files. */
  readonly reloads: ReadonlyArray<Effect.Effect<void, { readonly message: string }>>
}

interface Bound extends BoundListener {
  readonly tls: ListenerTls | undefined
  readonly listener: ListenerConfig
}

const askedOf = ({ tls }: ListenerConfig): Listeners[number]["clientCertificates"] => {
  if (tls?.clients === undefined) return "none"
  return tls.clients.required ? "required" : "optional"
}

const socketGroup = ({ address, socket_group: group }: ListenerConfig) =>
  address._tag !== "Unix"
    ? Effect.undefined
    : resolveAccount(undefined, group).pipe(
        Effect.map(({ gid }) => gid),
        Effect.mapError(({ message }) => new ListenFailed({ address: format(address), reason: message }))
      )

/** Held to the rules of its listener once it says where it listens. */
const passedSocket = ({ auth }: Config, listener: ListenerConfig, sockets: PassedSocketsShape) => {
  const { address } = listener
  if (address._tag !== "Passed") return Effect.undefined
  const fault = (real: ListenAddress) => passedFault(listener, auth.development_users, real)
  return Result.match(sockets.take(address), {
    onFailure: (reason) => Effect.fail(new ListenFailed({ address: format(address), reason })),
    onSuccess: (fd) => Effect.succeed({ fd, fault })
  })
}

/** The commands are told once the grace is nearly over and somebody still waits; else by the end of their actor. */
export const stopAll = (
  listeners: ReadonlyArray<Pick<BoundListener, "stop">>,
  endCommands: Effect.Effect<void>,
  graceMs: number
): Effect.Effect<void> =>
  Effect.gen(function* () {
    const soon = graceMs - Math.min(answersWithinMs, graceMs / 4)
    const telling = yield* Effect.forkChild(Effect.delay(endCommands, soon))
    yield* Effect.forEach(listeners, (one) => one.stop(graceMs), { concurrency: "unbounded", discard: true })
    yield* Fiber.interrupt(telling)
  })

const limitsOf = ({ general, limits }: Config, listener: ListenerConfig): Partial<ListenerLimits> => ({
  headerBytes: limits.max_header_bytes + 4096,
  headerMs: limits.header_timeout_ms,
  bodyIdleMs: limits.body_idle_timeout_ms,
  writeIdleMs: limits.write_idle_timeout_ms,
  keepAliveMs: limits.keep_alive_timeout_ms,
  connections: listener.max_connections,
  requestMs: general.http_read_timeout_ms ?? 0,
  responseMs: general.http_write_timeout_ms ?? 0
})
