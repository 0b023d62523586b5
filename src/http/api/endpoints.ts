/**
 * Every endpoint's method and path, by the group and the name it has in the contract. Apart from it, because routing needs
 * these alone: the shapes and the words are for documents and clients, and a start does without them.
 */
export interface Endpoint {
  readonly method: "GET" | "POST"
  readonly path: `/${string}`
  /** A GET that changes something: kept for clients of the original, never answered to HEAD. */
  readonly sideEffects: boolean
}

const get = <const Path extends Endpoint["path"]>(path: Path) => ({ method: "GET", path, sideEffects: false }) as const
const changingGet = <const Path extends Endpoint["path"]>(path: Path) =>
  ({ method: "GET", path, sideEffects: true }) as const
const post = <const Path extends Endpoint["path"]>(path: Path) =>
  ({ method: "POST", path, sideEffects: false }) as const

export const endpoints = {
  health: { root: get("/"), livez: get("/livez"), readyz: get("/readyz") },
  events: {
    newEvent: changingGet("/api/v1/new_event"),
    logs: get("/logs"),
    list: get("/api/v1/events"),
    add: post("/api/v1/events"),
    stream: get("/api/v1/events/stream")
  },
  actions: {
    listActions: get("/api/v1/actions"),
    runPlain: changingGet("/api/v1/actions/:action"),
    run: post("/api/v1/actions/:action")
  },
  uploads: { upload: post("/api/v1/file-upload/:file") },
  daemon: {
    actors: get("/api/v1/actors"),
    info: get("/api/v1/info"),
    setBasicAuth: post("/api/v1/set-basic-auth"),
    metrics: get("/metrics"),
    openapi: get("/openapi.json"),
    docs: get("/docs")
  },
  /** Mounted under `general.pprof` alone. */
  debug: { profile: get("/debug/pprof/profile") }
}
