/**
 * What commands at the console of the machine did to the identity store, kept there with each change until a daemon has
 * it in its audit log: only the daemon writes the log, and the console must work while there is none.
 *
 * Whoever may run such a command may read and write the daemon's files, this trail included: it says what honest hands
 * did. Who that was is what the operating system says of the process.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type { IdentityUnavailable } from "./IdentityStore.ts"

/** What the commands write. Times are UNIX milliseconds. */
export const ConsoleAct = Schema.Struct({
  at: Schema.Int,
  /** `console:root`: no user of the store has a colon. */
  who: Schema.String,
  /** As the audit log calls it: `user.created`. */
  action: Schema.String,
  /** What was changed. */
  on: Schema.String,
  detail: Schema.optionalKey(Schema.String),
  /** Of what can be revoked. */
  credential: Schema.optionalKey(Schema.String)
})

export type ConsoleAct = typeof ConsoleAct.Type

export interface ConsoleNote {
  readonly id: number
  /** A ConsoleAct as JSON. */
  readonly text: string
}

export class ConsoleNotes extends Context.Service<
  ConsoleNotes,
  {
    /** The oldest ones, a bounded number. */
    readonly read: Effect.Effect<ReadonlyArray<ConsoleNote>, IdentityUnavailable>
    /** Removes those up to this id, which the audit log has. */
    readonly forget: (through: number) => Effect.Effect<void, IdentityUnavailable>
  }
>()("systemapi/services/identity/ConsoleNotes") {}
