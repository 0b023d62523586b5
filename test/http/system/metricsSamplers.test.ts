import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ActorReport } from "../../../src/actors/kernel/Supervisor.ts"
import { Supervisor } from "../../../src/actors/kernel/Supervisor.ts"
import type { ListenerStats } from "../../../src/http/listener/Connections.ts"
import { registerSamplers } from "../../../src/http/system/metricsSamplers.ts"
import { Audit } from "../../../src/services/audit/Audit.ts"
import { FailureThrottle } from "../../../src/services/auth/FailureThrottle.ts"
import { type ActiveCommand, Executor, type ExecutorReport } from "../../../src/services/commands/Executor.ts"
import { Pipes, type PipeStats } from "../../../src/services/fifo/Pipes.ts"
import { Metrics } from "../../../src/services/metrics/Metrics.ts"
import { Operations } from "../../../src/services/operations/Operations.ts"
import { mockEventLog, mockProcessLog } from "../../harness/mocks.ts"

/** Numbers that differ, so that none can stand for another. */
const listenerStats: ListenerStats = {
  open: 1,
  busy: 2,
  accepted: 3,
  refused: 4,
  evicted: 5,
  malformed: 6,
  handshakesFailed: 7,
  overrun: 8,
  streams: 9,
  streamsRefused: 10,
  requests: 11,
  timedOut: { header: 12, body: 13, request: 14, write: 15, response: 16, idle: 17 }
}

const pipeStats: PipeStats = {
  path: "/run/p.fifo",
  source: "p.fifo",
  open: true,
  lines: 20,
  cutLines: 21,
  invalidLines: 22,
  stored: 23,
  waiting: 24,
  blocked: "no space left on device",
  bytes: 25,
  reopened: 26,
  ingestedFiles: 27,
  lastError: undefined
}

const actor = { since: 0, lastFailure: undefined, restart: "permanent", busySince: undefined } as const
const actors: ReadonlyArray<ActorReport> = [
  {
    ...actor,
    name: "EventStore",
    state: "backing-off",
    restarts: 30,
    mailbox: { depth: 31, capacity: 32, handled: 33, dropped: 34, refused: 35 }
  },
  { ...actor, name: "Retention", state: "running", restarts: 36, mailbox: undefined }
]

const command: ActiveCommand = { id: 1, who: "admin", why: undefined, askedAt: 0, pid: 1 }
const commands: ExecutorReport = {
  lanes: [
    { name: "a", concurrency: 2, queueLength: 1, running: [command, command], waiting: [{ ...command, position: 1 }] },
    { name: "b", concurrency: 1, queueLength: 1, running: [command], waiting: [] }
  ],
  lingering: [{ ...command, name: "c" }],
  totals: { started: 40, finished: 41, timedOut: 42, failed: 43, refused: 44, abandoned: 45, evicted: 46 }
}

