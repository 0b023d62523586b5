/**
 * The System API without a socket: real routes, edge, event log, password and supervisor; storage in memory; commands
 * and uploads as a test tells them. Works under the test clock, and an answer's body is an Effect stream.
 */
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import type * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { HttpServerResponse } from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as EventStore from "../../src/actors/EventStore.ts"
import { Supervisor } from "../../src/actors/kernel/Supervisor.ts"
import { makeEdge } from "../../src/http/edge/Edge.ts"
import { makeLiveAnswers } from "../../src/http/edge/liveAnswers.ts"
import { rateLimitGuard } from "../../src/http/edge/rateLimitGuard.ts"
import { stopping } from "../../src/http/listener/Listener.ts"
import { provisioningEndpoints } from "../../src/http/api/endpoints.ts"
import { operationRoutes } from "../../src/http/operations/operationRoutes.ts"
import { systemRoutes } from "../../src/http/system/systemRoutes.ts"
import { Actions } from "../../src/services/actions/Actions.ts"
import { Audit, type AuditEntry } from "../../src/services/audit/Audit.ts"
import { Authenticator } from "../../src/services/auth/Authenticator.ts"
import { BasicAuth } from "../../src/services/auth/BasicAuth.ts"
import { BasicSecret } from "../../src/services/auth/BasicSecret.ts"
import { FailureThrottle } from "../../src/services/auth/FailureThrottle.ts"
import { SlowHash } from "../../src/services/auth/SlowHash.ts"
import { Executor } from "../../src/services/commands/Executor.ts"
import { load } from "../../src/services/config/ConfigFile.ts"
import { CurrentConfig } from "../../src/services/config/CurrentConfig.ts"
import { EventLog } from "../../src/services/events/EventLog.ts"
import { JournalFeeds } from "../../src/services/journal/JournalFeeds.ts"
import { Pipes } from "../../src/services/fifo/Pipes.ts"
import { Disk } from "../../src/services/files/Disk.ts"
import { FileUploads } from "../../src/services/files/FileUploads.ts"
import { CurrentRoles } from "../../src/services/identity/CurrentRoles.ts"
import type { Principal } from "../../src/services/identity/Principal.ts"
import { Instance } from "../../src/services/Instance.ts"
import type { RequestEntry } from "../../src/services/log/format.ts"
import { RateLimits } from "../../src/services/limits/RateLimits.ts"
import { ProcessLog } from "../../src/services/log/ProcessLog.ts"
import { Metrics } from "../../src/services/metrics/Metrics.ts"
import { Operations } from "../../src/services/operations/Operations.ts"
import { makeFakeOperations } from "./fakeOperations.ts"
import { type FakeStorage, makeFakeStorage } from "./FakeStorage.ts"
import { incoming } from "./incoming.ts"
import { mockAudit, mockProcessLog, nobodyStored, shownListener } from "./mocks.ts"
import { temporaryFolder } from "./temporaryFolder.ts"

export interface AppOptions {
  /** TOML, to which the path of the secret is added when `secret` is set. */
  readonly config?: string
  /** Keep a password, none being set yet. */
  readonly secret?: boolean
  readonly bootstrapToken?: string
  readonly storage?: FakeStorage
  readonly actions?: Partial<Actions["Service"]>
  readonly executor?: Partial<Executor["Service"]>
  readonly operations?: Operations["Service"]
  /** Who asks, whatever is shown. Without it, whom the credentials name; nobody is stored. */
  readonly as?: Principal
  readonly uploads?: Partial<FileUploads["Service"]>
  /** Completes when the listener begins to stop. */
  readonly stopping?: Deferred.Deferred<void>
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly text: string
}

const bodyOf = ({ body }: HttpServerResponse): Stream.Stream<Uint8Array> => {
  switch (body._tag) {
    case "Uint8Array":
      return Stream.succeed(body.body)
    case "Stream":
      return Stream.orDie(body.stream)
    default:
      return Stream.empty
  }
}

const admitting = (principal: Principal): Authenticator["Service"] => ({
  authenticate: () => Effect.succeed({ _tag: "admitted", principal, secretVersion: 0 })
})

