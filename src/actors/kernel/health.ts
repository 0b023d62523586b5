/**
 * Whether the actors do their work, as far as a new process would do it better: an actor that should live and does not, or
 * that has been at one message for too long. One that waits for its next start is none of these: it is being seen to.
 */
import type { ActorReport } from "./Supervisor.ts"

/** What is wrong, in words; undefined where all is well. */
export const deadlocked = (
  actors: ReadonlyArray<ActorReport>,
  nowNanos: bigint,
  patienceNanos: bigint
): string | undefined => {
  for (const { busySince, name, restart, state } of actors) {
    if (restart === "permanent" && (state === "failed" || state === "stopped")) return `actor ${name} has ${state}`
    if (busySince === undefined || nowNanos - busySince <= patienceNanos) continue
    return `actor ${name} has been at one message for ${(nowNanos - busySince) / 1_000_000_000n} s`
  }
  return undefined
}
