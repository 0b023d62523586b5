/**
 * Where the Provisioning API's own listener is, of what the command line, `[server]` and the environment say: each wins
 * over those after it. One that nobody asks for is not there; `--listen-addr`, which stands instead of all addresses of
 * the file and of the environment, leaves the one that `--host` or `--port` ask for.
 */
import * as Result from "effect/Result"
import type { CertificatePaths } from "./Config.ts"
import { decodeOutside } from "./decode.ts"
import { type Environment, type Flags, given } from "./environment.ts"
import type { ListenAddress } from "./ListenAddress.ts"
import type { Problem } from "./Problem.ts"
import { addressOf, defaultHost, defaultPort, host, port, type ServerSection } from "./ServerSection.ts"

export interface ServerAddress {
  readonly address: ListenAddress
  /** Undefined: none of its own. */
  readonly certificate: CertificatePaths | undefined
}

export interface ResolvedServer {
  /** Undefined: nobody asks for one. */
  readonly server: ServerAddress | undefined
  readonly problems: ReadonlyArray<Problem>
  readonly warnings: ReadonlyArray<Problem>
}

export interface ServerInput {
  /** Undefined: the file has none. */
  readonly section: ServerSection | undefined
  readonly env: Environment
  readonly flags: Flags
}

const variables = ["SERVER_HOST", "SERVER_PORT"] as const

export const resolveServer = ({ env, flags, section }: ServerInput): ResolvedServer => {
  const asked = variables.filter((name) => given(env, name) !== undefined)
  if (flags.host === undefined && flags.port === undefined) {
    if (section === undefined && asked.length === 0) return { server: undefined, problems: [], warnings: [] }
    if (flags.listen_addr !== undefined) {
      return { server: undefined, problems: [], warnings: replaced(section, asked) }
    }
  }
  const hostName =
    flags.host !== undefined
      ? decodeOutside(host, flags.host, "--host")
      : section?.host !== undefined
        ? Result.succeed(section.host)
        : decodeOutside(host, given(env, "SERVER_HOST") ?? defaultHost, "SERVER_HOST")
  const portNumber =
    flags.port !== undefined
      ? decodeOutside(port, numberOf(flags.port), "--port")
      : section?.port !== undefined
        ? Result.succeed(section.port)
        : decodeOutside(port, numberOf(given(env, "SERVER_PORT") ?? String(defaultPort)), "SERVER_PORT")
  const problems = [...faultsOf(hostName), ...faultsOf(portNumber)]
  const { tls_cert = "", tls_key = "" } = section ?? {}
  if ((tls_cert === "") !== (tls_key === "")) {
    problems.push({ path: ["server"], text: "has one of tls_cert and tls_key, needs both or neither" })
  }
  if (Result.isFailure(hostName) || Result.isFailure(portNumber)) return { server: undefined, problems, warnings: [] }
  const server = {
    // Both have been decoded.
    address: Result.getOrThrow(addressOf(hostName.success, portNumber.success)),
    certificate: tls_cert === "" || tls_key === "" ? undefined : { cert_path: tls_cert, key_path: tls_key }
  }
  return { server, problems, warnings: [] }
}

/** What is no number is told as it was written. */
const numberOf = (text: string): number | string => (/^\d{1,5}$/u.test(text) ? Number(text) : text)

const faultsOf = (result: Result.Result<unknown, ReadonlyArray<Problem>>): ReadonlyArray<Problem> =>
  Result.isFailure(result) ? result.failure : []

const replaced = (section: ServerSection | undefined, asked: ReadonlyArray<string>): ReadonlyArray<Problem> => {
  const text = "not used, because --listen-addr is given"
  return [
    ...(section === undefined ? [] : [{ path: ["server"], text }]),
    ...asked.map((name): Problem => ({ path: [name], outside: true, text }))
  ]
}
