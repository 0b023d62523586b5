/**
 * What the operations of steps are given and what comes of them, as a workflow's configuration is checked against it. What
 * a value may look like in detail is for the operation itself to say.
 */
import type { ArgumentSpec } from "../config/ArgumentSchema.ts"
import { maxLengthDefault } from "../commands/Arguments.ts"
import type { StepOperation } from "./Definition.ts"

/** Something that a step's input may have. */
export interface Member {
  readonly spec: ArgumentSpec
  /** A list of such. */
  readonly list: boolean
}

interface OperationShape {
  readonly members: ReadonlyArray<Member>
  /** Names of what is in its result. */
  readonly result: ReadonlyMap<string, { readonly list: boolean }>
  /** The member that a number is put behind where there are several. */
  readonly numbered: string | undefined
  /** What undoes it, given the id of what was made. */
  readonly undo: StepOperation | undefined
}

const text = (name: string, required: boolean): ArgumentSpec => ({
  name,
  type: "string",
  pattern: undefined,
  max_length: maxLengthDefault,
  default: undefined,
  description: "",
  required
})

const one = (name: string): Member => ({ spec: text(name, true), list: false })
const perhaps = (name: string): Member => ({ spec: text(name, false), list: false })

const single = { list: false }

const deletion: OperationShape = {
  members: [one("id")],
  result: new Map([["id", single]]),
  numbered: undefined,
  undo: undefined
}

export const operationShapes: Readonly<Record<StepOperation, OperationShape>> = {
  "server.create": {
    members: [
      one("provider"),
      one("plan"),
      one("hostname"),
      perhaps("zone"),
      { spec: text("tags", false), list: true }
    ],
    result: new Map(
      ["id", "hostname", "provider", "plan", "zone", "ip_address", "status", "created_at"].map((name) => [name, single])
    ),
    numbered: "hostname",
    undo: "server.delete"
  },
  "server.delete": deletion,
  "taskserv.create": {
    members: [one("name"), { spec: text("servers", true), list: true }],
    result: new Map([
      ["id", single],
      ["name", single],
      ["servers", { list: true }],
      ["status", single],
      ["created_at", single]
    ]),
    numbered: undefined,
    undo: "taskserv.delete"
  },
  "taskserv.delete": deletion
}
