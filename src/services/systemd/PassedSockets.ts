/**
 * The sockets that the service manager has opened for us (sd_listen_fds(3)), each to be taken once, by its name. None of them
 * is inherited by commands: Node closes them at every exec.
 *
 * What is missing is told with what there is instead, so that a name that differs in the two files is seen at once.
 */
import * as Context from "effect/Context"
import * as Result from "effect/Result"
import type { PassedAddress } from "../config/ListenAddress.ts"
import type { GivenSocket } from "./ServiceGiven.ts"

export interface PassedSocketsShape {
  /** Its descriptor, or why there is none. */
  readonly take: (address: PassedAddress) => Result.Result<number, string>
  /** Names of those that nobody has taken. */
  readonly left: () => ReadonlyArray<string>
}

export const makePassedSockets = (sockets: ReadonlyArray<GivenSocket>): PassedSocketsShape => {
  const taken = new Set<number>()
  return {
    take: ({ name }) => {
      const found = name === undefined ? sockets : sockets.filter((socket) => socket.name === name)
      const [socket] = found
      if (socket === undefined) return Result.fail(`the service manager has passed ${namesOf(sockets)}`)
      if (found.length > 1) {
        return Result.fail(
          name === undefined
            ? `the service manager has passed ${namesOf(sockets)}: say which, by systemd: and its name`
            : `the service manager has passed ${found.length} sockets of this name: each needs its own FileDescriptorName=`
        )
      }
      if (taken.has(socket.fd)) return Result.fail("another listener has this socket")
      taken.add(socket.fd)
      return Result.succeed(socket.fd)
    },
    left: () => sockets.filter(({ fd }) => !taken.has(fd)).map(({ name }) => name)
  }
}

const namesOf = (sockets: ReadonlyArray<GivenSocket>): string =>
  sockets.length === 0 ? "no sockets" : `the sockets ${sockets.map(({ name }) => JSON.stringify(name)).join(", ")}`

export const PassedSockets: Context.Reference<PassedSocketsShape> = Context.Reference<PassedSocketsShape>(
  "systemapi/services/systemd/PassedSockets",
  { defaultValue: () => makePassedSockets([]) }
)
