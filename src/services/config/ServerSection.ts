/**
 * `[server]` and `[logging]`: what the original Provisioning API calls its listener and its log, under its own names and
 * meanings, beside `[general]`, which has the words of the System API for the same.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { boolean, choice, integer, optional, secretFileOrNone } from "./keys.ts"
import * as ListenAddress from "./ListenAddress.ts"

/** Those of the original. */
export const defaultHost = "0.0.0.0"
export const defaultPort = 8083

/** An IPv6 address needs no brackets here, for no port follows it. */
export const addressOf = (host: string, port: number): Result.Result<ListenAddress.ListenAddress, string> =>
  ListenAddress.parse(`${host.includes(":") && !host.startsWith("[") ? `[${host}]` : host}:${port}`)

/** Notes stand on the last check, and JSON Schema sees those of a check it can express only. */
export const host = Schema.String.check(
  Schema.makeFilter((value: string) => value !== "" && Result.isSuccess(addressOf(value, defaultPort))),
  Schema.isMinLength(1)
).annotate({ allowed: 'a host name or an address, such as "127.0.0.1"' })

const portMax = 65_535

export const port = integer(0, portMax)

export const ServerSection = Schema.Struct({
  host: optional(host, {
    description: `Address to listen on. Default: the environment's SERVER_HOST, else ${defaultHost}.`
  }),
  port: optional(port, {
    description: `Port to listen on. Default: the environment's SERVER_PORT, else ${defaultPort}.`
  }),
  cors_enabled: optional(boolean, {
    description: "Whether pages of the origins in [cors] may ask. Default: they may. Of every listener.",
    live: true
  }),
  tls_cert: optional(secretFileOrNone, {
    description: "Certificate of this listener, PEM. Default: that of [general], where tls_enabled is true."
  }),
  tls_key: optional(secretFileOrNone, { description: "Private key of the certificate, PEM." })
}).annotate({
  description: "A listener as the original Provisioning API has it: it takes tokens and client certificates.",
  allowed: "a table"
})

export type ServerSection = typeof ServerSection.Type

export const logLevels = ["trace", "debug", "info", "warn", "error"] as const

export type LogLevelName = (typeof logLevels)[number]

export const logLevel = choice(logLevels)

export const LoggingSection = Schema.Struct({
  level: optional(logLevel, {
    description:
      "What the process log shows, from this on; requests are info. Wins over general.log_debug. Default: the environment's LOG_LEVEL, else info.",
    live: true
  }),
  json_format: optional(boolean, {
    description: "Write the process log as JSON. Wins over general.log_json, which is the default.",
    live: true
  })
}).annotate({ description: "The process log, in the words of the original Provisioning API.", allowed: "a table" })

export type LoggingSection = typeof LoggingSection.Type
