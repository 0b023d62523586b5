/**
 * What the TLS listeners show and judge by: one reloader for each pair of certificate and key, and one for each CA bundle
 * with its revocation lists, however many listeners use them. Whatever either publishes reaches every listener that uses
 * it, for the connections from then on; the requests of live connections are judged by it at once.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as CertificateReloader from "../actors/CertificateReloader.ts"
import * as ClientTrustReloader from "../actors/ClientTrustReloader.ts"
import type { ClientCertificatesConfig, GeneralConfig, TlsConfig } from "../services/config/Config.ts"
import type { Certificate } from "../services/tls/Certificate.ts"
import { ClientTrustStore } from "../services/tls/ClientTrustStore.ts"
import { ServerCertificate } from "../services/tls/ServerCertificate.ts"
import type { BoundListener, ListenerOptions } from "./listener/Listener.ts"

/** Of one listener. */
export interface ListenerTls {
  readonly options: Pick<ListenerOptions, "certificate" | "minVersion" | "clients">
  /** Keeps the listener up to date, as long as the scope is open. */
  readonly follow: (listener: BoundListener) => Effect.Effect<void>
  /** What is wrong with the files, while what they held before is in force. */
  readonly problems: () => ReadonlyArray<string>
}

export const makeListenerTls = (general: GeneralConfig) => {
  const certificates = new Map<string, ServerCertificate["Service"]>()
  const trusts = new Map<string, ClientTrustStore["Service"]>()

  const certificateOf = Effect.fnUntraced(function* ({ cert_path, key_path }: TlsConfig) {
    const key = JSON.stringify([cert_path, key_path])
    const found = certificates.get(key)
    if (found !== undefined) return found
    const layer = CertificateReloader.layer({
      certPath: cert_path,
      keyPath: key_path,
      createIfMissing: general.tls_create_if_missing,
      hosts: general.tls_cert_hosts
    })
    const certificate = Context.get(yield* Layer.build(Layer.fresh(layer)), ServerCertificate)
    certificates.set(key, certificate)
    return certificate
  })

  const trustOf = Effect.fnUntraced(function* ({ ca_path, crl_path }: ClientCertificatesConfig) {
    const key = JSON.stringify([ca_path, crl_path])
    const found = trusts.get(key)
    if (found !== undefined) return found
    const layer = ClientTrustReloader.layer({ caPath: ca_path, crlPath: crl_path })
    const trust = Context.get(yield* Layer.build(Layer.fresh(layer)), ClientTrustStore)
    trusts.set(key, trust)
    return trust
  })

  const of = Effect.fnUntraced(function* (tls: TlsConfig) {
    const certificate = yield* certificateOf(tls)
    const { clients } = tls
    const trust = clients === undefined ? undefined : yield* trustOf(clients)
    const changes: Stream.Stream<unknown> =
      trust === undefined ? certificate.changes : Stream.merge(certificate.changes, trust.changes)
    let refused: string | undefined
    const one: ListenerTls = {
      options: {
        certificate: pemOf(certificate.current()),
        minVersion: tls.min_version,
        clients:
          clients === undefined || trust === undefined
            ? undefined
            : { trust: trust.current, required: clients.required }
      },
      follow: (listener) =>
        Stream.runForEach(changes, () =>
          Effect.matchEffect(listener.setSecureContext(pemOf(certificate.current())), {
            onSuccess: () => Effect.sync(() => (refused = undefined)),
            onFailure: (error) => {
              refused = error.message
              return Effect.logError(error.message)
            }
          })
        ),
      problems: () => [certificate.degraded(), trust?.degraded(), refused].filter((problem) => problem !== undefined)
    }
    return one
  })

  /** Of all that there is by now. */
  const reloads = (): ReadonlyArray<Effect.Effect<void, { readonly message: string }>> => [
    ...[...certificates.values()].map(({ reload }) => Effect.asVoid(reload)),
    ...[...trusts.values()].map(({ reload }) => Effect.asVoid(reload))
  ]

  return { of, reloads }
}

/** Node's TLS takes the key as text; it goes no further. */
const pemOf = ({ cert, key }: Certificate) => ({ cert, key: Redacted.value(key) })
