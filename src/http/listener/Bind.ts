/**
 * Opens and closes the address of a server. A UNIX socket left behind by a daemon that died is removed, after a
 * connection attempt has shown that nobody answers there; one that is in use, or a file of any other kind, is left
 * alone and is an error. A socket that the service manager has opened is served as it is, once it has shown that it may be,
 * and its file is not ours to remove. A UNIX socket appears at its path with its mode and group: it is made in a folder that nobody
 * else may enter, and linked to its place when it is ready, so that nobody connects through a mode of the moment. Every
 * failure is told in words, with the address, for people who see only an exit message.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { chmod, chown, link, lstat, mkdtemp, rm, stat, unlink } from "node:fs/promises"
import * as Net from "node:net"
import { dirname, join } from "node:path"
import {
  format,
  type ListenAddress,
  socketFolderPrefix,
  socketName,
  type UnixAddress
} from "../../services/config/ListenAddress.ts"
import { errnoText, hasErrno } from "../../services/errno.ts"

export class ListenFailed extends Schema.TaggedError<ListenFailed>()("ListenFailed", {
  address: Schema.String,
  reason: Schema.String
}) {
  override get message() {
    return `cannot listen on ${this.address}: ${this.reason}`
  }
}

/** Connections the kernel keeps for us while the loop is busy; it lowers this to net.core.somaxconn. */
const backlog = 4096

/** Where the system's own words say little of an address. */
const reasons: Readonly<Record<string, string>> = {
  EPERM: "permission denied",
  EEXIST: "address already in use",
  EADDRNOTAVAIL: "this machine has no such address",
  EAFNOSUPPORT: "this machine has no such kind of address",
  ENOTFOUND: "no such host name",
  EAI_AGAIN: "the host name cannot be looked up now",
  ENOENT: "the folder does not exist",
  ENOTDIR: "a part of the path is not a folder"
}

export const failed = (address: ListenAddress, error: unknown): ListenFailed =>
  new ListenFailed({ address: format(address), reason: errnoText(error, reasons) })

/** Who may open a UNIX socket. */
export interface SocketAccess {
  readonly mode: number
  /** A group's id; undefined: the daemon's own. */
  readonly group: number | undefined
}

/** A socket that is open already. */
export interface PassedSocket {
  readonly fd: number
  /** What stands against serving on it, once it is known where it listens. */
  readonly fault: (address: ListenAddress) => string | undefined
}

export interface BindOptions {
  readonly address: ListenAddress
  readonly access: SocketAccess
  /** Undefined: there is none. */
  readonly passed: PassedSocket | undefined
}

/** Listens until the scope closes. The result is the address asked for, with the port it got, or that of the socket passed. */
export const bind = Effect.fnUntraced(function* (
  server: Net.Server,
  { access, address, passed }: BindOptions
): Effect.fn.Return<ListenAddress, ListenFailed, Scope.Scope> {
  if (address._tag === "Unix") {
    yield* bindSocket(server, address, access)
    return address
  }
  if (address._tag === "Passed") {
    if (passed === undefined) return yield* failed(address, "no socket was passed")
    return yield* Effect.acquireRelease(listenOnPassed(server, passed, address), () =>
      Effect.sync(() => server.close())
    )
  }
  const { host, port } = address
  yield* Effect.acquireRelease(startListening(server, { host, port }, address), () => Effect.sync(() => server.close()))
  const bound = server.address()
  return typeof bound === "object" && bound !== null ? { ...address, port: bound.port } : address
})

