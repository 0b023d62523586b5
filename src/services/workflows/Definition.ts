/**
 * A workflow as it is configured, with everything that may be left out filled in: steps, what each needs, and where the
 * values of its input come from. Free of the file it came from; the built-in ones are written in this form.
 */
import type { ArgumentSpec } from "../config/ArgumentSchema.ts"

/** Operations that a step may ask for, by their kind. */
export const stepOperations = ["server.create", "server.delete", "taskserv.create", "taskserv.delete"] as const
export type StepOperation = (typeof stepOperations)[number]

/** As many operations as one workflow asks for, and as one count says; a cluster that is larger is made in pieces. */
export const partsMax = 1000

export type Scalar = string | number | boolean

/** A member of what came of an earlier step: a list of them where that has a count. */
export interface StepReference {
  readonly step: string
  readonly member: string
}

export interface ParameterReference {
  readonly parameter: string
}

export type InputValue = Scalar | ParameterReference | StepReference

export type Input = Readonly<Record<string, InputValue | ReadonlyArray<InputValue>>>

/** What is asked for: a configured action, or an operation. */
export type Task =
  | { readonly _tag: "Action"; readonly action: string }
  | { readonly _tag: "Operation"; readonly operation: StepOperation }

export interface Compensation {
  readonly action: string
  readonly input: Input
}

export interface StepDefinition {
  readonly name: string
  readonly task: Task
  readonly input: Input
  /** Undefined: once, without a number behind its name. */
  readonly count: number | ParameterReference | undefined
  readonly needs: ReadonlyArray<string>
  readonly retries: number
  readonly retry_delay_ms: number
  readonly timeout_ms: number
  readonly compensate: Compensation | undefined
}

export interface WorkflowDefinition {
  readonly name: string
  readonly description: string
  readonly timeout_ms: number
  readonly concurrency: number
  readonly parameters: ReadonlyArray<ArgumentSpec>
  readonly steps: ReadonlyArray<StepDefinition>
}

export const isStepReference = (value: unknown): value is StepReference =>
  typeof value === "object" && value !== null && "step" in value

export const isParameterReference = (value: unknown): value is ParameterReference =>
  typeof value === "object" && value !== null && "parameter" in value
