/**
 * CertificateReloader: one actor for each pair of files (`certificate:PATH`). Owns the certificate the TLS listeners show.
 * Notices replaced files, publishes the new pair once certificate and key match, warns before the certificate ends and
 * renews it where it is ours.
 *
 * It polls, for the files are replaced by renames and by links put elsewhere (Kubernetes, certbot), which inotify on a
 * file does not see. Bounds: one look at two files per `pollEvery`; a wrong pair is logged once, an ending one daily. A
 * pair half replaced is waited for; whatever is wrong with the files, the pair in force stays.
 */
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { ActorUnavailable } from "../services/ActorUnavailable.ts"
import { Disk } from "../services/files/Disk.ts"
import {
  type Certificate,
  type CertificateFiles,
  type CertificateUnusable,
  ensure,
  load,
  renew
} from "../services/tls/Certificate.ts"
import { ServerCertificate } from "../services/tls/ServerCertificate.ts"
import { endlessLimits } from "./kernel/Child.ts"
import * as Mailbox from "./kernel/Mailbox.ts"
import { Supervisor } from "./kernel/Supervisor.ts"

type Outcome = "changed" | "unchanged"

type Message =
  | { readonly _tag: "Look" }
  | { readonly _tag: "Reload"; readonly reply: Mailbox.Reply<Outcome, CertificateUnusable> }

/** As long as a new certificate may wait; two calls of stat cost microseconds. */
const pollEvery = Duration.seconds(10)

/** Copying two files takes a tool less; a pair that does not match for longer is a mistake. */
const settleNanos = 60n * 1_000_000_000n

/** Time enough for somebody to act, and for a renewal that fails to be tried again each day. */
const endsSoonMs = 30 * 86_400_000
const remindEveryNanos = 86_400n * 1_000_000_000n

/** Looks that wait behind a slow disk are one too many already; so are reloads by more than a few at a time. */
const mailboxCapacity = 16

/** A disk that takes longer to read two small files is not going to. */
const reloadDeadline = Duration.seconds(10)

interface Problem {
  readonly since: bigint
  readonly error: CertificateUnusable
  readonly isReported: boolean
}

const make = Effect.fnUntraced(function* (files: CertificateFiles) {
  const supervisor = yield* Supervisor
  const disk = yield* Disk
  const name = `certificate:${files.certPath}`
  const mailbox = yield* Mailbox.make<Message>({ actor: name, capacity: mailboxCapacity, whenFull: "wait" })
  const published = yield* SubscriptionRef.make(yield* ensure(files))
  const current = () => SubscriptionRef.getUnsafe(published)

  /** What the files were when they were last read as a good pair. */
  let seen: string | undefined
  let problem: Problem | undefined
  let reminded: bigint | undefined

  const stampOf = (path: string) =>
    Effect.match(disk.stat(path), { onSuccess: (entry) => entry?.stamp ?? "missing", onFailure: (error) => error.code })
  const stamps = Effect.map(Effect.all([stampOf(files.certPath), stampOf(files.keyPath)]), (both) => both.join(" "))

  const publish = Effect.fnUntraced(function* (certificate: Certificate, how: string) {
    yield* SubscriptionRef.set(published, certificate)
    reminded = undefined
    yield* Effect.logInfo(`TLS certificate ${files.certPath} ${how}, valid until ${dateOf(certificate.notAfter)}`)
  })

  const keep = Effect.fnUntraced(function* (error: CertificateUnusable) {
    const now = yield* Clock.monotonicTimeNanos
    const since = problem?.since ?? now
    const isReported = problem?.isReported ?? false
    const isDue = now - since >= settleNanos
    problem = { since, error, isReported: isReported || isDue }
    if (isDue && !isReported)
      yield* Effect.logError(`TLS certificate not replaced, the old one stays: ${error.message}`)
  })

  /** Reads the files, publishes a pair that differs, keeps the one in force when they are wrong. */
  const examine = Effect.fnUntraced(function* (before: string) {
    const loaded = yield* Effect.result(load(files))
    if (Result.isFailure(loaded)) {
      yield* keep(loaded.failure)
      return yield* loaded.failure
    }
    seen = before
    problem = undefined
    if (isSame(loaded.success, current())) return "unchanged" as const
    yield* publish(loaded.success, "replaced")
    return "changed" as const
  })

  const remind = Effect.gen(function* () {
    const certificate = current()
    const left = certificate.notAfter - (yield* Clock.currentTimeMillis)
    if (left > endsSoonMs || problem !== undefined) return
    const now = yield* Clock.monotonicTimeNanos
    if (reminded !== undefined && now - reminded < remindEveryNanos) return
    reminded = now
    const ends = `TLS certificate ${files.certPath} ${left > 0 ? "ends" : "ended"} ${dateOf(certificate.notAfter)}`
    if (!certificate.isSelfMade || !files.createIfMissing) return yield* Effect.logWarning(ends)
    yield* Effect.matchEffect(renew(files, certificate), {
      onSuccess: (renewed) => publish(renewed, "renewed"),
      onFailure: (error) => Effect.logError(`${ends} and could not be renewed: ${error.message}`)
    })
  })

  const look = Effect.gen(function* () {
    const now = yield* stamps
    if (now !== seen || problem !== undefined) yield* Effect.ignore(examine(now))
    yield* remind
  })

  const handle = (message: Message) =>
    message._tag === "Look"
      ? look
      : Effect.flatMap(Effect.exit(Effect.flatMap(stamps, examine)), (exit) => Deferred.done(message.reply, exit))

  const run = Effect.scoped(
    Effect.gen(function* () {
      const tick = Effect.ignore(mailbox.tell({ _tag: "Look" }))
      yield* Effect.forkScoped(Effect.repeat(tick, Schedule.spaced(pollEvery)))
      while (true) yield* handle(yield* mailbox.take)
    })
  ).pipe(Effect.provideService(Disk, disk))

  // The files may be wrong for months while the pair in force still serves.
  yield* supervisor.start({ name, run, restart: "permanent", limits: endlessLimits, mailbox })

  const unavailable = ({ actor, message }: { readonly actor: string; readonly message: string }) =>
    Effect.fail(new ActorUnavailable({ actor, reason: message }))

  return ServerCertificate.of({
    current,
    changes: SubscriptionRef.changes(published),
    reload: mailbox
      .ask<Outcome, CertificateUnusable>((reply) => ({ _tag: "Reload", reply }), reloadDeadline)
      .pipe(Effect.catchTags({ ActorRestarted: unavailable, MailboxFull: unavailable, AskTimedOut: unavailable })),
    degraded: () => (problem?.isReported === true ? problem.error.message : undefined)
  })
})

const isSame = (one: Certificate, other: Certificate): boolean =>
  one.cert === other.cert && Redacted.value(one.key) === Redacted.value(other.key)

const dateOf = (unixMs: number): string => new Date(unixMs).toISOString().slice(0, 10)

/** The ServerCertificate capability, served by this actor. Fails to build without a usable pair. */
export const layer = (files: CertificateFiles) => Layer.effect(ServerCertificate, make(files))
