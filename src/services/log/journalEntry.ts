/**
 * A log line in the journal's native protocol: variables of which every reader can ask for one by its name
 * (`journalctl SYSTEMAPI_REQUEST_ID=…`). A value without a line break is `NAME=value`; one with goes with its length before
 * it, so that nothing which stands in a value, a caller's text for one, begins a variable of its own.
 *
 * Bounds: `fieldsMax` fields of `valueBytesMax` each; longer ones are cut, more are left out.
 */
import { cutText } from "../systemd/cutText.ts"
import { jsonText, type LogEntry, plainRequest, plainText, priorityOf, type RequestEntry } from "./format.ts"

/** Longer ones are a dump, which nobody reads in a log. */
const messageBytesMax = 32 * 1024

/** A stack of calls with room to spare. */
const valueBytesMax = 4 * 1024

/** More than any line of ours has. */
const fieldsMax = 24

/** The journal takes 64 characters of a name. */
const nameLengthMax = 64

/** What a whole entry may weigh: the kernel takes more in one datagram (net.core.wmem_default is 208 KiB). */
export const entryBytesMax = messageBytesMax + fieldsMax * (valueBytesMax + nameLengthMax + 16) + 256

const prefix = "SYSTEMAPI_"

/** The message shows the fields as well, as a line of text does: most people look at nothing else. */
export const encodeLine = (entry: LogEntry): Buffer => encode(priorityOf(entry.level), plainText(entry), entry.fields)

/** As `encodeLine`, of a request. */
export const encodeRequest = (entry: RequestEntry): Buffer => {
  const { address, durationMs, id, method, path, status, who } = entry
  return encode(priorityOf("Info"), plainRequest(entry), {
    method,
    path,
    status,
    ms: durationMs,
    address: address === "" ? undefined : address,
    who,
    request_id: id
  })
}

/** A field that is undefined is left out. */
const encode = (priority: number, message: string, fields: Readonly<Record<string, unknown>>): Buffer => {
  const parts = [`PRIORITY=${priority}\nSYSLOG_IDENTIFIER=systemapi\n`, variable("MESSAGE", message, messageBytesMax)]
  let count = 0
  for (const [name, value] of Object.entries(fields)) {
    if (value === undefined) continue
    if (++count > fieldsMax) break
    parts.push(variable(nameOf(name), typeof value === "string" ? value : jsonText(value), valueBytesMax))
  }
  return Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : part)))
}

/** Only capitals, digits and underscores: `request_id` is SYSTEMAPI_REQUEST_ID. */
const nameOf = (name: string): string =>
  `${prefix}${name.toUpperCase().replace(/[^A-Z0-9_]/gu, "_")}`.slice(0, nameLengthMax)

const lengthBytes = 8

const variable = (name: string, value: string, bytesMax: number): string | Buffer => {
  const text = cutText(value.toWellFormed(), bytesMax)
  if (!text.includes("\n")) return `${name}=${text}\n`
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(lengthBytes)
  length.writeBigUInt64LE(BigInt(bytes.length))
  return Buffer.concat([Buffer.from(`${name}\n`), length, bytes, Buffer.from("\n")])
}
