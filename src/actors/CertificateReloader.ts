/**
 * CertificateReloader: one actor for each pair of files (`certificate:PATH`). Owns the certificate the TLS listeners show:
 * publishes a new pair once certificate and key match, warns before the certificate ends and renews it where it is ours.
 *
 * FileWatch says how files are noticed, waited for and told of. An ending certificate is logged daily; one that has
 * ended is a problem of the daemon's, and goes on being shown, as nothing better is there.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import {
  type Certificate,
  type CertificateFiles,
  type CertificateUnusable,
  ensure,
  load,
  renew
} from "../services/tls/Certificate.ts"
import { ServerCertificate } from "../services/tls/ServerCertificate.ts"
import { watch } from "./FileWatch.ts"

/** Time enough for somebody to act, and for a renewal that fails to be tried again each day. */
const endsSoonMs = 30 * 86_400_000
const remindEveryNanos = 86_400n * 1_000_000_000n

const make = Effect.fnUntraced(function* (files: CertificateFiles) {
  const title = `TLS certificate ${files.certPath}`
  let reminded: { readonly of: Certificate; readonly at: bigint } | undefined
  let ended: string | undefined

  const watched = yield* watch<Certificate, CertificateUnusable>({
    name: `certificate:${files.certPath}`,
    paths: [files.certPath, files.keyPath],
    initial: yield* ensure(files),
    load: () => load(files),
    isSame,
    describe: ({ notAfter }, how) => `${title} ${how}, valid until ${dateOf(notAfter)}`,
    describeFault: (error) => `TLS certificate not replaced, the old one stays: ${error.message}`,
    tend: Effect.fnUntraced(function* (certificate, publish) {
      const left = certificate.notAfter - (yield* Clock.currentTimeMillis)
      const ends = `${title} ${left > 0 ? "ends" : "ended"} ${dateOf(certificate.notAfter)}`
      ended = left > 0 ? undefined : ends
      if (left > endsSoonMs) return
      const now = yield* Clock.monotonicTimeNanos
      if (reminded?.of === certificate && now - reminded.at < remindEveryNanos) return
      reminded = { of: certificate, at: now }
      if (!certificate.isSelfMade || !files.createIfMissing) return yield* Effect.logWarning(ends)
      yield* Effect.matchEffect(renew(files, certificate), {
        onSuccess: (renewed) => publish(renewed, "renewed"),
        onFailure: (error) => Effect.logError(`${ends} and could not be renewed: ${error.message}`)
      })
    })
  })
  const { changes, current, degraded, reload } = watched
  return ServerCertificate.of({ changes, current, reload, degraded: () => degraded() ?? ended })
})

const isSame = (one: Certificate, other: Certificate): boolean =>
  one.cert === other.cert && Redacted.value(one.key) === Redacted.value(other.key)

const dateOf = (unixMs: number): string => new Date(unixMs).toISOString().slice(0, 10)

/** The ServerCertificate capability, served by this actor. Fails to build without a usable pair. */
export const layer = (files: CertificateFiles) => Layer.effect(ServerCertificate, make(files))
