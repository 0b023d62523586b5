/**
 * Every endpoint's method, path and permission, by API, by group and by the name it has in the contract. Apart from it,
 * because routing and access control need these alone: the shapes and the words are for documents and clients, and a
 * start does without them.
 */
import type { PermissionPrefix, PlainPermission } from "../../services/identity/Permission.ts"

/** The parameters of a path: `action` of `/api/v1/actions/:action`. */
type ParamOf<Path extends string> = Path extends `${string}:${infer Param}/${infer Rest}`
  ? Param | ParamOf<`/${Rest}`>
  : Path extends `${string}:${infer Param}`
    ? Param
    : never

/**
 * Who may call an endpoint: everybody (`public`, which looks at no credentials), whoever said who they are
 * (`authenticated`), or whoever has the permission. `actions:run:{action}` is completed by the path's parameter.
 */
export type Access<Param extends string = string> =
  | "public"
  | "authenticated"
  | PlainPermission
  | `${PermissionPrefix}:{${Param}}`

/** What requests are counted together for rate limits. */
export type RateClass = "read" | "write" | "run" | "login"

export interface Endpoint {
  readonly method: "GET" | "POST" | "PATCH" | "DELETE"
  readonly path: `/${string}`
  readonly access: Access
  /** A GET that changes something: kept for clients of the original, never answered to HEAD. */
  readonly sideEffects: boolean
  readonly rate: RateClass
  /**
   * Whether its grant is audited. Reading is not, unless configured; recording events is not either: each of them says
   * in the log who recorded it.
   */
  readonly audited: boolean
}

type Rest = Partial<Pick<Endpoint, "rate" | "audited" | "sideEffects">>

const endpoint =
  <const Method extends Endpoint["method"]>(method: Method, usual: Required<Rest>) =>
  <const Path extends Endpoint["path"]>(path: Path, access: Access<ParamOf<Path>>, rest: Rest = {}) => ({
    method,
    path,
    access,
    ...usual,
    ...rest
  })

const changes = { sideEffects: false, rate: "write", audited: true } as const
const get = endpoint("GET", { sideEffects: false, rate: "read", audited: false })
const changingGet = endpoint("GET", { ...changes, sideEffects: true })
const post = endpoint("POST", changes)
const patch = endpoint("PATCH", changes)
const remove = endpoint("DELETE", changes)

export const systemEndpoints = {
  health: {
    root: get("/", "health:read"),
    livez: get("/livez", "health:read"),
    readyz: get("/readyz", "health:read")
  },
  events: {
    newEvent: changingGet("/api/v1/new_event", "events:write", { audited: false }),
    logs: get("/logs", "events:read"),
    list: get("/api/v1/events", "events:read"),
    add: post("/api/v1/events", "events:write", { audited: false }),
    stream: get("/api/v1/events/stream", "events:read")
  },
  actions: {
    listActions: get("/api/v1/actions", "actions:list"),
    runPlain: changingGet("/api/v1/actions/:action", "actions:run:{action}", { rate: "run" }),
    run: post("/api/v1/actions/:action", "actions:run:{action}", { rate: "run" })
  },
  operations: {
    listOperations: get("/api/v1/operations", "operations:read"),
    getOperation: get("/api/v1/operations/:operation", "operations:read"),
    operationOutput: get("/api/v1/operations/:operation/output", "operations:read"),
    cancelOperation: post("/api/v1/operations/:operation/cancel", "operations:cancel")
  },
  uploads: { upload: post("/api/v1/file-upload/:file", "uploads:write:{file}") },
  daemon: {
    actors: get("/api/v1/actors", "daemon:read"),
    info: get("/api/v1/info", "daemon:read"),
    setBasicAuth: post("/api/v1/set-basic-auth", "secret:set"),
    metrics: get("/metrics", "metrics:read"),
    openapi: get("/openapi.json", "docs:read"),
    docs: get("/docs", "docs:read")
  },
  /** Mounted under `general.pprof` alone. */
  debug: { profile: get("/debug/pprof/profile", "profile:run", { rate: "run", audited: true }) }
}

