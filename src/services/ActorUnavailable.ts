/** What a capability answers when the actor behind it cannot: busy, restarting, or too slow (HTTP 503). */
import * as Schema from "effect/Schema"

export class ActorUnavailable extends Schema.TaggedError<ActorUnavailable>()("ActorUnavailable", {
  actor: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return this.reason
  }
}
