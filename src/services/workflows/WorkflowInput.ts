/**
 * What an operation of kind `workflow` is given: the definition as it was when it was submitted, with the caller's
 * parameters in place. A later change of the configuration so alters nothing of what has been asked for, and what ran is
 * there to be read afterwards.
 */
import * as Schema from "effect/Schema"
import { stepOperations } from "./Definition.ts"

const Scalar = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean])

const Reference = Schema.Struct({ step: Schema.String, member: Schema.String })

const Value = Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Reference])

const Input = Schema.Record(
  Schema.String,
  Schema.Union([Schema.String, Schema.Finite, Schema.Boolean, Reference, Schema.Array(Value)])
)

const Step = Schema.Struct({
  name: Schema.String,
  /** One of the two. */
  action: Schema.NullOr(Schema.String),
  operation: Schema.NullOr(Schema.Literals(stepOperations)),
  input: Input,
  /** Null: once, without a number. */
  count: Schema.NullOr(Schema.Int),
  needs: Schema.Array(Schema.String),
  retries: Schema.Int,
  retry_delay_ms: Schema.Int,
  timeout_ms: Schema.Int,
  compensate: Schema.NullOr(Schema.Struct({ action: Schema.String, input: Input }))
})

export const WorkflowInput = Schema.Struct({
  workspace: Schema.String,
  workflow_type: Schema.String,
  parameters: Schema.Record(Schema.String, Scalar),
  check_mode: Schema.Boolean,
  timeout_ms: Schema.Int,
  steps: Schema.Array(Step)
})

export type WorkflowInput = typeof WorkflowInput.Type
export type PlannedStep = typeof Step.Type
export type PlannedInput = typeof Input.Type
export type PlannedValue = typeof Value.Type
