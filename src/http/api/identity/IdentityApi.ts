/** The identity API as a contract: who may come in and what they may do, and who did. */
import * as HttpApi from "effect/http-api/HttpApi"
import * as OpenApi from "effect/http-api/OpenApi"
import { ApprovalsGroup } from "./Approvals.ts"
import { AuditGroup } from "./Audit.ts"
import { AuthGroup } from "./Auth.ts"
import { TokensGroup } from "./Tokens.ts"
import { UsersGroup } from "./Users.ts"

export class IdentityApi extends HttpApi.make("identity")
  .add(AuthGroup)
  .add(UsersGroup)
  .add(TokensGroup)
  .add(AuditGroup)
  .add(ApprovalsGroup)
  .annotateMerge(
    OpenApi.annotations({
      title: "Identity API",
      version: "1",
      description: "Logins, users, roles, service tokens and keys, of all APIs of the daemon."
    })
  ) {}
