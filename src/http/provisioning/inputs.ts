/**
 * What callers of the Provisioning API send, read: its members as the contract has them, in its order, with what is left out
 * filled in. Members that are not known are passed over, for the original's clients may send more.
 */
import * as Effect from "effect/Effect"
import type { Json } from "../../services/operations/Operation.ts"
import { NewServer, NewTaskserv, NewWorkspace } from "../../services/provisioning/requests.ts"
import type { Call } from "../edge/Call.ts"
import { type HttpFailure, invalid } from "../edge/HttpFailure.ts"
import { jsonReader } from "../edge/readJson.ts"

/** Every member at its longest is smaller: 256 host names. */
export const bodyMaxBytes = 128 * 1024

const options = { maxBytes: bodyMaxBytes, unknown: "ignore" } as const

const readServer = jsonReader(NewServer, options)
const readTaskserv = jsonReader(NewTaskserv, options)

export const readNewWorkspace = jsonReader(NewWorkspace, options)

/** Of an operation: what it is called, and what it is given. */
export interface Asked {
  readonly name: string
  readonly input: Json
}

export const readNewServer = (call: Call): Effect.Effect<Asked, HttpFailure> =>
  Effect.map(readServer(call), ({ check_mode, hostname, plan, provider, tags, workspace, zone }) => ({
    name: `${workspace}/${hostname}`,
    input: {
      workspace,
      provider,
      plan,
      hostname,
      zone: zone ?? null,
      check_mode: check_mode ?? false,
      tags: tags ?? []
    }
  }))

export const readNewTaskserv = (call: Call): Effect.Effect<Asked, HttpFailure> =>
  Effect.map(readTaskserv(call), ({ check_mode, name, servers, workspace }) => ({
    name: `${workspace}/${name}`,
    input: { workspace, name, servers, check_mode: check_mode ?? false }
  }))

const flags: ReadonlyMap<string, boolean> = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false]
])

/** Of a DELETE, which has no body. */
export const checkModeOf = (call: Call): Effect.Effect<boolean, HttpFailure> => {
  const given = call.query.get("check_mode") ?? "false"
  const value = flags.get(given)
  return value === undefined
    ? Effect.fail(
        invalid(`check_mode: found ${JSON.stringify(given.slice(0, 100))}, allowed: ${[...flags.keys()].join(", ")}`)
      )
    : Effect.succeed(value)
}
