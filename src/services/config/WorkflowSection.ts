/**
 * `[workflows.NAME]`: what is done in which order, how often it is tried, and how it is undone. This is the shape in the
 * file; the rules between its parts are in workflowFaults.ts, what the daemon works with is made in resolveWorkflows.ts.
 */
import * as Schema from "effect/Schema"
import { partsMax, stepOperations } from "../workflows/Definition.ts"
import { ActionArgument } from "./ArgumentSchema.ts"
import { choice, integer, key, optional, required, section, text, timerMsMax } from "./keys.ts"

/** A workflow with more of them wants to be two. */
const stepsMax = 256
const parametersMax = 64

/** A task service on every server that a step can make. */
const listMax = partsMax

const day_ms = 86_400_000

/** In a URL, in a list, in a line of output. */
export const workflowNamePattern = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/u
export const workflowNameAllowed = "a letter, then at most 63 of letters, digits, _ and -"

const stepName = Schema.String.check(Schema.isPattern(workflowNamePattern)).annotate({ allowed: workflowNameAllowed })

/** Exactly one of the parameter, and the step with its member. */
const Reference = Schema.Struct({
  parameter: optional(text(128), { description: "Name of a parameter of the workflow." }),
  step: optional(text(128), { description: "Name of a step that is done before: what came of it. With member." }),
  member: optional(text(128), { description: "Member of that step's result." })
}).annotate({ allowed: '{ parameter = "NAME" } or { step = "NAME", member = "NAME" }' })

const scalar = [text(), Schema.Finite, Schema.Boolean] as const

const Value = Schema.Union([...scalar, Reference]).annotate({
  allowed: 'text, a number, true or false, { parameter = "NAME" } or { step = "NAME", member = "NAME" }'
})

const Input = Schema.Record(
  Schema.String,
  Schema.Union([
    ...scalar,
    Reference,
    Schema.Array(Value)
      .check(Schema.isMaxLength(listMax))
      .annotate({ allowed: `at most ${listMax} values` })
  ]).annotate({ allowed: "a value or an array of values" })
).annotate({ allowed: "a table" })

const Compensation = Schema.Struct({
  action: required(text(128), { description: "Name of a configured action." }),
  input: Schema.optionalKey(
    Input.annotate({ description: "Its arguments; they may refer to the step itself. Default: those of the step." })
  )
}).annotate({ allowed: "the name of an action, or a table with the key action" })

const Step = Schema.Struct({
  name: required(stepName, { description: "Unique within the workflow." }),
  action: optional(text(128), { description: "Run this configured action. Either this or operation." }),
  operation: optional(choice(stepOperations), { description: "Ask for this operation. Either this or action." }),
  input: section(
    Input.annotate({ description: "Arguments of the action, or members of the operation's request." }),
    {}
  ),
  count: optional(
    Schema.Union([Schema.Finite, Reference]).annotate({
      allowed: `an integer from 1 to ${partsMax}, or { parameter = "NAME" }`
    }),
    { description: "For server.create: make so many, side by side; -1, -2, … is put behind the hostname." }
  ),
  needs: section(
    Schema.Array(text(128))
      .check(Schema.isMaxLength(stepsMax))
      .annotate({ description: "Steps that must have been done before.", allowed: "an array of names of steps" }),
    []
  ),
  retries: key(integer(0, 100), 0, { description: "How often it is tried again when it fails." }),
  retry_delay_ms: key(integer(0, 3_600_000), 1000, {
    description: "Time before it is tried again; doubled each time, up to an hour."
  }),
  timeout_ms: key(integer(1, day_ms), 3_600_000, {
    description: "Each try is cancelled, and has failed, after this."
  }),
  compensate: optional(
    Schema.Union([text(128), Compensation]).annotate({
      allowed: "the name of an action, or a table with the key action"
    }),
    {
      description:
        "Action that undoes it when a later step fails, or the whole is cancelled. What an operation made is removed anyway."
    }
  )
}).annotate({ description: "A step.", allowed: "a table with the key name" })

export const WorkflowTable = Schema.Struct({
  description: key(text(), "", { description: "Shown where it is not known which workflow is meant." }),
  timeout_ms: key(integer(1, timerMsMax), day_ms, {
    description: "The whole has failed, and what it has done is undone, after this."
  }),
  concurrency: key(integer(1, 1024), 4, { description: "How many of this workflow run at once; others wait." }),
  parameters: section(
    Schema.Array(ActionArgument)
      .check(Schema.isMaxLength(parametersMax))
      .annotate({ description: "What a caller may say.", allowed: `at most ${parametersMax} tables` }),
    []
  ),
  steps: required(
    Schema.Array(Step)
      .check(Schema.isMinLength(1), Schema.isMaxLength(stepsMax))
      .annotate({ allowed: `1 to ${stepsMax} tables` }),
    { description: "What is done. Steps that need nothing of each other are done side by side." }
  )
}).annotate({ description: "A workflow.", allowed: "a table with the key steps" })

export const WorkflowsSection = Schema.Record(Schema.String, WorkflowTable).annotate({
  description: "Workflows that may be submitted, by type.",
  allowed: "a table"
})

export type WorkflowTable = typeof WorkflowTable.Type
export type StepTable = WorkflowTable["steps"][number]
export type InputTable = typeof Input.Type
export type ReferenceTable = typeof Reference.Type
