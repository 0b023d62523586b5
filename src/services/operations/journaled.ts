/** What the journal keeps of a command's end and of a child, as schemas: it is read again by a later daemon. */
import * as Schema from "effect/Schema"
import type { RunResult } from "../commands/Executor.ts"
import type { StreamOutput } from "../commands/Spawner.ts"
import { type Operation, operationStatuses } from "./Operation.ts"

const Stream: Schema.Codec<StreamOutput, unknown> = Schema.Struct({
  head: Schema.String,
  tail: Schema.String,
  bytes: Schema.Finite,
  sha256: Schema.String,
  truncated: Schema.Boolean
})

/** Without the output of both streams, which is kept with the operation. */
export const JournaledRun: Schema.Codec<Omit<RunResult, "output">, unknown> = Schema.Struct({
  exit: Schema.Union([
    Schema.Struct({ _tag: Schema.tag("Exited"), code: Schema.Finite }),
    Schema.Struct({ _tag: Schema.tag("Signaled"), signal: Schema.String })
  ]),
  timedOut: Schema.Boolean,
  durationMs: Schema.Finite,
  pid: Schema.Finite,
  startedAt: Schema.Finite,
  stdout: Stream,
  stderr: Stream,
  endedEarly: Schema.Boolean
})

const NullableText = Schema.NullOr(Schema.String)
const NullableNumber = Schema.NullOr(Schema.Finite)

export const JournaledOperation: Schema.Codec<Operation, unknown> = Schema.Struct({
  id: Schema.String,
  kind: Schema.String,
  name: Schema.String,
  input: Schema.Json,
  who: Schema.String,
  why: NullableText,
  parent: NullableText,
  idempotency: Schema.NullOr(Schema.Struct({ owner: Schema.String, key: Schema.String, fingerprint: Schema.String })),
  seq: Schema.Finite,
  status: Schema.Literals(operationStatuses),
  progress: NullableNumber,
  progressText: NullableText,
  result: Schema.Json,
  error: Schema.NullOr(
    Schema.Struct({
      code: Schema.String,
      message: Schema.String,
      details: Schema.optionalKey(Schema.JsonObject)
    })
  ),
  createdAt: Schema.Finite,
  updatedAt: Schema.Finite,
  startedAt: NullableNumber,
  endedAt: NullableNumber,
  cancelRequestedAt: NullableNumber,
  cancelRequestedBy: NullableText
})
