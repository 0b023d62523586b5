/**
 * A listener: one address on which an Effect HTTP application is served under every limit of Limits. It owns the
 * server, its connections and the fibers of the requests in hand, and closes all of them with its scope.
 *
 * `stop` is ordered and bounded: no new connection, idle ones closed, requests in hand get the grace they are given
 * and no more. Endless answers take `stopping` as their end. A failed bind is a `ListenFailed`; after it nothing that
 * a client does can fail the listener.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import type { TlsVersion } from "../../services/config/Config.ts"
import { format, type ListenAddress } from "../../services/config/ListenAddress.ts"
import { bind, failed, type ListenFailed, type PassedSocket } from "./Bind.ts"
import { Connections, type ListenerStats } from "./Connections.ts"
import { watch } from "./Deadlines.ts"
import { type Certificate, makeFront } from "./Engines.ts"
import { defaultLimits, type ListenerLimits } from "./Limits.ts"
import { type App, serve } from "./Serving.ts"
import type { ClientCertificates } from "./ShownCertificate.ts"

/** A new certificate cannot be used; the one before stays in use. */
export class CertificateRefused extends Schema.TaggedError<CertificateRefused>()("CertificateRefused", {
  reason: Schema.String
}) {
  override get message() {
    return `the certificate cannot be used: ${this.reason}`
  }
}

/**
 * Completes when the listener that serves this request begins to stop. An answer without an end of its own (an event
 * stream, a long poll) ends with it, instead of being cut after the grace.
 */
export const stopping = Context.Reference<Deferred.Deferred<void>>("systemapi/http/listener/stopping", {
  defaultValue: () => Deferred.makeUnsafe()
})

export interface ListenerOptions {
  readonly address: ListenAddress
  /** Served with TLS (HTTP/2 and HTTP/1.1); not on a UNIX socket, whose file mode guards it. */
  readonly certificate?: Certificate | undefined
  /** As Go's and every distribution's default since years; 1.0 and 1.1 are forbidden by RFC 8996. */
  readonly minVersion?: TlsVersion | undefined
  /** Clients are asked for a certificate, and judged by it at each request. */
  readonly clients?: ClientCertificates | undefined
  /** Mode of a UNIX socket's file: owner and group by default. */
  readonly socketMode?: number | undefined
  /** Id of its group; the daemon's own by default. */
  readonly socketGroup?: number | undefined
  readonly limits?: Partial<ListenerLimits> | undefined
  /** The open socket that an address of the service manager's means. */
  readonly passed?: PassedSocket | undefined
}

export interface BoundListener {
  /** As in the configuration, with the port that was found where it was 0. */
  readonly address: ListenAddress
  /** Where it listens: as `address`, but of a socket that was passed what the socket tells; of a UNIX socket no path. */
  readonly reached: ListenAddress
  /** For people and for curl; a wildcard address is shown as this machine's own. */
  readonly url: string
  /** Bounded by the grace; again and after the scope has closed it does nothing. */
  readonly stop: (grace: Duration.Input) => Effect.Effect<void>
  /**
   * For the connections from now on, with the CAs that are in force now; nothing changes when it fails, or where the
   * listener speaks no TLS.
   */
  readonly setSecureContext: (certificate: Certificate) => Effect.Effect<void, CertificateRefused>
  readonly stats: () => ListenerStats
}

const socketModeDefault = 0o660

/** Interrupted handlers run their finalizers; one that takes longer must not hold up the end of the daemon. */
const handlersEndWithin = Duration.seconds(1)

/** A turn of the loop: a request whose bytes are here already is in hand, and not on an idle connection. */
const whatHasArrived = Effect.callback<void>((resume) => {
  setImmediate(() => setImmediate(() => resume(Effect.void)))
})

/** Serves until the scope closes, or `stop`. What the application marks as interruptible ends when its client leaves. */
export const listen = Effect.fnUntraced(function* (
  options: ListenerOptions,
  app: App
): Effect.fn.Return<BoundListener, ListenFailed, Scope.Scope> {
  const limits: ListenerLimits = { ...defaultLimits, ...options.limits }
  const { address, certificate, clients, minVersion = "1.2" } = options
  if (address._tag === "Unix" && certificate !== undefined) {
    return yield* failed(address, "TLS is not served on a UNIX socket")
  }
  const scope = yield* Effect.scope
  const stopSignal = yield* Deferred.make<void>()
  const serving = serve(app, Context.add(yield* Effect.context<never>(), stopping, stopSignal))
  const connections = new Connections(limits)
  const clock = yield* Clock.Clock
  const security =
    certificate === undefined
      ? undefined
      : { certificate, minVersion, clients, now: () => clock.currentTimeMillisUnsafe() }
  const front = yield* Effect.try({
    try: () => makeFront(connections, limits, security, serving.handler),
    catch: (error) => failed(address, error)
  })
  const access = { mode: options.socketMode ?? socketModeDefault, group: options.socketGroup }
  const bound = yield* bind(front.server, { address, access, passed: options.passed })
  // An accept that fails (no descriptors left) is tried again by the next one.
  front.server.on("error", () => {})
  const deadlines = watch(connections, limits)
  const drained = yield* Deferred.make<void>()
  connections.onEmpty = () => {
    if (connections.stopping) Deferred.doneUnsafe(drained, Effect.void)
  }

  const stop = (grace: Duration.Input): Effect.Effect<void> =>
    Effect.gen(function* () {
      front.server.close()
      yield* whatHasArrived
      connections.stop()
      yield* Deferred.succeed(stopSignal, undefined)
      yield* Effect.timeoutOption(Deferred.await(drained), grace)
      connections.destroyAll()
    })

  yield* Scope.addFinalizer(
    scope,
    Effect.gen(function* () {
      yield* stop(0)
      deadlines.stop()
      // Outlives this finalizer only where a handler refuses to be interrupted, and then until that handler ends.
      const closing = yield* Effect.forkDetach(serving.end)
      yield* Effect.timeoutOption(Fiber.await(closing), handlersEndWithin)
    })
  )

  return {
    // As metrics and statuses name it: the same wherever the service manager listens.
    address: address._tag === "Passed" ? address : bound,
    reached: bound,
    url: address._tag === "Passed" && bound._tag === "Unix" ? format(address) : urlOf(bound, certificate !== undefined),
    stop,
    setSecureContext: (next) =>
      Effect.try({
        try: () => front.setCertificate(next),
        catch: (error) => new CertificateRefused({ reason: error instanceof Error ? error.message : String(error) })
      }),
    stats: () => connections.stats()
  }
})

const urlOf = (address: ListenAddress, secure: boolean): string => {
  if (address._tag !== "Tcp") return format(address)
  const { host } = address
  const own = host === undefined || host === "0.0.0.0" || host === "::" ? "localhost" : host
  return `${secure ? "https" : "http"}://${format({ ...address, host: own })}`
}
