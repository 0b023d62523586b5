/**
 * The way to the service manager where there is no node:ffi: its own program, systemd-notify(1). Its messages come from
 * another process than the service's first, so the unit has to say NotifyAccess=all.
 *
 * Bounds: `patience` for one message. A program that is not there, or fails, leaves the manager without news.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Spawner } from "../commands/Spawner.ts"
import type { ServiceManagerShape } from "./ServiceManager.ts"

/** A moment's work; longer means that the machine does nothing else either. */
const patience = Duration.seconds(5)

/** What it says when it refuses, for nobody. */
const outputBytes = 256

export const throughProgram = (
  spawner: Spawner["Service"],
  notifySocket: string,
  path: string | undefined
): ServiceManagerShape => ({
  listens: true,
  tell: (...assignments) =>
    spawner
      .spawn({
        // Each begins with a name in capitals: none can be taken for an option.
        argv: ["systemd-notify", ...assignments.map(([name, value]) => `${name}=${value}`)],
        env: { NOTIFY_SOCKET: notifySocket, ...(path === undefined ? {} : { PATH: path }) },
        headBytes: outputBytes,
        tailBytes: 0
      })
      .pipe(
        Effect.flatMap(({ exit }) => exit),
        Effect.timeoutOption(patience),
        Effect.scoped,
        Effect.ignore
      )
})
