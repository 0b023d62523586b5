/** Contract of what the daemon says of itself, and of its one password. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { apiNames, providers } from "../../services/identity/Principal.ts"
import {
  BadRequest,
  Conflict,
  Forbidden,
  InternalError,
  NotConfigured,
  StoreIsFull,
  TooLarge,
  TooManyRequests,
  Unauthorized,
  Unavailable
} from "./ErrorBody.ts"
import { systemEndpoints } from "./endpoints.ts"

const Status = Schema.Struct({ status: Schema.Literal("ok") })

export const Readiness = Schema.Struct({
  status: Schema.Literals(["ok", "degraded"]),
  problems: Schema.Array(Schema.String)
}).annotate({ identifier: "Readiness" })

export const ActorEntry = Schema.Struct({
  name: Schema.String,
  state: Schema.Literals(["starting", "running", "backing-off", "stopped", "failed"]),
  since: Schema.String,
  restarts: Schema.Int,
  last_failure: Schema.NullOr(Schema.String),
  mailbox: Schema.NullOr(
    Schema.Struct({
      depth: Schema.Int,
      capacity: Schema.Int,
      handled: Schema.Int,
      dropped: Schema.Int,
      refused: Schema.Int
    })
  )
}).annotate({ identifier: "Actor" })

export const Info = Schema.Struct({
  name: Schema.Literal("systemapi"),
  version: Schema.String,
  boot_id: Schema.String.annotate({ description: "New at every start of the daemon" }),
  started_at: Schema.String,
  uptime_seconds: Schema.Int,
  events: Schema.Struct({
    first_seq: Schema.Int,
    last_seq: Schema.Int,
    removed_through: Schema.Int.annotate({ description: "Retention has removed events up to this seq" }),
    store_bytes: Schema.Int
  }),
  pipes: Schema.Array(
    Schema.Struct({ source: Schema.String, path: Schema.String, lines: Schema.Int, cut_lines: Schema.Int })
  ),
  listeners: Schema.Array(
    Schema.Struct({
      address: Schema.String,
      tls: Schema.Boolean,
      apis: Schema.Array(Schema.Literals(apiNames)),
      auth: Schema.Array(Schema.Literals(providers)).annotate({ description: "The ways in" }),
      client_certificates: Schema.Literals(["none", "optional", "required"]).annotate({
        description: "Whether clients are asked for one, and let in without"
      }),
      connections: Schema.Int
    })
  ),
  limits: Schema.Record(Schema.String, Schema.Int)
}).annotate({ identifier: "Info" })

export class HealthGroup extends HttpApiGroup.make("health")
  .add(
    HttpApiEndpoint.get("root", systemEndpoints.health.root.path, { success: Status, error: [Unauthorized] }).annotate(
      OpenApi.Summary,
      "Alive"
    ),
    HttpApiEndpoint.get("livez", systemEndpoints.health.livez.path, {
      success: Status,
      error: [Unauthorized]
    }).annotate(OpenApi.Summary, "Alive: the process answers"),
    HttpApiEndpoint.get("readyz", systemEndpoints.health.readyz.path, {
      success: [Readiness, Readiness.annotate({ httpApiStatus: 503, identifier: "NotReady" })],
      error: [Unauthorized]
    }).annotate(OpenApi.Summary, "Ready: every part works; 503 and the problems otherwise")
  )
  .annotate(OpenApi.Description, "Is it alive, is it well") {}

/** Mounted under `general.pprof` alone. */
export class DebugGroup extends HttpApiGroup.make("debug")
  .add(
    HttpApiEndpoint.get("profile", systemEndpoints.debug.profile.path, {
      query: { seconds: Schema.optionalKey(Schema.String.annotate({ description: "1 to 60; 5 if not given" })) },
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "application/json" })),
      error: [BadRequest, Unauthorized, Unavailable]
    })
      .annotate(OpenApi.Summary, "CPU profile of the daemon")
      .annotate(OpenApi.Description, "V8's .cpuprofile format. Only where general.pprof is on; one at a time.")
  )
  .annotate(OpenApi.Description, "For those who work on the daemon itself") {}

export class DaemonGroup extends HttpApiGroup.make("daemon")
  .add(
    HttpApiEndpoint.get("actors", systemEndpoints.daemon.actors.path, {
      success: Schema.Struct({ actors: Schema.Array(ActorEntry) }),
      error: [Unauthorized]
    }).annotate(OpenApi.Summary, "The daemon's parts and how they fare"),
    HttpApiEndpoint.get("info", systemEndpoints.daemon.info.path, { success: Info, error: [Unauthorized] }).annotate(
      OpenApi.Summary,
      "Version, uptime, boot id and the limits in force"
    ),
    HttpApiEndpoint.post("setBasicAuth", systemEndpoints.daemon.setBasicAuth.path, {
      payload: Schema.String.pipe(HttpApiSchema.asText()),
      success: Schema.Struct({ message: Schema.String }),
      error: [
        BadRequest,
        Unauthorized,
        Forbidden,
        Conflict,
        TooLarge,
        TooManyRequests,
        InternalError,
        NotConfigured,
        StoreIsFull
      ]
    })
      .annotate(OpenApi.Summary, "Set the secret")
      .annotate(
        OpenApi.Description,
        "The raw body is the secret of the user admin. Open until the first one is set, unless a bootstrap token is " +
          "configured, which goes in the X-Bootstrap-Token header."
      ),
    HttpApiEndpoint.get("metrics", systemEndpoints.daemon.metrics.path, {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/plain; version=0.0.4; charset=utf-8" })),
      error: [Unauthorized]
    }).annotate(OpenApi.Summary, "Prometheus metrics"),
    HttpApiEndpoint.get("openapi", systemEndpoints.daemon.openapi.path, {
      success: Schema.Record(Schema.String, Schema.Unknown),
      error: [Unauthorized]
    }).annotate(OpenApi.Summary, "This contract, as OpenAPI 3.1"),
    HttpApiEndpoint.get("docs", systemEndpoints.daemon.docs.path, {
      success: Schema.String.pipe(HttpApiSchema.asText({ contentType: "text/html; charset=utf-8" })),
      error: [Unauthorized]
    }).annotate(OpenApi.Summary, "This contract, as a page")
  )
  .annotate(OpenApi.Description, "The daemon itself") {}
