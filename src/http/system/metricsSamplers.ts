/**
 * What the parts of the daemon count of themselves, as metrics: what was cut, dropped, refused, ended early or restarted,
 * and how full everything is that has a bound. Read when somebody looks; nothing here is on a path that is counted.
 *
 * Bounds: one series per listener, FIFO, actor and tool of the machine, all of them configured, and a fixed number besides. Never a label
 * that a caller chose: commands are counted in all, by what became of them.
 */
import * as Effect from "effect/Effect"
import type { ActorStateName } from "../../actors/kernel/Child.ts"
import { type ActorReport, Supervisor } from "../../actors/kernel/Supervisor.ts"
import { Audit, type AuditStats } from "../../services/audit/Audit.ts"
import { FailureThrottle, type FailureThrottleStats } from "../../services/auth/FailureThrottle.ts"
import { Executor, type ExecutorReport } from "../../services/commands/Executor.ts"
import { format } from "../../services/config/ListenAddress.ts"
import { EventLog } from "../../services/events/EventLog.ts"
import { Pipes, type PipeStats } from "../../services/fifo/Pipes.ts"
import { ProcessLog } from "../../services/log/ProcessLog.ts"
import { Metrics, type Sample } from "../../services/metrics/Metrics.ts"
import { Operations } from "../../services/operations/Operations.ts"
import { toolOfLane } from "../../services/tools/Tool.ts"
import { toolCounts } from "../../services/tools/toolCounts.ts"
import type { BoundListener } from "../listener/Listener.ts"
import { operationSamples } from "./operationSamplers.ts"

type Listeners = () => ReadonlyArray<Pick<BoundListener, "address" | "stats">>

/** Once per daemon, when its listeners are bound. */
export const registerSamplers = Effect.fnUntraced(function* (listeners: Listeners) {
  const audit = yield* Audit
  const executor = yield* Executor
  const log = yield* EventLog
  const metrics = yield* Metrics
  const operations = yield* Operations
  const pipes = yield* Pipes
  const processLog = yield* ProcessLog
  const supervisor = yield* Supervisor
  const throttle = yield* FailureThrottle
  yield* metrics.register(
    Effect.gen(function* () {
      const report = yield* executor.report
      return [
        ...listeners().flatMap(listenerSamples),
        ...pipes.stats().flatMap(pipeSamples),
        ...(yield* supervisor.report).flatMap(actorSamples),
        ...commandSamples(report),
        ...toolSamples(report, toolCounts(executor)),
        ...(yield* operationSamples(operations)),
        ...eventSamples(log),
        ...authSamples(throttle.stats()),
        ...auditSamples(audit.stats(), audit.degraded() !== undefined),
        counter("systemapi_log_lines_dropped_total", "Lines of the process log that were lost", processLog.dropped())
      ]
    })
  )
})

type Labels = Readonly<Record<string, string>>

const gauge = (name: string, help: string, value: number, labels?: Labels): Sample =>
  labels === undefined ? { name, help, value } : { name, help, value, labels }

const counter = (name: string, help: string, value: number, labels?: Labels): Sample => ({
  ...gauge(name, help, value, labels),
  kind: "counter"
})

const listenerSamples = ({ address, stats }: ReturnType<Listeners>[number]): ReadonlyArray<Sample> => {
  const now = stats()
  const listener = { listener: format(address) }
  return [
    gauge("systemapi_connections", "Connections open", now.open, listener),
    gauge("systemapi_connections_busy", "Connections with a request in hand", now.busy, listener),
    counter("systemapi_connections_accepted_total", "Connections accepted", now.accepted, listener),
    counter(
      "systemapi_connections_refused_total",
      "Connections turned away because all were busy",
      now.refused,
      listener
    ),
    counter("systemapi_connections_evicted_total", "Idle connections closed to make room", now.evicted, listener),
    counter("systemapi_connections_overrun_total", "Connections that pipelined too much", now.overrun, listener),
    counter("systemapi_connections_malformed_total", "Connections that sent no HTTP", now.malformed, listener),
    counter(
      "systemapi_tls_handshakes_failed_total",
      "TLS handshakes that came to nothing",
      now.handshakesFailed,
      listener
    ),
    gauge("systemapi_http2_streams", "HTTP/2 streams open", now.streams, listener),
    counter(
      "systemapi_http2_streams_refused_total",
      "HTTP/2 streams refused because too many were open",
      now.streamsRefused,
      listener
    ),
    ...Object.entries(now.timedOut).map(([deadline, count]) =>
      counter("systemapi_http_timeouts_total", "Deadlines that clients missed", count, { ...listener, deadline })
    )
  ]
}

const pipeSamples = (now: PipeStats): ReadonlyArray<Sample> => {
  const pipe = { pipe: now.source }
  return [
    gauge("systemapi_pipe_open", "Whether the FIFO is open", Number(now.open), pipe),
    gauge(
      "systemapi_pipe_blocked",
      "Whether lines wait because the log refuses them",
      Number(now.blocked !== undefined),
      pipe
    ),
    gauge("systemapi_pipe_lines_waiting", "Lines read that the log does not have yet", now.waiting, pipe),
    counter("systemapi_pipe_bytes_total", "Bytes read from the FIFO", now.bytes, pipe),
    counter("systemapi_pipe_lines_total", "Lines that became events", now.lines, pipe),
    counter("systemapi_pipe_lines_cut_total", "Lines over line_max_bytes, kept cut", now.cutLines, pipe),
    counter("systemapi_pipe_lines_invalid_total", "Lines that were not UTF-8", now.invalidLines, pipe),
    counter("systemapi_pipe_reopened_total", "Times the FIFO was opened again", now.reopened, pipe),
    counter("systemapi_pipe_files_ingested_total", "Files found in place of the FIFO", now.ingestedFiles, pipe)
  ]
}

