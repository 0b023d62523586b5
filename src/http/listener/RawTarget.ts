/**
 * Request targets with bytes above 0x7f, as curl sends what was typed: `new_event?message=héllo`. RFC 9112 wants them
 * percent-encoded and Node's parser refuses them; servers that users come from take them. So the one who sent such a
 * line is not refused: its bytes are percent-encoded, and the parser begins again with it.
 *
 * Costs nothing until the parser has refused. Uses what Node's own HTTP server does with its parsers, which has no public
 * name; without it the fault stays what it is.
 */
import type * as Net from "node:net"
import type { Connection } from "./Connection.ts"

/** A request, to llhttp; the other type is a response. */
const parsesRequests = 1

/** True where the parser goes on: in the next tick, for at the moment it is busy with its fault. */
export const resume = (fault: Error, socket: Net.Socket, connection: Connection, headerBytes: number): boolean => {
  if (!("code" in fault) || fault.code !== "HPE_INVALID_URL") return false
  if (connection.endingSince !== undefined || connection.lastWords !== undefined) return false
  const rest = encoded(Reflect.get(fault, "rawPacket"), Reflect.get(fault, "bytesParsed"))
  const parser: unknown = Reflect.get(socket, "parser")
  if (rest === undefined || typeof parser !== "object" || parser === null) return false
  const initialize: unknown = Reflect.get(parser, "initialize")
  if (typeof initialize !== "function" || isPaused(socket)) return false
  process.nextTick(() => {
    if (socket.destroyed || Reflect.get(socket, "parser") !== parser) return
    // It would be an error of Node's to take more now, and it has no place to keep it.
    if (isPaused(socket)) return connection.destroy()
    Reflect.apply(initialize, parser, [parsesRequests, { type: "HTTPINCOMINGMESSAGE", socket }, headerBytes, 0])
    socket.emit("data", rest)
  })
  return true
}

/** Node's own word for a connection that is owed too many answers to be read. */
const isPaused = (socket: Net.Socket): boolean => Reflect.get(socket, "_paused") === true

const lineFeed = 0x0a
const space = 0x20

/** What the parser has not understood yet, the target at its beginning encoded; undefined where that is not the fault. */
const encoded = (packet: unknown, at: unknown): Buffer | undefined => {
  if (!Buffer.isBuffer(packet) || typeof at !== "number" || (packet[at] ?? 0) < 0x80) return undefined
  const start = packet.lastIndexOf(lineFeed, at) + 1
  const targetStart = packet.indexOf(space, start) + 1
  // The line began in an earlier packet, which is gone.
  if (targetStart === 0 || targetStart > at) return undefined
  let targetEnd = at
  while (targetEnd < packet.length && (packet[targetEnd] ?? 0) > space) targetEnd += 1
  const target = packet.toString("latin1", targetStart, targetEnd).replaceAll(/[\u0080-\u00ff]/gu, percentEncoded)
  return Buffer.concat([packet.subarray(start, targetStart), Buffer.from(target), packet.subarray(targetEnd)])
}

const percentEncoded = (byte: string): string => `%${byte.charCodeAt(0).toString(16).toUpperCase()}`
