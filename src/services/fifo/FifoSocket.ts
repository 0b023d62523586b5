/**
 * Reads a FIFO through the event loop. It is opened for reading and writing: so the open never blocks, writers find a
 * reader from that moment on, and the end of the last writer is no end of file (reading one over and over is how a
 * reader comes to spin). The price: nobody can tell when a writer has left.
 *
 * Bounds: one buffer of 64 KiB, used again and again; reading stops when the receiver says so, and the writers then
 * wait in the kernel. When it is closed, what is in the FIFO is read first, up to what a pipe can hold. Reading that
 * fails ends `failed`; nothing is retried here.
 */
import { close, constants, fstat, open, read } from "node:fs"
import { Socket } from "node:net"
import { promisify } from "node:util"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { errnoText } from "../errno.ts"
import { attempt, FifoUnusable } from "./FifoUnusable.ts"

/** Takes bytes that are valid during the call only. False: stop reading. */
export type Receive = (bytes: Buffer) => boolean

export interface OpenFifo {
  /** Tells this FIFO from another one at the same path. */
  readonly identity: string
  /** Begins to read, and goes on after the receiver had said stop. */
  readonly resume: () => void
  /** Fails when reading does; never succeeds. */
  readonly failed: Effect.Effect<never, FifoUnusable>
}

/** What the kernel's pipe holds unless somebody made it larger. */
const bufferBytes = 64 * 1024

/** What it holds at most without privilege: a writer that never stops must not hold up the close. */
const drainBytesMax = 1024 * 1024

export const identityOf = (stats: { readonly dev: bigint; readonly ino: bigint }): string => `${stats.dev}:${stats.ino}`

/**
 * Writers may write from the moment of the open on, whether it is read yet or not. One acquisition, so that nothing can
 * come between that moment and the promise that closing the scope gives the receiver what is left.
 */
export const openFifo = (path: string, receive: Receive): Effect.Effect<OpenFifo, FifoUnusable, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.map(
        attempt(path, "open it", () => openDescriptor(path)),
        ({ fd, identity }) => ({ fd, identity, ...listen(path, fd, receive) })
      ),
      ({ fd, socket }) => {
        socket.pause()
        return Effect.andThen(
          Effect.promise(() => drain(fd, receive)),
          closeSocket(socket)
        )
      }
    ),
    ({ failed, identity, socket }) => ({
      identity,
      resume: () => void socket.resume(),
      failed: Deferred.await(failed)
    })
  )

const openDescriptor = async (path: string) => {
  const fd = await promisify(open)(path, constants.O_RDWR | constants.O_NONBLOCK | constants.O_NOCTTY)
  try {
    const stats = await promisify(fstat)(fd, { bigint: true })
    if (!stats.isFIFO()) throw new Error("it is not a FIFO any more")
    return { fd, identity: identityOf(stats) }
  } catch (cause) {
    await closeQuietly(fd)
    throw cause
  }
}

/** A socket that owns the descriptor and reads nothing yet. */
const listen = (path: string, fd: number, receive: Receive) => {
  const failed = Deferred.makeUnsafe<never, FifoUnusable>()
  const fail = (reason: string) => Deferred.doneUnsafe(failed, Effect.fail(new FifoUnusable({ path, reason })))
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  const callback = (length: number) => receive(buffer.subarray(0, length))
  const socket = new Socket({ fd, readable: true, writable: false, onread: { buffer, callback } })
  socket.on("error", (cause) => fail(`cannot read it: ${errnoText(cause)}`))
  socket.on("close", () => fail("was closed"))
  // It would read from its making on; nothing has been read before this turn of the event loop ends.
  socket.pause()
  return { socket, failed }
}

/** The descriptor does not block: an empty FIFO answers EAGAIN. Another failure has been told by the socket. */
const drain = async (fd: number, receive: Receive): Promise<void> => {
  const buffer = Buffer.allocUnsafeSlow(bufferBytes)
  for (let drained = 0; drained < drainBytesMax;) {
    const bytes = await readNow(fd, buffer)
    if (bytes.length === 0) return
    receive(bytes)
    drained += bytes.length
  }
}

const readNow = (fd: number, buffer: Buffer): Promise<Buffer> =>
  new Promise((resolve) => {
    read(fd, buffer, 0, buffer.length, null, (cause, length) =>
      resolve(buffer.subarray(0, cause === null ? length : 0))
    )
  })

const closeQuietly = (fd: number): Promise<void> => promisify(close)(fd).catch(() => {})

const closeSocket = (socket: Socket) =>
  Effect.callback<void>((resume) => {
    if (socket.closed) return resume(Effect.void)
    socket.once("close", () => resume(Effect.void))
    socket.destroy()
  })
