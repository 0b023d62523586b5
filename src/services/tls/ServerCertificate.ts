/**
 * The certificate the TLS listeners show, as a capability: the pair in force, every pair that replaces it, and a way to
 * ask for the files to be read again. Whatever it publishes was checked; a wrong pair never takes the place of a good one.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ActorUnavailable } from "../ActorUnavailable.ts"
import type { Certificate, CertificateUnusable } from "./Certificate.ts"

export class ServerCertificate extends Context.Service<
  ServerCertificate,
  {
    readonly current: () => Certificate
    /** The pair in force, then each that replaces it. */
    readonly changes: Stream.Stream<Certificate>
    /** Reads the files at once; a wrong pair changes nothing. */
    readonly reload: Effect.Effect<"changed" | "unchanged", CertificateUnusable | ActorUnavailable>
    /** Why the files have not been usable for a while, if so. */
    readonly degraded: () => string | undefined
  }
>()("systemapi/services/tls/ServerCertificate") {}
