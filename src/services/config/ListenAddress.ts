/**
 * Where a listener listens, and its one textual form: `host:port`, `:port` (every interface), `[v6]:port`,
 * `unix:/path`, or `systemd:NAME` for a socket that the service manager has opened. Names are not looked up here; a name that does not exist shows when the listener binds.
 */
import * as Result from "effect/Result"
import { isIPv6 } from "node:net"
import { dirname } from "node:path"
import { ipBytes } from "../auth/IpAddress.ts"

interface TcpAddress {
  readonly _tag: "Tcp"
  /** Undefined: every interface. An IPv6 address has no brackets here. */
  readonly host: string | undefined
  /** 0: whichever is free. */
  readonly port: number
}

export interface UnixAddress {
  readonly _tag: "Unix"
  readonly path: string
}

/** A socket that was opened for us: where it listens, and whether on TCP, is known from the socket itself. */
export interface PassedAddress {
  readonly _tag: "Passed"
  /** FileDescriptorName= of its unit; undefined: the only one there is. */
  readonly name: string | undefined
}

export type ListenAddress = TcpAddress | UnixAddress | PassedAddress

export const allowed = "host:port, :port, [IPv6]:port, unix:/path or systemd:NAME"

/** The kernel's sun_path has 108 bytes with its ending NUL. */
const unixPathBytesMax = 107

/** A socket is made in a folder of its own beside its place (Bind.ts), whose name mkdtemp makes of this and six letters. */
export const socketFolderPrefix = ".sa-"
export const socketName = "s"

/** What that leaves for the folder the socket is in. */
const unixFolderBytesMax = unixPathBytesMax - `/${socketFolderPrefix}XXXXXX/${socketName}`.length

const hostPattern = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})$/u

const portMax = 65_535

const passedPrefix = "systemd:"

/** What systemd takes for FileDescriptorName=: printable ASCII without colons. */
const passedNamePattern = /^[\x20-\x39\x3b-\x7e]{1,255}$/u

/** Fails with what is allowed. */
export const parse = (text: string): Result.Result<ListenAddress, string> => {
  if (text.startsWith("unix:")) {
    const path = text.slice("unix:".length)
    if (!path.startsWith("/") || path.includes("\0")) return Result.fail("unix: and an absolute path")
    return Buffer.byteLength(path) > unixPathBytesMax || Buffer.byteLength(dirname(path)) > unixFolderBytesMax
      ? Result.fail(`a socket path of at most ${unixPathBytesMax} bytes, ${unixFolderBytesMax} of them for its folder`)
      : Result.succeed({ _tag: "Unix", path })
  }
  if (text.startsWith(passedPrefix)) {
    const name = text.slice(passedPrefix.length)
    if (name === "") return Result.succeed({ _tag: "Passed", name: undefined })
    return passedNamePattern.test(name)
      ? Result.succeed({ _tag: "Passed", name })
      : Result.fail("systemd: and the FileDescriptorName= of a socket unit, of at most 255 characters without colons")
  }
  const colon = text.lastIndexOf(":")
  const portText = text.slice(colon + 1)
  const port = Number(portText)
  if (colon < 0 || !/^[0-9]{1,5}$/u.test(portText) || port > portMax) return Result.fail(allowed)
  const host = text.slice(0, colon)
  if (host === "") return Result.succeed({ _tag: "Tcp", host: undefined, port })
  if (host.startsWith("[") && host.endsWith("]")) {
    const v6 = host.slice(1, -1)
    return isIPv6(v6) ? Result.succeed({ _tag: "Tcp", host: v6, port }) : Result.fail(allowed)
  }
  return hostPattern.test(host) ? Result.succeed({ _tag: "Tcp", host, port }) : Result.fail(allowed)
}

/**
 * Whether only this machine reaches it. Of names, `localhost` alone: others are whatever a resolver says. Undefined where
 * only the socket can tell.
 */
export const isLocal = (address: ListenAddress): boolean | undefined => {
  if (address._tag === "Passed") return undefined
  if (address._tag === "Unix" || address.host?.toLowerCase() === "localhost") return true
  const bytes = address.host === undefined ? undefined : ipBytes(address.host)
  if (bytes === undefined) return false
  if (bytes.length === 4) return bytes[0] === 127
  const [tail] = bytes.subarray(15)
  if (bytes.subarray(0, 15).every((byte) => byte === 0)) return tail === 1
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes[10] === 0xff && bytes[11] === 0xff
  return mapped && bytes[12] === 127
}

export const format = (address: ListenAddress): string => {
  if (address._tag === "Unix") return `unix:${address.path}`
  if (address._tag === "Passed") return `${passedPrefix}${address.name ?? ""}`
  const host = address.host ?? ""
  return `${host.includes(":") ? `[${host}]` : host}:${address.port}`
}
