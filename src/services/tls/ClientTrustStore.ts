/**
 * What clients' certificates are judged by, as a capability: the material in force, all that replaces it, and a way to
 * ask for the files to be read again. Whatever it publishes was checked; what is wrong never takes the place of it.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ActorUnavailable } from "../ActorUnavailable.ts"
import type { ClientTrust } from "./ClientTrust.ts"
import type { ClientTrustUnusable } from "./ClientTrustFiles.ts"

export class ClientTrustStore extends Context.Service<
  ClientTrustStore,
  {
    readonly current: () => ClientTrust
    /** The material in force, then each that replaces it. */
    readonly changes: Stream.Stream<ClientTrust>
    /** Reads the files at once; what is wrong changes nothing. */
    readonly reload: Effect.Effect<"changed" | "unchanged", ClientTrustUnusable | ActorUnavailable>
    /** What is wrong with the files, or that a revocation list is out of date. */
    readonly degraded: () => string | undefined
  }
>()("systemapi/services/tls/ClientTrustStore") {}
