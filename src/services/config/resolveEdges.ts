/**
 * Makes the lists of FIFOs and listeners of what the file says in two places each: `[general]`, as the original has it,
 * and `[[pipes]]` and `[[listeners]]`.
 */
import * as Result from "effect/Result"
import { basename, resolve as absolute } from "node:path"
import type { Events, Limits } from "./BoundsSections.ts"
import type { CertificatePaths, ListenerConfig, PipeConfig, TlsConfig } from "./Config.ts"
import { defaultLineMaxBytes, defaultPipeMode, type Listener, type Pipe } from "./EdgeSections.ts"
import type { General } from "./GeneralSection.ts"
import { parseMode } from "./keys.ts"
import * as ListenAddress from "./ListenAddress.ts"
import type { KeyPath, Problem } from "./Problem.ts"

export interface Edges<A> {
  readonly entries: ReadonlyArray<A>
  readonly problems: ReadonlyArray<Problem>
}

/** An original configuration may call its FIFO anything; a source is one plain word. */
const sourceOf = (path: string): string =>
  basename(path)
    .replace(/[^A-Za-z0-9._-]/gu, "_")
    .slice(0, 64) || "pipe"

export const resolvePipes = (general: General, pipes: ReadonlyArray<Pipe>, events: Events): Edges<PipeConfig> => {
  const first: ReadonlyArray<PipeConfig> =
    general.pipe_file === ""
      ? []
      : [
          {
            key: "general.pipe_file",
            path: general.pipe_file,
            source: sourceOf(general.pipe_file),
            trim: general.pipe_trim,
            skip_empty: general.pipe_skip_empty,
            given_time: general.pipe_given_time,
            line_max_bytes: Math.min(defaultLineMaxBytes, events.message_max_bytes),
            mode: parseMode(defaultPipeMode)
          }
        ]
  const more = pipes.map((pipe, index): PipeConfig => ({
    key: `pipes[${index}]`,
    path: pipe.path,
    source: pipe.source ?? sourceOf(pipe.path),
    trim: pipe.trim,
    skip_empty: pipe.skip_empty,
    given_time: pipe.given_time,
    line_max_bytes: Math.min(pipe.line_max_bytes, events.message_max_bytes),
    mode: parseMode(pipe.mode)
  }))
  const problems: Array<Problem> = []
  const paths = new Map(first.map((pipe) => [absolute(pipe.path), pipe.key]))
  const sources = new Map(first.map((pipe) => [pipe.source, pipe.key]))
  more.forEach((pipe, index) => {
    claim(paths, absolute(pipe.path), pipe, ["pipes", index, "path"], "path", problems)
    claim(sources, pipe.source, pipe, ["pipes", index, "source"], "source", problems)
  })
  return { entries: [...first, ...more], problems }
}

/** Two entries that claim one thing cannot both have it. */
const claim = (
  taken: Map<string, string>,
  thing: string,
  by: { readonly key: string },
  path: KeyPath,
  what: string,
  problems: Array<Problem>
): void => {
  const before = taken.get(thing)
  if (before === undefined) taken.set(thing, by.key)
  else problems.push({ path, text: `has the ${what} of ${before}, allowed: one of its own` })
}

export const resolveListeners = (
  general: General,
  listeners: ReadonlyArray<Listener>,
  limits: Limits
): Edges<ListenerConfig> => {
  const problems: Array<Problem> = []
  const shared = sharedCertificate(general)
  const needShared = listeners.length === 0 ? general.tls_enabled : listeners.some(usesShared)
  if (needShared && shared === undefined) {
    for (const name of ["tls_cert_path", "tls_key_path"] as const) {
      if (general[name] === "")
        problems.push({ path: ["general", name], text: "found nothing, but TLS is on: needs a path" })
    }
  }
  if (listeners.length === 0) {
    const entry: ListenerConfig = {
      key: "general.listen_addr",
      address: decodedAddress(general.listen_addr),
      ...usual,
      tls: general.tls_enabled ? withTls(shared) : undefined,
      max_connections: limits.max_connections,
      socket_mode: parseMode("0660")
    }
    return { entries: [entry], problems }
  }
  const taken = new Map<string, string>()
  const entries = listeners.map((listener, index): ListenerConfig => {
    const entry: ListenerConfig = {
      key: `listeners[${index}]`,
      address: decodedAddress(listener.address),
      ...usual,
      tls: listener.tls ? withTls(ownCertificate(listener) ?? shared) : undefined,
      max_connections: listener.max_connections ?? limits.max_connections,
      socket_mode: parseMode(listener.socket_mode)
    }
    const address = ListenAddress.format(entry.address)
    // Port 0 is a new one each time it is asked for.
    if (!address.endsWith(":0")) claim(taken, address, entry, ["listeners", index, "address"], "address", problems)
    if ((listener.tls_cert_path === undefined) !== (listener.tls_key_path === undefined)) {
      problems.push({
        path: ["listeners", index],
        text: "has one of tls_cert_path and tls_key_path, needs both or neither"
      })
    }
    return entry
  })
  return { entries, problems }
}

const usual: Pick<ListenerConfig, "apis" | "auth" | "roles"> = {
  apis: ["system", "identity"],
  auth: ["basic", "bearer"],
  roles: ["admin"]
}

const withTls = (paths: CertificatePaths | undefined): TlsConfig | undefined =>
  paths === undefined ? undefined : { ...paths, min_version: "1.2", clients: undefined }

const usesShared = (listener: Listener): boolean => listener.tls && ownCertificate(listener) === undefined

const ownCertificate = (listener: Listener): CertificatePaths | undefined =>
  listener.tls_cert_path === undefined || listener.tls_key_path === undefined
    ? undefined
    : { cert_path: listener.tls_cert_path, key_path: listener.tls_key_path }

const sharedCertificate = (general: General): CertificatePaths | undefined =>
  general.tls_cert_path === "" || general.tls_key_path === ""
    ? undefined
    : { cert_path: general.tls_cert_path, key_path: general.tls_key_path }

/** The schema has accepted it. */
const decodedAddress = (text: string): ListenAddress.ListenAddress => Result.getOrThrow(ListenAddress.parse(text))