const expected = `
systemapi_connections{listener="127.0.0.1:3535"} 1
systemapi_connections_busy{listener="127.0.0.1:3535"} 2
systemapi_connections_accepted_total{listener="127.0.0.1:3535"} 3
systemapi_connections_refused_total{listener="127.0.0.1:3535"} 4
systemapi_connections_evicted_total{listener="127.0.0.1:3535"} 5
systemapi_connections_malformed_total{listener="127.0.0.1:3535"} 6
systemapi_tls_handshakes_failed_total{listener="127.0.0.1:3535"} 7
systemapi_connections_overrun_total{listener="127.0.0.1:3535"} 8
systemapi_http2_streams{listener="127.0.0.1:3535"} 9
systemapi_http2_streams_refused_total{listener="127.0.0.1:3535"} 10
systemapi_http_timeouts_total{listener="127.0.0.1:3535",deadline="header"} 12
systemapi_http_timeouts_total{listener="127.0.0.1:3535",deadline="body"} 13
systemapi_http_timeouts_total{listener="127.0.0.1:3535",deadline="request"} 14
systemapi_http_timeouts_total{listener="127.0.0.1:3535",deadline="write"} 15
systemapi_http_timeouts_total{listener="127.0.0.1:3535",deadline="response"} 16
systemapi_http_timeouts_total{listener="127.0.0.1:3535",deadline="idle"} 17
systemapi_pipe_open{pipe="p.fifo"} 1
systemapi_pipe_lines_total{pipe="p.fifo"} 20
systemapi_pipe_lines_cut_total{pipe="p.fifo"} 21
systemapi_pipe_lines_invalid_total{pipe="p.fifo"} 22
systemapi_pipe_lines_waiting{pipe="p.fifo"} 24
systemapi_pipe_blocked{pipe="p.fifo"} 1
systemapi_pipe_bytes_total{pipe="p.fifo"} 25
systemapi_pipe_reopened_total{pipe="p.fifo"} 26
systemapi_pipe_files_ingested_total{pipe="p.fifo"} 27
systemapi_actor_state{actor="EventStore",state="starting"} 0
systemapi_actor_state{actor="EventStore",state="running"} 0
systemapi_actor_state{actor="EventStore",state="backing-off"} 1
systemapi_actor_state{actor="EventStore",state="stopped"} 0
systemapi_actor_state{actor="EventStore",state="failed"} 0
systemapi_actor_state{actor="Retention",state="starting"} 0
systemapi_actor_state{actor="Retention",state="running"} 1
systemapi_actor_state{actor="Retention",state="backing-off"} 0
systemapi_actor_state{actor="Retention",state="stopped"} 0
systemapi_actor_state{actor="Retention",state="failed"} 0
systemapi_actor_restarts_total{actor="EventStore"} 30
systemapi_actor_restarts_total{actor="Retention"} 36
systemapi_mailbox_depth{actor="EventStore"} 31
systemapi_mailbox_capacity{actor="EventStore"} 32
systemapi_mailbox_handled_total{actor="EventStore"} 33
systemapi_mailbox_dropped_total{actor="EventStore"} 34
systemapi_mailbox_refused_total{actor="EventStore"} 35
systemapi_commands_running 3
systemapi_commands_waiting 1
systemapi_commands_lingering 1
systemapi_commands_started_total 40
systemapi_commands_finished_total 41
systemapi_commands_timed_out_total 42
systemapi_commands_failed_total 43
systemapi_commands_refused_total 44
systemapi_commands_abandoned_total 45
systemapi_commands_evicted_total 46
systemapi_events_first_seq 50
systemapi_events_last_seq 51
systemapi_events_removed_through_seq 52
systemapi_store_bytes 53
systemapi_store_degraded 1
systemapi_auth_networks 60
systemapi_auth_failures_total 61
systemapi_auth_limited_total 62
systemapi_audit_recorded_total 65
systemapi_audit_summed_total 66
systemapi_audit_failed_total 67
systemapi_audit_degraded 1
systemapi_log_lines_dropped_total 70
systemapi_operations_pending 80
systemapi_operations_running 81
systemapi_operations_kept 82
systemapi_operations_output_bytes 83
systemapi_operations_ended_total{status="completed"} 84
systemapi_operations_ended_total{status="failed"} 85
systemapi_operations_ended_total{status="cancelled"} 86`

const services = Layer.mergeAll(
  Metrics.layer,
  Layer.mock(Supervisor, { report: Effect.succeed(actors) }),
  Layer.mock(Executor, { report: Effect.succeed(commands) }),
  Layer.mock(FailureThrottle, { stats: () => ({ addresses: 60, failures: 61, limited: 62 }) }),
  Layer.mock(Audit, {
    record: () => {},
    stats: () => ({ recorded: 65, summed: 66, failed: 67 }),
    degraded: () => "no space left on device"
  }),
  Layer.mock(Operations, {
    counts: Effect.succeed({ pending: 80, running: 81, total: 82, outputBytes: 83 }),
    position: () => undefined,
    endings: () => ({ completed: 84, failed: 85, cancelled: 86 })
  }),
  Layer.succeed(Pipes, { stats: () => [pipeStats] }),
  mockEventLog({
    bounds: () => ({ first: 50, last: 51, removedThrough: 52, hidden: 0, bytes: 53 }),
    degraded: () => "no space left on device"
  }),
  mockProcessLog({ dropped: () => 70 })
)

describe("the samplers", () => {
  it.effect("show all that was cut and how full everything is, each under its own name", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      yield* registerSamplers(() => [
        { address: { _tag: "Tcp", host: "127.0.0.1", port: 3535 }, stats: () => listenerStats }
      ])
      yield* metrics.sample
      const lines = (yield* metrics.render).trimEnd().split("\n")
      assert.deepStrictEqual(
        lines.filter((line) => line.startsWith("systemapi_")).sort(),
        expected.trim().split("\n").sort()
      )
      for (const family of new Set(expected.trim().split("\n").map(nameOf))) {
        const type = family.endsWith("_total") ? "counter" : "gauge"
        assert.include(lines, `# TYPE ${family} ${type}`)
        assert.isTrue(
          lines.some((line) => line.startsWith(`# HELP ${family} `)),
          family
        )
      }
    }).pipe(Effect.provide(services))
  )
})

const nameOf = (line: string): string => line.split(/[{ ]/u, 1)[0] ?? ""
