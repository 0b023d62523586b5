/**
 * Writes into a FIFO without holding a thread: opened non-blocking, written through the event loop, so that a reader
 * that stops reading suspends the writer's fiber and nothing else. Interrupting that fiber ends the write at once.
 *
 * Bounds: one write in hand; its bytes are the caller's. Fails when nobody has the FIFO open for reading, and when the
 * reader goes away in the middle.
 */
import { constants, open } from "node:fs"
import { Socket } from "node:net"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export const openFifo = <E>(
  path: string,
  failed: (operation: string, cause: unknown) => E
): Effect.Effect<{ readonly write: (bytes: Uint8Array) => Effect.Effect<void, E> }, E, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.map(openDescriptor(path, failed), (fd) => {
        const socket = new Socket({ fd, readable: false, writable: true })
        // Each write reports its own failure; without a listener the same error would end the process.
        return socket.on("error", () => {})
      }),
      closeSocket
    ),
    (socket) => ({
      write: (bytes) =>
        Effect.callback<void, E>((resume) => {
          socket.write(bytes, (cause) =>
            resume(cause === undefined || cause === null ? Effect.void : Effect.fail(failed("write", cause)))
          )
        })
    })
  )

const openDescriptor = <E>(path: string, failed: (operation: string, cause: unknown) => E) =>
  Effect.callback<number, E>((resume) => {
    open(path, constants.O_WRONLY | constants.O_NONBLOCK, (cause, fd) => {
      if (cause === null) return resume(Effect.succeed(fd))
      resume(Effect.fail(failed("open", cause.code === "ENXIO" ? new Error("no process reads this FIFO") : cause)))
    })
  })

const closeSocket = (socket: Socket) =>
  Effect.callback<void>((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
    socket.destroy()
  })
