/** The errors of the Status API: what is wrong is under `detail`, a text or what the original has there. */
import * as Schema from "effect/Schema"

/** What openapi.ts finds them by. */
export const statusShape = "StatusProblem"

const problem = <const Status extends number, D extends Schema.Top>(status: Status, description: string, detail: D) =>
  Schema.Struct({ detail }).annotate({ identifier: `${statusShape}${status}`, httpApiStatus: status, description })

export const BadRequest = problem(400, "A parameter of the query is not what it may be", Schema.String)
export const Unauthorized = problem(
  401,
  "No or wrong credentials; WWW-Authenticate says which are taken",
  Schema.String
)
export const Forbidden = problem(
  403,
  "The caller's role may not do this, or the configuration allows it to nobody",
  Schema.String
)
export const NotFound = problem(404, "There is none of that id", Schema.String)
export const Unprocessable = problem(
  422,
  "A parameter of the query is out of its range; as a text: the Idempotency-Key was used with another request",
  Schema.Union([
    Schema.Array(Schema.Struct({ loc: Schema.Array(Schema.String), msg: Schema.String, type: Schema.String })),
    Schema.String
  ])
)
export const RateLimited = problem(429, "Too many requests; Retry-After says when", Schema.String)
export const ToolFailed = problem(
  502,
  "A tool failed",
  Schema.Struct({ error: Schema.Literal("command_failed"), command: Schema.String, exit_code: Schema.Int })
)
export const ToolMissing = problem(
  503,
  "A tool is missing, may not be used, or is asked by as many as may (Retry-After); as a text: the part of the daemon that answers this is restarting",
  Schema.Union([
    Schema.String,
    Schema.Struct({ error: Schema.Literal("missing_binary"), binary: Schema.String }),
    Schema.Struct({ error: Schema.Literal("journal_forbidden"), message: Schema.String }),
    Schema.Struct({ error: Schema.Literal("busy"), command: Schema.String })
  ])
)
export const ToolTimeout = problem(
  504,
  "A tool did not answer in time",
  Schema.Struct({ error: Schema.Literal("timeout"), command: Schema.String })
)
export const StoreIsFull = problem(507, "The store has no room; reads go on", Schema.String)

/** Of whatever the edge answers before an endpoint is asked. */
export const edgeErrors = [Unauthorized, Forbidden, RateLimited] as const

/** Of whatever asks a tool. */
export const toolErrors = [ToolFailed, ToolMissing, ToolTimeout] as const