export const identityEndpoints = {
  auth: {
    login: post("/v1/auth/login", "public", { rate: "login" }),
    refresh: post("/v1/auth/refresh", "public", { rate: "login" }),
    logout: post("/v1/auth/logout", "authenticated"),
    me: get("/v1/auth/me", "authenticated"),
    changePassword: post("/v1/auth/password", "authenticated", { rate: "login" }),
    jwks: get("/.well-known/jwks.json", "public"),
    listKeys: get("/v1/auth/keys", "keys:read"),
    rotateKey: post("/v1/auth/keys/rotate", "keys:rotate")
  },
  users: {
    listUsers: get("/v1/users", "users:read"),
    createUser: post("/v1/users", "users:manage"),
    getUser: get("/v1/users/:user", "users:read"),
    changeUser: patch("/v1/users/:user", "users:manage"),
    deleteUser: remove("/v1/users/:user", "users:manage"),
    setPassword: post("/v1/users/:user/password", "users:manage"),
    endSessions: post("/v1/users/:user/revoke", "users:manage"),
    listRoles: get("/v1/roles", "users:read")
  },
  tokens: {
    listTokens: get("/v1/tokens", "tokens:create"),
    createToken: post("/v1/tokens", "tokens:create"),
    revokeToken: remove("/v1/tokens/:token", "tokens:create")
  },
  audit: { listAudit: get("/v1/audit", "audit:read", { audited: true }) },
  approvals: {
    listApprovals: get("/v1/approvals", "approvals:read"),
    getApproval: get("/v1/approvals/:approval", "authenticated"),
    approve: post("/v1/approvals/:approval/approve", "approvals:decide"),
    deny: post("/v1/approvals/:approval/deny", "authenticated")
  }
}

export const provisioningEndpoints = {
  service: {
    health: get("/health", "public"),
    /** Named by the original's document as its API reference. */
    healthV1: get("/v1/health", "public"),
    version: get("/v1/version", "authenticated"),
    metrics: get("/v1/metrics", "metrics:read")
  },
  servers: {
    listServers: get("/v1/servers", "servers:read"),
    createServer: post("/v1/servers/create", "servers:create"),
    getServer: get("/v1/servers/:server", "servers:read"),
    deleteServer: remove("/v1/servers/:server", "servers:delete"),
    serverStatus: get("/v1/servers/:server/status", "servers:read")
  },
  taskservs: {
    listTaskservs: get("/v1/taskservs", "taskservs:read"),
    createTaskserv: post("/v1/taskservs/create", "taskservs:create"),
    getTaskserv: get("/v1/taskservs/:taskserv", "taskservs:read"),
    deleteTaskserv: remove("/v1/taskservs/:taskserv", "taskservs:delete"),
    taskservStatus: get("/v1/taskservs/:taskserv/status", "taskservs:read")
  },
  workflows: {
    listWorkflows: get("/v1/workflows", "workflows:read"),
    submitWorkflow: post("/v1/workflows/submit", "workflows:submit"),
    getWorkflow: get("/v1/workflows/:workflow", "workflows:read"),
    workflowStatus: get("/v1/workflows/:workflow/status", "workflows:read"),
    cancelWorkflow: post("/v1/workflows/:workflow/cancel", "workflows:cancel")
  },
  workspaces: {
    listWorkspaces: get("/v1/workspaces", "workspaces:read"),
    createWorkspace: post("/v1/workspaces/create", "workspaces:create"),
    getWorkspace: get("/v1/workspaces/:workspace", "workspaces:read")
  },
  operations: {
    listOperations: get("/v1/operations", "operations:read"),
    getOperation: get("/v1/operations/:operation", "operations:read"),
    operationOutput: get("/v1/operations/:operation/output", "operations:read"),
    cancelOperation: post("/v1/operations/:operation/cancel", "operations:cancel")
  }
}

export const statusEndpoints = {
  overview: {
    health: get("/health", "public"),
    overview: get("/overview", "units:read")
  },
  services: {
    listServices: get("/services", "units:read"),
    serviceStatus: get("/services/:service/status", "units:read"),
    startService: post("/services/:service/start", "units:control:{service}", { rate: "run" }),
    stopService: post("/services/:service/stop", "units:control:{service}", { rate: "run" }),
    restartService: post("/services/:service/restart", "units:control:{service}", { rate: "run" }),
    /** Where a listener that serves this API alone shows them too. */
    serviceOperation: get("/services/:service/operations/:operation", "units:control:{service}")
  },
  logs: {
    serviceLogs: get("/services/:service/logs", "units:logs:{service}"),
    followLogs: get("/services/:service/logs/stream", "units:logs:{service}")
  },
  gpus: {
    nvidiaSmi: get("/gpu/nvidia-smi", "gpus:read"),
    listGpus: get("/gpus", "gpus:read"),
    getGpu: get("/gpus/:gpu", "gpus:read")
  },
  host: {
    getHost: get("/api/v1/host", "host:read"),
    diskSpace: get("/disk/space", "host:read"),
    shutdown: post("/system/shutdown", "host:shutdown", { rate: "run" })
  }
}
