/** The Status API as a contract: units, journals, GPUs and the host. */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { GpusGroup } from "./Gpus.ts"
import { HostGroup } from "./Host.ts"
import { LogsGroup } from "./Logs.ts"
import { OverviewGroup } from "./Overview.ts"
import { ServicesGroup } from "./Services.ts"

export class StatusApi extends HttpApi.make("status")
  .add(OverviewGroup)
  .add(ServicesGroup)
  .add(LogsGroup)
  .add(GpusGroup)
  .add(HostGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "Status API",
      version: "1",
      description: "The state of systemd units, their journals, the GPUs and the host."
    })
  ) {}