export const makeApp = Effect.fnUntraced(function* (options: AppOptions = {}) {
  const storage = options.storage ?? makeFakeStorage()
  const folder = yield* temporaryFolder
  const secretPath = join(folder, "secret.txt")
  const secretLines = options.secret === true ? `[general]\nbasic_auth_secret_path = "${secretPath}"\n` : ""
  const path = join(folder, "systemapi-config.toml")
  yield* Effect.promise(() => writeFile(path, `${secretLines}${options.config ?? ""}`))
  const { config } = yield* load(path, {})
  const requests: Array<RequestEntry> = []
  const audited: Array<AuditEntry> = []
  const observed: Array<readonly [route: string, status: number]> = []
  const waits = yield* Queue.unbounded<number>()

  const base = Layer.mergeAll(
    Supervisor.layer,
    Layer.mergeAll(CurrentRoles.layer, RateLimits.layer).pipe(Layer.provideMerge(CurrentConfig.layer(config))),
    Instance.layer("1.2.3"),
    Metrics.layer
  )
  const secret =
    options.secret === true
      ? BasicSecret.layer({
          path: secretPath,
          salt: config.general.basic_auth_secret_salt,
          format: "sha256",
          ...(options.bootstrapToken === undefined ? {} : { bootstrapToken: Redacted.make(options.bootstrapToken) })
        }).pipe(Layer.provide([Disk.layer, SlowHash.layer]))
      : BasicSecret.layerNone
  const layer = Layer.mergeAll(
    Authenticator.layer.pipe(
      Layer.provideMerge(BasicAuth.layer),
      Layer.provideMerge(nobodyStored),
      Layer.provideMerge(secret),
      Layer.provideMerge(FailureThrottle.layer)
    ),
    Audit.layer.pipe(
      Layer.provideMerge(EventStore.layer({ recent: { events: 4096, bytes: 16 * 1024 * 1024 } })),
      Layer.provide(storage.layer)
    ),
    Layer.mock(Actions, options.actions ?? {}),
    Layer.mock(Executor, options.executor ?? {}),
    Layer.succeed(Operations, options.operations ?? makeFakeOperations().service),
    Layer.mock(FileUploads, options.uploads ?? {}),
    Layer.succeed(Pipes, { stats: () => [] }),
    Layer.succeed(JournalFeeds, { stats: () => [] }),
    mockProcessLog({ request: (_atMs, entry) => void requests.push(entry) }),
    mockAudit(audited)
  ).pipe(Layer.provideMerge(base))
  const built = yield* Effect.orDie(Layer.build(Layer.fresh(layer)))
  const log = Context.get(built, EventLog)
  /** Tells of every wait for the head, so that a test knows when a follower has seen all there is. */
  const watched = EventLog.of({
    ...log,
    bounds: log.bounds,
    recent: log.recent,
    awaitAfter: (seq) => Effect.andThen(Queue.offer(waits, seq), log.awaitAfter(seq))
  })
  const context = Context.add(built, EventLog, watched)
  const routes = yield* Effect.provideContext(
    systemRoutes(config, () => [shownListener]),
    context
  )
  const edge = makeEdge({
    // Of the Provisioning API its operations, which are the System API's in other words.
    routes: [...routes, ...operationRoutes(provisioningEndpoints.operations, Context.get(context, Operations))],
    surface: { address: "127.0.0.1:3535", providers: ["basic", "bearer"], roles: ["admin"] },
    audit: Context.get(built, Audit),
    authenticator: options.as === undefined ? Context.get(built, Authenticator) : admitting(options.as),
    config: Context.get(built, CurrentConfig).get,
    guards: [rateLimitGuard(Context.get(built, RateLimits))],
    live: yield* makeLiveAnswers,
    clock: yield* Clock.Clock,
    log: Context.get(built, ProcessLog),
    observe: (route, status) => void observed.push([route, status])
  })

  /** The answer, its body not read yet. */
  const open = (target: string, init: RequestInit = {}): Effect.Effect<HttpServerResponse> =>
    Effect.suspend(() => edge(incoming(target, init))).pipe(
      Effect.provideService(stopping, options.stopping ?? Deferred.makeUnsafe<void>()),
      Effect.provideContext(context)
    )
  const call = Effect.fnUntraced(function* (target: string, init: RequestInit = {}): Effect.fn.Return<Answer> {
    const response = yield* open(target, init)
    const bytes = yield* Stream.runCollect(bodyOf(response))
    return { status: response.status, headers: response.headers, text: Buffer.concat(bytes).toString() }
  })
  /** The pieces of an endless answer, one at a time; closed with the scope. */
  const follow = Effect.fnUntraced(function* (target: string, init: RequestInit = {}) {
    const response = yield* open(target, init)
    const pieces = yield* Queue.unbounded<string, Cause.Done>()
    yield* Effect.forkScoped(
      Stream.runForEach(bodyOf(response), (piece) => Queue.offer(pieces, Buffer.from(piece).toString())).pipe(
        Effect.andThen(Queue.end(pieces))
      ),
      { startImmediately: true }
    )
    return { response, next: Queue.take(pieces), left: Queue.size(pieces) }
  })
  return {
    call,
    open,
    follow,
    storage,
    log,
    config,
    requests,
    audited,
    observed,
    secretPath,
    context: built,
    /** Takes the seq after which somebody waits for the head. */
    waiting: Queue.take(waits)
  }
})
