/** Contract of the units that are shown: what is known of each, and what may be done with it. */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { statusEndpoints } from "../endpoints.ts"
import { OperationEntry } from "../Operations.ts"
import { BadRequest, NotFound, StoreIsFull, toolErrors, ToolMissing, Unprocessable } from "./errors.ts"

const { services } = statusEndpoints

export const ServiceEntry = Schema.Struct({
  id: Schema.String,
  unit: Schema.String.annotate({ description: "Name of the systemd unit" }),
  description: Schema.String
}).annotate({ identifier: "Service" })

const said = (description: string) => Schema.NullOr(Schema.String).annotate({ description })

const UnitStatus = Schema.Struct({
  load_state: said("loaded, not-found, masked, bad-setting, error"),
  active_state: said("active, inactive, failed, activating, deactivating, reloading"),
  sub_state: said("running, exited, listening, dead, failed, auto-restart, …"),
  unit_file_state: said("enabled, disabled, static, masked, …"),
  main_pid: said("0 where there is none"),
  exit_code: said("ExecMainCode: 1 exited, 2 killed, 3 killed with a core; 0 where none has ended"),
  exit_status: said("ExecMainStatus: its exit status, or the signal's number")
}).annotate({ description: "As systemctl writes them; null where it says nothing" })

/** What the daemon adds stands behind what the original answers, so that its clients find theirs where it was. */
export const ServiceStatusEntry = Schema.Struct({
  service: ServiceEntry,
  status: Schema.NullOr(UnitStatus),
  healthy: Schema.Boolean.annotate({
    description:
      "Loaded, active and running or listening (of other types: at rest); exited with 0 where oneshot_ok; masked where " +
      "masked_ok. Never of a unit with an error"
  }),
  error: Schema.NullOr(Schema.Record(Schema.String, Schema.Unknown)).annotate({
    description: "Why nothing new is known of it: the detail of the error that it would be"
  }),
  result: said("Why it ended: success, exit-code, signal, oom-kill, start-limit-hit, …"),
  restarts: Schema.NullOr(Schema.Int).annotate({ description: "How often systemd has started it again by itself" }),
  since: said("Its last change of state: RFC 3339 UTC"),
  memory_bytes: Schema.NullOr(Schema.Int),
  invocation_id: said("Another one with each start"),
  age_ms: Schema.NullOr(Schema.Int).annotate({ description: "How old this is" }),
  stale: Schema.Boolean.annotate({ description: "It is the last that is known; asked since, systemctl did not answer" })
}).annotate({ identifier: "ServiceStatus" })

const params = { service: Schema.String.annotate({ description: "Its id" }) }

const control = {
  params,
  headers: {
    "idempotency-key": Schema.optionalKey(
      Schema.String.annotate({ description: "Sent again with the same one, it is answered with the same operation" })
    )
  },
  success: OperationEntry.annotate({
    httpApiStatus: 202,
    description: "Asked for; Location says where to see what becomes of it"
  }),
  error: [BadRequest, NotFound, Unprocessable, ToolMissing, StoreIsFull]
}

export class ServicesGroup extends HttpApiGroup.make("services")
  .add(
    HttpApiEndpoint.get("listServices", services.listServices.path, {
      success: Schema.Struct({ services: Schema.Array(ServiceEntry) })
    }).annotate(OpenApi.Summary, "The units that are shown"),
    HttpApiEndpoint.get("serviceStatus", services.serviceStatus.path, {
      params,
      success: ServiceStatusEntry,
      error: [NotFound, ...toolErrors]
    }).annotate(OpenApi.Summary, "The state of a unit"),
    HttpApiEndpoint.post("startService", services.startService.path, control).annotate(
      OpenApi.Summary,
      "Start a unit, where its control has start"
    ),
    HttpApiEndpoint.post("stopService", services.stopService.path, control).annotate(
      OpenApi.Summary,
      "Stop a unit, where its control has stop"
    ),
    HttpApiEndpoint.post("restartService", services.restartService.path, control).annotate(
      OpenApi.Summary,
      "Restart a unit, where its control has restart"
    ),
    HttpApiEndpoint.get("serviceOperation", services.serviceOperation.path, {
      params: { ...params, operation: Schema.String.annotate({ description: "Its id" }) },
      query: {
        wait: Schema.optionalKey(
          Schema.String.annotate({ description: "Wait up to so many seconds, 0 to 300, for its end" })
        )
      },
      success: OperationEntry,
      error: [BadRequest, NotFound, ToolMissing]
    }).annotate(OpenApi.Summary, "What became of a start, a stop or a restart")
  )
  .annotate(OpenApi.Description, "The units that are shown") {}
