/**
 * The System API as a contract: shapes, statuses and words, no code. What is served, what `/openapi.json` and `/docs` say
 * and what clients can import all come from here.
 */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { ActionsGroup, UploadsGroup } from "./Actions.ts"
import { DaemonGroup, DebugGroup, HealthGroup } from "./Daemon.ts"
import { EventsGroup } from "./Events.ts"
import { OperationsGroup } from "./Operations.ts"

export class SystemApi extends HttpApi.make("systemapi")
  .add(HealthGroup)
  .add(EventsGroup)
  .add(ActionsGroup)
  .add(OperationsGroup)
  .add(UploadsGroup)
  .add(DaemonGroup)
  .add(DebugGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "System API",
      version: "1",
      description: "Event log, allow-listed actions and file uploads of a machine nobody may log into."
    })
  ) {}
