/**
 * What keeps the daemon from being well, in words: for `/readyz`, and for whoever started it. Empty where every part works.
 *
 * Bounds: one line for each actor, FIFO, recorded journal and listener. An identity store that does not answer is waited for a second.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { DaemonServices } from "./daemonHandlers.ts"

/** A FIFO that cannot be seen is looked for every second: an error this old is over. */
const pipeErrorFreshMs = 5000

/** A store that takes longer to say anything is not well, and whoever asks about readiness does not wait for ever. */
const identitiesWithin = "1 second"

export interface ReadinessServices extends Pick<DaemonServices, "identities" | "supervisor"> {
  readonly audit: Pick<DaemonServices["audit"], "degraded">
  readonly log: Pick<DaemonServices["log"], "degraded">
  readonly journals: DaemonServices["journals"]
  readonly pipes: Pick<DaemonServices["pipes"], "stats">
  readonly listeners: () => ReadonlyArray<Pick<ReturnType<DaemonServices["listeners"]>[number], "problems">>
}

export const readiness = (services: ReadinessServices): Effect.Effect<ReadonlyArray<string>> => {
  const { audit, identities, log, supervisor } = services
  return Effect.map(
    Effect.all([supervisor.report, Clock.currentTimeMillis, identityProblem(identities)]),
    ([actors, now, identity]) => {
      const problems = actors
        .filter(({ state }) => state !== "running")
        .map(
          ({ lastFailure, name, state }) =>
            `${name} is ${state}${lastFailure === undefined ? "" : `: ${firstLine(lastFailure)}`}`
        )
      for (const degraded of [log.degraded(), audit.degraded(), identity])
        if (degraded !== undefined) problems.push(degraded)
      for (const { blocked, lastError, source } of services.pipes.stats()) {
        if (blocked !== undefined) problems.push(`pipe:${source} waits for the log: ${blocked}`)
        else if (lastError !== undefined && now - lastError.atMs < pipeErrorFreshMs) {
          problems.push(`pipe:${source}: ${lastError.message}`)
        }
      }
      for (const { id, waits } of services.journals.stats()) {
        if (waits !== undefined) problems.push(`journal:${id} waits: ${waits}`)
      }
      // Listeners may share their files.
      problems.push(...new Set(services.listeners().flatMap(({ problems: found = [] }) => found)))
      return problems
    }
  )
}

const identityProblem = (identities: DaemonServices["identities"]): Effect.Effect<string | undefined> =>
  Effect.suspend(() =>
    identities.current() === undefined
      ? Effect.match(identities.fresh, { onSuccess: () => undefined, onFailure: ({ message }) => message }).pipe(
          Effect.timeoutOrElse({
            duration: identitiesWithin,
            orElse: () => Effect.succeed("the identity store does not answer")
          })
        )
      : Effect.undefined
  )

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? ""
