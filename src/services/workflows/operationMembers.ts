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
  /** Exactly one of these is given. */
  readonly oneOf: readonly [string, string] | undefined
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
const several = { list: true }

const deletion = (id: string, name: string): OperationShape => ({
  members: [perhaps(id), perhaps(name)],
  oneOf: [id, name],
  result: new Map([
    [id, single],
    [name, single]
  ]),
  numbered: undefined,
  undo: undefined
})

export const operationShapes: Readonly<Record<StepOperation, OperationShape>> = {
  "server.create": {
    members: [
      one("provider"),
      one("plan"),
      one("hostname"),
      perhaps("zone"),
      { spec: text("tags", false), list: true }
    ],
    oneOf: undefined,
    result: new Map(["server_id", "hostname", "ip_address", "workspace"].map((name) => [name, single])),
    numbered: "hostname",
    undo: "server.delete"
  },
  "server.delete": deletion("server_id", "hostname"),
  "taskserv.create": {
    members: [one("name"), { spec: text("servers", true), list: true }],
    oneOf: undefined,
    result: new Map([
      ["taskserv_id", single],
      ["name", single],
      ["servers", several],
      ["workspace", single]
    ]),
    numbered: undefined,
    undo: "taskserv.delete"
  },
  "taskserv.delete": deletion("taskserv_id", "name")
}
