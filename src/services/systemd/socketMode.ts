/**
 * Who may open a UNIX socket that was passed: the mode of its file, which whoever made it has chosen (systemd: 0666, unless
 * SocketMode= says otherwise). The socket itself does not tell its path to Node; the kernel's list of sockets does, by the number
 * of the descriptor's inode.
 *
 * Undefined where that cannot be told: a socket without a file, or one of another network namespace.
 */
import * as Effect from "effect/Effect"
import { readFile, readlink, stat } from "node:fs/promises"

const modeBits = 0o7777

export const passedSocketMode = (fd: number): Effect.Effect<number | undefined> =>
  Effect.orElseSucceed(
    Effect.tryPromise(async () => {
      const inode = /^socket:\[(\d+)\]$/u.exec(await readlink(`/proc/self/fd/${fd}`))?.[1]
      // Its columns end with the inode and the path: `0000000000000000: 00000002 00000000 00010000 0001 01 9975 /run/a.sock`.
      const line = new RegExp(`^(?:\\S+ +){6}${inode ?? "-"} (\\/.*)$`, "mu")
      const path = line.exec(await readFile("/proc/net/unix", "utf8"))?.[1]
      return path === undefined ? undefined : (await stat(path)).mode & modeBits
    }),
    () => undefined
  )
