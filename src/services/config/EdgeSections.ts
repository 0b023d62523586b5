/**
 * `[[pipes]]` and `[[listeners]]`: the ways in. Each entry is one FIFO or one listening socket; what they leave out is
 * filled in from `[general]` and `[limits]` when the file is resolved.
 */
import * as Schema from "effect/Schema"
import { lineBytesMax, lineBytesMin } from "./BoundsSections.ts"
import { apiNames, providers } from "../identity/Principal.ts"
import { address, tlsVersion } from "./GeneralSection.ts"
import { roleNames } from "./IdentitySections.ts"
import { account, boolean, choice, integer, key, octalMode, optional, path, required, secretFile } from "./keys.ts"

/** Each FIFO is an actor with an open file; a machine has a handful of writers with a name of their own. */
const pipesMax = 64

const listenersMax = 32

/** What a source is called in queries; the event source is `pipe:` and this. */
const sourcePattern = /^[A-Za-z0-9._-]{1,64}$/u

export const defaultLineMaxBytes = 65_536

/** Any local user may write: services of every account log through it. */
export const defaultPipeMode = "0666"

const source = Schema.String.check(Schema.isPattern(sourcePattern)).annotate({
  allowed: "1 to 64 letters, digits, dots, underscores and dashes"
})

export const Pipe = Schema.Struct({
  path: required(path, { description: "The FIFO; made when missing." }),
  source: optional(source, { description: "Name of the source in its events. Default: the file's name." }),
  trim: key(boolean, false, { description: "Cut white space from both ends of a line." }),
  skip_empty: key(boolean, false, { description: "Record no event for an empty line." }),
  given_time: key(boolean, false, {
    description: "Take a leading UNIX time of 10 or 13 digits as the time of the event. Whoever writes can forge it."
  }),
  line_max_bytes: key(integer(lineBytesMin, lineBytesMax), defaultLineMaxBytes, {
    description: "Longer lines are kept cut to this, and marked. Never more than events.message_max_bytes."
  }),
  mode: key(octalMode, defaultPipeMode, { description: "Mode of the FIFO when it is made, whatever the umask." })
}).annotate({ allowed: "a table with the key path" })

export type Pipe = typeof Pipe.Type

export const Pipes = Schema.Array(Pipe)
  .check(Schema.isMaxLength(pipesMax))
  .annotate({ description: "More FIFOs, beside general.pipe_file.", allowed: `at most ${pipesMax} [[pipes]] tables` })

/** Owner and group: whoever may open the socket has passed the file system's own check. */
export const defaultSocketMode = "0660"

export const Listener = Schema.Struct({
  address: required(address, {
    description:
      "host:port, :port (every interface), [IPv6]:port, unix:/path, or systemd:NAME for a socket of systemd's."
  }),
  apis: key(
    Schema.Array(choice(apiNames))
      .check(Schema.isMinLength(1))
      .annotate({ allowed: `an array of ${apiNames.map((name) => JSON.stringify(name)).join(", ")}` }),
    apiNames,
    {
      description:
        "Which APIs it serves: system, identity (/v1: logins, users, tokens, audit), provisioning (/v1: servers, workflows, operations) and status (units, journals, GPUs, host)."
    }
  ),
  auth: optional(
    Schema.Array(choice(providers))
      .check(Schema.isMinLength(1))
      .annotate({ allowed: `an array of ${providers.map((name) => JSON.stringify(name)).join(", ")}` }),
    {
      description:
        "The ways in: basic (passwords), bearer (tokens), certificate (needs TLS and client_ca_path), socket (whoever may open the UNIX socket), none (everybody; on loopback and UNIX sockets unless forced). Default: basic, bearer, and certificate where those are asked for."
    }
  ),
  roles: optional(roleNames, {
    description: "What whoever comes in by socket or none may do. Default: admin by socket; none has no default."
  }),
  force_no_auth: key(boolean, false, {
    description: "Let everybody in by none, from wherever this address can be reached."
  }),
  tls: key(boolean, false, { description: "Serve over TLS, with the certificate of [general] unless it has its own." }),
  tls_cert_path: optional(secretFile, { description: "Certificate of this listener, PEM." }),
  tls_key_path: optional(secretFile, { description: "Private key of this listener's certificate, PEM." }),
  tls_min_version: optional(tlsVersion, {
    description: "Oldest version of TLS that clients may speak. Default: general.tls_min_version."
  }),
  client_ca_path: optional(secretFile, {
    description:
      "CA certificates that clients' certificates are checked against, PEM. Clients are asked for theirs then."
  }),
  client_crl_path: optional(secretFile, { description: "Revocation lists of those, PEM." }),
  client_certificate: key(choice(["optional", "required"]), "optional", {
    description: "Whether a client without a certificate may connect, to come in by another way."
  }),
  max_connections: optional(integer(1, 100_000), {
    description: "Open connections of this listener. Default: limits.max_connections."
  }),
  socket_mode: key(octalMode, defaultSocketMode, { description: "Mode of a UNIX socket: who may open it." }),
  socket_group: optional(account, { description: "Group of a UNIX socket. Default: the daemon's." })
}).annotate({ allowed: "a table with the key address" })

export type Listener = typeof Listener.Type

export const Listeners = Schema.Array(Listener)
  .check(Schema.isMaxLength(listenersMax))
  .annotate({
    description: "Where to listen, instead of general.listen_addr.",
    allowed: `at most ${listenersMax} [[listeners]] tables`
  })
