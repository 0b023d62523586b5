/**
 * `[[pipes]]` and `[[listeners]]`: the ways in. Each entry is one FIFO or one listening socket; what they leave out is
 * filled in from `[general]` and `[limits]` when the file is resolved.
 */
import * as Schema from "effect/Schema"
import { lineBytesMax, lineBytesMin } from "./BoundsSections.ts"
import { address } from "./GeneralSection.ts"
import { boolean, choice, integer, key, octalMode, optional, path, required } from "./keys.ts"

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

/** The key has its place so that files that name the one API there is stay right when there are more. */
const apis = ["system"] as const

/** Owner and group: whoever may open the socket has passed the file system's own check. */
const defaultSocketMode = "0660"

export const Listener = Schema.Struct({
  address: required(address, { description: "host:port, :port (every interface), [IPv6]:port or unix:/path." }),
  apis: key(
    Schema.Array(choice(apis)).check(Schema.isMinLength(1)).annotate({ allowed: 'an array of "system"' }),
    ["system"],
    { description: "Which APIs it serves. There is one, which every listener serves: this changes nothing yet." }
  ),
  tls: key(boolean, false, { description: "Serve over TLS, with the certificate of [general] unless it has its own." }),
  tls_cert_path: optional(path, { description: "Certificate of this listener, PEM." }),
  tls_key_path: optional(path, { description: "Private key of this listener's certificate, PEM." }),
  max_connections: optional(integer(1, 100_000), {
    description: "Open connections of this listener. Default: limits.max_connections."
  }),
  socket_mode: key(octalMode, defaultSocketMode, { description: "Mode of a UNIX socket." })
}).annotate({ allowed: "a table with the key address" })

export type Listener = typeof Listener.Type

export const Listeners = Schema.Array(Listener)
  .check(Schema.isMaxLength(listenersMax))
  .annotate({
    description: "Where to listen, instead of general.listen_addr.",
    allowed: `at most ${listenersMax} [[listeners]] tables`
  })
