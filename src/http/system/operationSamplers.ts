/**
 * How many operations there are and have ended, as metrics. What is kept is asked of the store when somebody looks; while
 * it does not answer its numbers stay as they were, and the other metrics are told all the same.
 */
import * as Effect from "effect/Effect"
import type { Sample } from "../../services/metrics/Metrics.ts"
import { finalStatuses } from "../../services/operations/Operation.ts"
import type { OperationCounts, Operations } from "../../services/operations/Operations.ts"

/** A disk that hangs must not hide the metrics that would tell of it. */
const answersWithin = "1 second"

export const operationSamples = (
  operations: Pick<Operations["Service"], "counts" | "endings">
): Effect.Effect<ReadonlyArray<Sample>> =>
  Effect.map(operations.counts, keptSamples).pipe(
    Effect.orElseSucceed((): ReadonlyArray<Sample> => []),
    Effect.timeoutOrElse({ duration: answersWithin, orElse: () => Effect.succeed([]) }),
    Effect.map((kept) => [...kept, ...endedSamples(operations.endings())])
  )

const keptSamples = ({ outputBytes, pending, running, total }: OperationCounts): ReadonlyArray<Sample> => [
  { name: "systemapi_operations_pending", help: "Operations that wait for their turn", value: pending },
  { name: "systemapi_operations_running", help: "Operations at work", value: running },
  { name: "systemapi_operations_kept", help: "Operations that are kept, whatever their status", value: total },
  { name: "systemapi_operations_output_bytes", help: "Bytes of their output that are kept", value: outputBytes }
]

const endedSamples = (endings: ReturnType<Operations["Service"]["endings"]>): ReadonlyArray<Sample> =>
  finalStatuses.map((status) => ({
    name: "systemapi_operations_ended_total",
    help: "Operations that have ended, by status",
    kind: "counter",
    value: endings[status],
    labels: { status }
  }))