/** Every state, so that a series that is 0 tells an actor that is not so from one that is not there. */
const states = Object.keys({
  starting: true,
  running: true,
  "backing-off": true,
  stopped: true,
  failed: true
} satisfies Record<ActorStateName, true>)

const actorSamples = ({ mailbox, name, restarts, state }: ActorReport): ReadonlyArray<Sample> => {
  const actor = { actor: name }
  return [
    ...states.map((one) =>
      gauge("systemapi_actor_state", "1 for the state the actor is in", Number(one === state), { ...actor, state: one })
    ),
    counter("systemapi_actor_restarts_total", "Restarts after a failure", restarts, actor),
    ...(mailbox === undefined
      ? []
      : [
          gauge("systemapi_mailbox_depth", "Messages that wait for the actor", mailbox.depth, actor),
          gauge("systemapi_mailbox_capacity", "Messages that may wait", mailbox.capacity, actor),
          counter("systemapi_mailbox_handled_total", "Messages the actor took", mailbox.handled, actor),
          counter("systemapi_mailbox_dropped_total", "Messages dropped to make room", mailbox.dropped, actor),
          counter("systemapi_mailbox_refused_total", "Messages refused: the mailbox was full", mailbox.refused, actor)
        ])
  ]
}

const commandSamples = ({ lanes, lingering, totals }: ExecutorReport): ReadonlyArray<Sample> => {
  const count = (of: (lane: ExecutorReport["lanes"][number]) => ReadonlyArray<unknown>) =>
    lanes.reduce((sum, lane) => sum + of(lane).length, 0)
  return [
    gauge(
      "systemapi_commands_running",
      "Commands at work",
      count(({ running }) => running)
    ),
    gauge(
      "systemapi_commands_waiting",
      "Commands that wait for their turn",
      count(({ waiting }) => waiting)
    ),
    gauge("systemapi_commands_lingering", "Commands that answered and left processes behind", lingering.length),
    counter("systemapi_commands_started_total", "Commands started", totals.started),
    counter("systemapi_commands_finished_total", "Commands that answered, whatever their exit", totals.finished),
    counter("systemapi_commands_timed_out_total", "Commands ended by their timeout", totals.timedOut),
    counter("systemapi_commands_failed_total", "Commands not started or lost track of", totals.failed),
    counter("systemapi_commands_refused_total", "Commands refused: as many ran and waited as may", totals.refused),
    counter("systemapi_commands_abandoned_total", "Commands whose caller left before the answer", totals.abandoned),
    counter("systemapi_commands_evicted_total", "Process groups ended because too many lingered", totals.evicted)
  ]
}

/** One series for each of the machine's tools that was asked. */
const toolSamples = ({ lanes }: ExecutorReport, counts: ReturnType<typeof toolCounts>): ReadonlyArray<Sample> =>
  [...counts].flatMap(([name, { asked, failed, timedOut }]) => {
    const tool = { tool: name }
    const running = lanes.find((lane) => toolOfLane(lane.name) === name)?.running.length ?? 0
    return [
      gauge("systemapi_tools_running", "Processes of the tool, those too that do not end", running, tool),
      counter("systemapi_tools_asked_total", "Times the tool was asked", asked, tool),
      counter("systemapi_tools_failed_total", "Times it was missing, failed or was too late", failed, tool),
      counter("systemapi_tools_timed_out_total", "Times it did not answer in time", timedOut, tool)
    ]
  })

const eventSamples = (log: EventLog["Service"]): ReadonlyArray<Sample> => {
  const { bytes, first, last, removedThrough } = log.bounds()
  return [
    gauge("systemapi_events_first_seq", "Oldest event stored", first),
    gauge("systemapi_events_last_seq", "Newest event stored", last),
    gauge("systemapi_events_removed_through_seq", "Newest event that retention removed", removedThrough),
    gauge("systemapi_store_bytes", "Bytes in use in the event store", bytes),
    gauge(
      "systemapi_store_degraded",
      "Whether the event store refuses new events",
      Number(log.degraded() !== undefined)
    )
  ]
}

const auditSamples = ({ failed, recorded, summed }: AuditStats, isDegraded: boolean): ReadonlyArray<Sample> => [
  counter("systemapi_audit_recorded_total", "Audit entries recorded", recorded),
  counter("systemapi_audit_summed_total", "Refusals that share an entry with others", summed),
  counter("systemapi_audit_failed_total", "Audit entries that could not be recorded", failed),
  gauge("systemapi_audit_degraded", "Whether audit entries wait for the event store, or were lost", Number(isDegraded))
]

const authSamples = ({ addresses, failures, limited }: FailureThrottleStats): ReadonlyArray<Sample> => [
  gauge("systemapi_auth_networks", "Networks whose wrong passwords are remembered", addresses),
  counter("systemapi_auth_failures_total", "Wrong passwords answered", failures),
  counter("systemapi_auth_limited_total", "Attempts answered later: too many wrong passwords", limited)
]