const bindSocket = Effect.fnUntraced(function* (
  server: Net.Server,
  address: UnixAddress,
  { group, mode }: SocketAccess
): Effect.fn.Return<void, ListenFailed, Scope.Scope> {
  const attempt = <A>(step: () => Promise<A>) =>
    Effect.tryPromise({ try: step, catch: (error) => failed(address, error) })
  yield* removeStale(address)
  const folder = yield* Effect.acquireRelease(
    attempt(() => mkdtemp(join(dirname(address.path), socketFolderPrefix))),
    (made) => Effect.ignore(Effect.tryPromise(() => rm(made, { recursive: true, force: true })))
  )
  const path = join(folder, socketName)
  yield* Effect.acquireRelease(startListening(server, { path }, address), () => Effect.sync(() => server.close()))
  if (group !== undefined) yield* attempt(() => chown(path, sameOwner, group))
  yield* attempt(() => chmod(path, mode))
  const made = yield* attempt(() => identity(path))
  // Linked, not renamed: what another daemon has put there meanwhile would be replaced without a word.
  yield* Effect.acquireRelease(
    attempt(() => link(path, address.path)),
    () => Effect.ignore(Effect.tryPromise(() => removeOwn(address.path, made)))
  )
  yield* attempt(() => rm(folder, { recursive: true }))
})

/** For chown: leave it as it is. */
const sameOwner = -1

/** The number of a file that is gone is given to another, but not within one tick of the clock. */
const identity = async (path: string): Promise<string> => {
  const { dev, ino, mtimeNs } = await lstat(path, { bigint: true })
  return [dev, ino, mtimeNs].join()
}

/** A daemon that started when we had stopped to listen may have its own socket there by now. */
const removeOwn = async (path: string, made: string): Promise<void> => {
  if ((await identity(path)) === made) await unlink(path)
}

const startListening = (
  server: Net.Server,
  where: Net.ListenOptions,
  address: ListenAddress
): Effect.Effect<void, ListenFailed> =>
  Effect.callback((resume) => {
    const refused = (error: Error) => resume(Effect.fail(failed(address, error)))
    server.once("error", refused)
    server.listen({ ...where, backlog }, () => {
      server.off("error", refused)
      resume(Effect.void)
    })
  })

/**
 * What the socket is, is asked before the loop comes to its connections: none is accepted of one that is refused. Only the
 * path of a UNIX socket stays unknown, and nobody needs it.
 */
const listenOnPassed = (
  server: Net.Server,
  { fault, fd }: PassedSocket,
  address: ListenAddress
): Effect.Effect<ListenAddress, ListenFailed> =>
  Effect.callback((resume) => {
    const refused = (reason: unknown) => resume(Effect.fail(failed(address, reason)))
    server.once("error", refused)
    const listening = () => {
      server.off("error", refused)
      const found = server.address()
      const real: ListenAddress =
        typeof found === "object" && found !== null
          ? { _tag: "Tcp", host: found.address, port: found.port }
          : { _tag: "Unix", path: found ?? "" }
      const reason = fault(real)
      if (reason === undefined) return resume(Effect.succeed(real))
      server.close()
      refused(reason)
    }
    try {
      server.listen({ fd, backlog }, listening)
    } catch (error) {
      // It is no socket at all.
      refused(error)
    }
  })

const removeStale = Effect.fnUntraced(function* (address: UnixAddress): Effect.fn.Return<void, ListenFailed> {
  const kind = yield* Effect.tryPromise({
    try: () =>
      lstat(address.path).then(
        (stats) => (stats.isSocket() ? "socket" : "other"),
        (error: unknown) => {
          if (hasErrno(error, "ENOENT")) return "absent"
          throw error
        }
      ),
    catch: (error) => failed(address, error)
  })
  if (kind === "absent") {
    // Asked here because libuv reports an absent folder as a lack of permission.
    yield* Effect.tryPromise({ try: () => stat(dirname(address.path)), catch: (error) => failed(address, error) })
    return
  }
  if (kind === "other") {
    return yield* new ListenFailed({ address: format(address), reason: "a file that is no socket is in the way" })
  }
  if (yield* answers(address.path)) {
    return yield* new ListenFailed({ address: format(address), reason: "address already in use" })
  }
  yield* Effect.tryPromise({ try: () => unlink(address.path), catch: (error) => failed(address, error) })
})

/** Whether somebody accepts connections at the socket; a failure other than a refusal is taken for a yes. */
const answers = (path: string): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const socket = Net.connect(path)
    socket.once("connect", () => {
      socket.destroy()
      resume(Effect.succeed(true))
    })
    socket.once("error", (error) => resume(Effect.succeed(!hasErrno(error, "ECONNREFUSED"))))
    return Effect.sync(() => socket.destroy())
  })
