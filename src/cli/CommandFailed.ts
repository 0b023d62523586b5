/**
 * The one failure a command ends with once standard error has said why: it carries the exit code to the runtime, which
 * must not report it again.
 */
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", { why: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false

  override get message() {
    return this.why
  }
}

/** Says on standard error why a command failed. */
export const report = ({ message }: { readonly message: string }): Effect.Effect<never, CommandFailed> =>
  Effect.andThen(Console.error(message), Effect.fail(new CommandFailed({ why: message })))

export const reported = <A, E extends { readonly message: string }, R>(
  command: Effect.Effect<A, E, R>
): Effect.Effect<A, CommandFailed, R> => Effect.catch(command, report)
