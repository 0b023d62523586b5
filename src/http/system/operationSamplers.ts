/**
 * How many operations there are, as metrics: those that wait and run, and what is kept of the others. Asked of the store
 * when somebody looks; while it does not answer these are left as they were, and the other metrics are told all the same.
 */
import * as Effect from "effect/Effect"
import type { Sample } from "../../services/metrics/Metrics.ts"
import type { OperationCounts, Operations } from "../../services/operations/Operations.ts"

/** A disk that hangs must not hide the metrics that would tell of it. */
const answersWithin = "1 second"

export const operationSamples = (
  operations: Pick<Operations["Service"], "counts">
): Effect.Effect<ReadonlyArray<Sample>> =>
  Effect.map(operations.counts, samplesOf).pipe(
    Effect.catch(() => Effect.succeed([])),
    Effect.timeoutOrElse({ duration: answersWithin, orElse: () => Effect.succeed([]) })
  )

const samplesOf = (now: OperationCounts): ReadonlyArray<Sample> => {
  const help = "Operations that are kept, by status"
  return [
    ...(["pending", "running", "completed", "failed", "cancelled"] as const).map((status) => ({
      name: "systemapi_operations",
      help,
      value: now[status],
      labels: { status }
    })),
    { name: "systemapi_operations_output_bytes", help: "Bytes of their output that are kept", value: now.outputBytes }
  ]
}
