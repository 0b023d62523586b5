/**
 * The one failure a command ends with once standard error has said why: it carries the exit code to the runtime, which
 * must not report it again.
 */
import * as Runtime from "effect/Runtime"
import * as Schema from "effect/Schema"

export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", { why: Schema.String }) {
  override readonly [Runtime.errorExitCode] = 1
  override readonly [Runtime.errorReported] = false

  override get message() {
    return this.why
  }
}
