/**
 * Datagrams to UNIX sockets, which Node has not: what sd_notify(3) and the journal's native protocol are made of. Calls
 * of the C library through node:ffi, on the main thread, none of which waits: the socket is non-blocking, so whoever
 * does not read is told of as `full`.
 *
 * Undefined where there is no node:ffi; the callers have another way then. Bounds: one socket and one block of memory
 * for each, and no message longer than the block (`failed`). `close` gives the socket back; nothing is sent after it.
 */
import type * as NodeFfi from "node:ffi"
import { constants } from "node:os"

/** `full`: the receiver does not keep up, and may later. `gone`: nobody receives now. `failed`: never will. */
export type Sent = "sent" | "full" | "gone" | "failed"

export interface Datagrams {
  readonly send: (message: Uint8Array) => Sent
  readonly close: () => void
}

/** The same on both architectures; node:os names none of them. */
const unix = 1
const datagram = 2
const closeOnExec = 0o2_000_000
const nonBlocking = 0o4_000
const doNotWait = 0x40
const noSignal = 0x4000

/** Of the kernel's sockaddr_un: the family, and 108 bytes for a path and its ending NUL. */
const familyBytes = 2
const pathBytesMax = 107

const at = { address: 0, message: 128 } as const

/** Pointers are declared as `function`: see posixSpawn.ts. */
const pointer = "function"
const int = "int32"
const declarations = {
  socket: { return: int, arguments: [int, int, int] },
  sendto: { return: "int64", arguments: [int, pointer, "uint64", int, pointer, "uint32"] },
  close: { return: int, arguments: [int] },
  __errno_location: { return: pointer, arguments: [] }
} as const

/**
 * As sockaddr_un has it: a path from the root, or `@` and a name that is in no folder. Undefined for anything else
 * (vsock:, of a machine that runs in another).
 */
const addressOf = (text: string): Buffer | undefined => {
  if (!/^(?:\/|@.)/u.test(text) || text.includes("\0") || Buffer.byteLength(text) > pathBytesMax) return undefined
  const path = Buffer.from(text)
  const family = Buffer.alloc(familyBytes)
  family.writeUInt16LE(unix)
  // A name is as long as it is said to be; a path ends with a NUL.
  if (text.startsWith("@")) return Buffer.concat([family, Buffer.of(0), path.subarray(1)])
  return Buffer.concat([family, path, Buffer.of(0)])
}

/** A socket for messages of at most `messageBytesMax` to one address. Whether anybody receives shows when it is sent to. */
export const openDatagrams = (to: string, messageBytesMax: number): Datagrams | undefined => {
  if (process.platform !== "linux" || !["x64", "arm64"].includes(process.arch)) return undefined
  const address = addressOf(to)
  const ffi: typeof NodeFfi | undefined = process.getBuiltinModule("node:ffi")
  if (address === undefined || ffi === undefined) return undefined
  try {
    return open(ffi, ffi.dlopen(null, declarations).functions, address, messageBytesMax)
  } catch {
    // A C library without one of the functions.
    return undefined
  }
}

type Functions = ReturnType<typeof NodeFfi.dlopen<typeof declarations>>["functions"]

const open = (ffi: typeof NodeFfi, c: Functions, address: Buffer, messageBytesMax: number): Datagrams | undefined => {
  const socket = c.socket(unix, datagram | closeOnExec | nonBlocking, 0)
  if (socket < 0) return undefined
  const memory = new ArrayBuffer(at.message + messageBytesMax)
  const base = ffi.getRawPointer(memory)
  const bytes = Buffer.from(memory)
  bytes.set(address, at.address)
  const message = base + BigInt(at.message)
  let isOpen = true

  /** Read at once: until then nothing else in this thread calls the system. */
  const whyNot = (): Sent => {
    const errno = ffi.getInt32(c.__errno_location())
    const { EAGAIN, EINTR, ENOBUFS, ENOMEM, ECONNREFUSED, ENOENT } = constants.errno
    if ([EAGAIN, EINTR, ENOBUFS, ENOMEM].includes(errno)) return "full"
    return errno === ECONNREFUSED || errno === ENOENT ? "gone" : "failed"
  }

  return {
    send: (content) => {
      if (!isOpen || content.length > messageBytesMax) return "failed"
      bytes.set(content, at.message)
      const length = BigInt(content.length)
      const sent = c.sendto(socket, message, length, doNotWait | noSignal, base, address.length)
      return sent === length ? "sent" : whyNot()
    },
    close: () => {
      if (isOpen) c.close(socket)
      isOpen = false
    }
  }
}
