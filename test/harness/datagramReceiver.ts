/**
 * A service manager's end of sd_notify, or the journal's: a UNIX datagram socket to receive on, by the C library, since Node
 * has none. Looked at again and again, as whatever gives no signal. Undefined where there is no node:ffi.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { eventually } from "../system/support.ts"

const unix = 1
const datagram = 2
const nonBlocking = 0o4_000
const closeOnExec = 0o2_000_000
const addressBytesMax = 110
const messageBytesMax = 256 * 1024
const pointer = "function"

const declarations = {
  socket: { return: "int32", arguments: ["int32", "int32", "int32"] },
  bind: { return: "int32", arguments: ["int32", pointer, "uint32"] },
  recv: { return: "int64", arguments: ["int32", pointer, "uint64", "int32"] },
  close: { return: "int32", arguments: ["int32"] }
} as const

export interface DatagramReceiver {
  /** Everything that has come so far. */
  readonly received: () => ReadonlyArray<string>
  /** Waits until a message that has come since the start fits. */
  readonly receives: (what: string, fits: (message: string) => boolean) => Effect.Effect<string>
}

export const hasFfi = process.getBuiltinModule("node:ffi") !== undefined

/** `address`: a path, or `@` and an abstract name. */
export const receiveDatagrams = (address: string): Effect.Effect<DatagramReceiver, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const ffi = process.getBuiltinModule("node:ffi")
      const c = ffi.dlopen(null, declarations).functions
      const memory = new ArrayBuffer(messageBytesMax)
      const bytes = Buffer.from(memory)
      const base = ffi.getRawPointer(memory)
      const socket = c.socket(unix, datagram | nonBlocking | closeOnExec, 0)
      bytes.fill(0, 0, addressBytesMax)
      bytes.writeUInt16LE(unix)
      bytes.write(address.replace(/^@/u, "\0"), 2)
      const length = 2 + Buffer.byteLength(address) + (address.startsWith("@") ? 0 : 1)
      if (c.bind(socket, base, length) !== 0) throw new Error(`cannot receive on ${address}`)
      const all: Array<string> = []
      const received = () => {
        for (;;) {
          const count = Number(c.recv(socket, base, BigInt(messageBytesMax), 0))
          if (count < 0) return all
          all.push(bytes.toString("latin1", 0, count))
        }
      }
      return { received, close: () => c.close(socket) }
    }),
    ({ close }) => Effect.sync(close)
  ).pipe(
    Effect.map(({ received }) => ({
      received,
      receives: (what, fits) =>
        Effect.gen(function* () {
          yield* eventually(
            what,
            Effect.sync(() => received().some(fits))
          )
          return received().find(fits) ?? ""
        })
    }))
  )
