/** The Provisioning API as a contract: servers, task services and workspaces, and the operations that change them. */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { ProvisioningOperationsGroup } from "./Operations.ts"
import { ServiceGroup } from "./Service.ts"
import { ServersGroup } from "./Servers.ts"
import { TaskservsGroup } from "./Taskservs.ts"
import { WorkflowsGroup } from "./Workflows.ts"
import { WorkspacesGroup } from "./Workspaces.ts"

export class ProvisioningApi extends HttpApi.make("provisioning")
  .add(ServiceGroup)
  .add(ServersGroup)
  .add(TaskservsGroup)
  .add(WorkflowsGroup)
  .add(WorkspacesGroup)
  .add(ProvisioningOperationsGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "Provisioning API",
      version: "1",
      description: "Servers, task services and workflows, by operations that outlive their requests."
    })
  ) {}
