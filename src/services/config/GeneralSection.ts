/**
 * `[general]`: every key of the original System API's configuration under its own name and meaning, and those of ours
 * that are about the daemon as a whole.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { boolean, choice, integer, key, path, pathOrNone, secretFileOrNone, text, timerMsMax } from "./keys.ts"
import * as ListenAddress from "./ListenAddress.ts"

/** How the secret is kept: the original's salted SHA-256, or a self-describing form that is slow to guess. */
const secretFormats = ["sha256", "scrypt", "argon2id"] as const

/** Notes stand on the last check, and JSON Schema sees those of a check it can express only. */
export const address = Schema.String.check(
  Schema.makeFilter((value: string) => Result.isSuccess(ListenAddress.parse(value))),
  Schema.isMinLength(2)
).annotate({ allowed: ListenAddress.allowed })

export const tlsVersion = choice(["1.2", "1.3"])

/** What a timeout key of the original takes: any integer, where 0 and below mean none. */
const timeoutOrNone = integer(-timerMsMax, timerMsMax)

export const General = Schema.Struct({
  listen_addr: key(address, "127.0.0.1:3535", {
    description:
      "Address of the HTTP API: host:port, :port, [IPv6]:port, unix:/path or systemd:NAME. Unused when [[listeners]] is given."
  }),
  pipe_file: key(pathOrNone, "pipe.fifo", {
    description: 'FIFO that takes in one event per line; made when missing. "" for none.'
  }),
  pipe_trim: key(boolean, false, { description: "Cut white space from both ends of the FIFO's lines." }),
  pipe_skip_empty: key(boolean, false, { description: "Record no event for an empty line of the FIFO." }),
  pipe_given_time: key(boolean, false, {
    description: "Take a leading UNIX time of 10 or 13 digits as the time of the event. Whoever writes can forge it."
  }),
  pprof: key(boolean, false, { description: "Serve CPU profiles of the daemon at /debug/pprof/profile." }),
  log_json: key(boolean, false, { description: "Write the process log as JSON instead of text.", live: true }),
  log_debug: key(boolean, false, { description: "Write debug messages to the process log.", live: true }),
  log_max_entries: key(Schema.Int.annotate({ allowed: "an integer" }), 0, {
    description:
      "How many of the newest events /logs and /api/v1/events show when not asked for more. 0 or less: the environment's MAX_EVENTS, or 1000."
  }),
  basic_auth_secret_path: key(pathOrNone, "", {
    description: 'File that keeps the hash of the password of user admin; made empty when missing. "" for no password.'
  }),
  basic_auth_secret_salt: key(text(), "", { description: "Salt of the sha256 format.", secret: true }),
  basic_auth_secret_format: key(choice(secretFormats), "sha256", {
    description:
      "How a newly set password is stored. sha256 is the original's form; each of the others is harder to guess."
  }),
  basic_auth_bootstrap_token_path: key(secretFileOrNone, "", {
    description: 'File with a token that must be shown to set the first password. "" lets whoever comes first set it.'
  }),
  http_read_timeout_ms: key(timeoutOrNone, 0, {
    description: "Deadline for reading a whole request. 0 or less: none beside those of [limits]."
  }),
  http_write_timeout_ms: key(timeoutOrNone, 0, {
    description: "Deadline for writing a whole answer. 0 or less: none beside those of [limits]."
  }),
  tls_enabled: key(boolean, false, { description: "Serve listen_addr over TLS." }),
  tls_create_if_missing: key(boolean, false, {
    description: "Make a self-signed certificate when neither of the two files exists."
  }),
  tls_cert_hosts: key(Schema.Array(text()).annotate({ allowed: "an array of host names" }), [], {
    description: "Names and addresses a self-made certificate is for."
  }),
  tls_cert_path: key(secretFileOrNone, "", {
    description: "The certificate, PEM. A change of the file is taken up at once."
  }),
  tls_key_path: key(secretFileOrNone, "", { description: "The certificate's private key, PEM." }),
  tls_min_version: key(tlsVersion, "1.2", {
    description: "Oldest version of TLS that clients may speak; of every listener that names none of its own."
  }),
  actions_require_post: key(boolean, false, {
    description: "Refuse GET for actions, which a foreign web page could send from an operator's browser.",
    live: true
  }),
  shell: key(pathOrNone, "", {
    description:
      'Shell that runs the commands of [actions]. "": the environment\'s SHELL_TO_USE, else /bin/ash where it exists, else /bin/sh.',
    live: true
  }),
  strict: key(boolean, false, { description: "Take an unknown key in this file as an error.", live: true })
}).annotate({ description: "The daemon as a whole.", allowed: "a table" })

export type General = typeof General.Type

export const Store = Schema.Struct({
  directory: Schema.optionalKey(
    path.annotate({
      description:
        "Folder of the event log, relative to the working directory. Default: the first of the environment's STATE_DIRECTORY, else systemapi-state."
    })
  )
}).annotate({ description: "Where events are kept.", allowed: "a table" })

export type Store = typeof Store.Type
