/**
 * ClientTrustReloader: one actor for each CA bundle with its revocation lists (`clientCa:PATH`). Owns what clients'
 * certificates are judged by: publishes what the files say within seconds of their being replaced.
 *
 * FileWatch says how files are noticed, waited for and told of. A list that is out of date is logged daily and is a
 * problem of the daemon's, and goes on being used: what it has revoked stays revoked, and nobody else is shut out by a
 * publisher that stands still.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { EventLog } from "../services/events/EventLog.ts"
import type { ClientTrust } from "../services/tls/ClientTrust.ts"
import { type ClientTrustPaths, type ClientTrustUnusable, load } from "../services/tls/ClientTrustFiles.ts"
import { ClientTrustStore } from "../services/tls/ClientTrustStore.ts"
import { watch } from "./FileWatch.ts"

const remindEveryNanos = 86_400n * 1_000_000_000n

const make = Effect.fnUntraced(function* (paths: ClientTrustPaths) {
  const { caPath, crlPath } = paths
  const log = yield* EventLog
  const initial = yield* load(paths)
  let reminded: { readonly of: string; readonly at: bigint } | undefined
  let outdated: string | undefined

  const watched = yield* watch<ClientTrust, ClientTrustUnusable>({
    name: `clientCa:${caPath}`,
    paths: crlPath === undefined ? [caPath] : [caPath, crlPath],
    initial,
    load: (before) => load(paths, before),
    isSame: (one, other) => one === other,
    describe: (trust, how) => `client CAs ${caPath} ${how}: ${sizesOf(trust)}`,
    describeFault: (error) => `client CAs and revocation lists not replaced, the old ones stay: ${error.message}`,
    tend: Effect.fnUntraced(function* (trust) {
      outdated = outdatedIn(trust, yield* Clock.currentTimeMillis, crlPath)
      if (outdated === undefined) return
      const now = yield* Clock.monotonicTimeNanos
      if (reminded?.of === outdated && now - reminded.at < remindEveryNanos) return
      reminded = { of: outdated, at: now }
      yield* Effect.logWarning(outdated)
      yield* log.record(outdated, { level: "warning" })
    })
  })
  yield* Effect.logInfo(`client CAs ${caPath} in force: ${sizesOf(initial)}`)
  const { changes, current, degraded, reload } = watched
  return ClientTrustStore.of({ changes, current, reload, degraded: () => degraded() ?? outdated })
})

const sizesOf = ({ bundle, lists }: ClientTrust): string => {
  const revoked = lists.reduce((sum, { size }) => sum + size, 0)
  return `${bundle.roots.length + bundle.intermediates.length} CA certificates, ${revoked} revoked in ${lists.length} lists`
}

const outdatedIn = ({ lists }: ClientTrust, now: number, path: string | undefined): string | undefined => {
  const [first] = lists.filter(({ nextUpdate }) => nextUpdate !== undefined && nextUpdate < now)
  if (first?.nextUpdate === undefined) return undefined
  return `${path}: the revocation list of ${first.issuer} was to be replaced by ${new Date(first.nextUpdate).toISOString()}; it goes on being used`
}

/** The ClientTrustStore capability, served by this actor. Fails to build without usable files. */
export const layer = (paths: ClientTrustPaths) => Layer.effect(ClientTrustStore, make(paths))
