/**
 * Names of X.509: read from DER, written as text (RFC 2253, as `openssl x509 -nameopt RFC2253` writes it) and read from
 * such text. Names are compared by their parts and never by a text that the certificate's author could have shaped: a
 * comma, a line feed or a NUL within a value stays within that value.
 *
 * Bounds: those of the bytes or the text given; the readers take one look at each character.
 */
import { universal } from "./Der.ts"
import { DerReader } from "./DerReader.ts"

interface Attribute {
  /** Dotted. */
  readonly type: string
  /** Undefined: no kind of text; it is known by its bytes alone. */
  readonly text: string | undefined
  readonly der: Uint8Array
}

/** One part of a name; nearly always a single attribute. */
type RelativeName = ReadonlyArray<Attribute>

/** In the order of the certificate: the country first, the common name last. */
export type DistinguishedName = ReadonlyArray<RelativeName>

/** What OpenSSL calls them; any other is written as its number. */
const shortNames: ReadonlyMap<string, string> = new Map([
  ["2.5.4.3", "CN"],
  ["2.5.4.4", "SN"],
  ["2.5.4.5", "serialNumber"],
  ["2.5.4.6", "C"],
  ["2.5.4.7", "L"],
  ["2.5.4.8", "ST"],
  ["2.5.4.9", "street"],
  ["2.5.4.10", "O"],
  ["2.5.4.11", "OU"],
  ["2.5.4.12", "title"],
  ["2.5.4.13", "description"],
  ["2.5.4.15", "businessCategory"],
  ["2.5.4.17", "postalCode"],
  ["2.5.4.41", "name"],
  ["2.5.4.42", "GN"],
  ["2.5.4.43", "initials"],
  ["2.5.4.44", "generationQualifier"],
  ["2.5.4.46", "dnQualifier"],
  ["2.5.4.65", "pseudonym"],
  ["2.5.4.97", "organizationIdentifier"],
  ["0.9.2342.19200300.100.1.1", "UID"],
  ["0.9.2342.19200300.100.1.25", "DC"],
  ["1.2.840.113549.1.9.1", "emailAddress"],
  ["1.2.840.113549.1.9.2", "unstructuredName"]
])

const typesByName: ReadonlyMap<string, string> = new Map(
  [...shortNames].map(([type, name]) => [name.toLowerCase(), type] as const)
)

/** Reads the next element as a Name. */
export const readName = (reader: DerReader): DistinguishedName => {
  const names: Array<RelativeName> = []
  const sequence = reader.enter()
  while (!sequence.atEnd) {
    const attributes: Array<Attribute> = []
    const set = sequence.enter(universal.set)
    do {
      const pair = set.enter()
      const type = pair.oid()
      const der = pair.whole()
      pair.end()
      attributes.push({ type, text: textOf(der), der })
    } while (!set.atEnd)
    names.push(attributes)
  }
  return names
}

const textOf = (der: Uint8Array): string | undefined => {
  const [tag = -1] = der
  const decode = decoders.get(tag)
  return decode?.(new DerReader(der).content(tag))
}

const latin1 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("latin1")

/** What is no valid text in its encoding is none at all. */
const strictly =
  (encoding: "utf-8" | "utf-16be") =>
  (bytes: Uint8Array): string | undefined => {
    try {
      return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes)
    } catch {
      return undefined
    }
  }

const ascii = (bytes: Uint8Array): string | undefined =>
  bytes.every((byte) => byte < 0x80) ? latin1(bytes) : undefined

const decoders: ReadonlyMap<number, (bytes: Uint8Array) => string | undefined> = new Map([
  [universal.utf8String, strictly("utf-8")],
  [universal.numericString, ascii],
  [universal.printableString, ascii],
  // T.61 in name; everybody writes Latin-1.
  [universal.teletexString, latin1],
  [universal.ia5String, ascii],
  [universal.visibleString, ascii],
  [universal.bmpString, strictly("utf-16be")]
])

/** `CN=build,O=Example`: the last part first; whatever could be mistaken is escaped, and so is what is not ASCII. */
export const formatName = (name: DistinguishedName): string =>
  name
    .map((attributes) => attributes.map(formatAttribute).toReversed().join("+"))
    .toReversed()
    .join(",")

const formatAttribute = ({ der, text, type }: Attribute): string => {
  const name = shortNames.get(type)
  return name === undefined || text === undefined
    ? `${name ?? type}=#${Buffer.from(der).toString("hex").toUpperCase()}`
    : `${name}=${escapeValue(text)}`
}

const escapeValue = (text: string): string =>
  text
    .replaceAll(/[,+"\\<>;]|^[# ]|(?<=.) $/gsu, "\\$&")
    .replaceAll(/[^\x20-\x7e]+/gu, (odd) => Buffer.from(odd).toString("hex").toUpperCase().replaceAll(/../gu, "\\$&"))

/**
 * Equal for two names that have the same parts in the same order, however their text is encoded. The attributes of one
 * part have no order.
 */
export const nameKey = (name: DistinguishedName): string => keyOf(name.map((attributes) => attributes.map(valueOf)))

const keyOf = (parts: ReadonlyArray<ReadonlyArray<string>>): string =>
  JSON.stringify(parts.map((attributes) => attributes.toSorted()))

const valueOf = ({ der, text, type }: Attribute): string =>
  text === undefined ? hexValue(type, Buffer.from(der).toString("hex")) : textValue(type, text)

const hexValue = (type: string, hex: string): string => `${type}=#${hex.toLowerCase()}`
const textValue = (type: string, text: string): string => `${type}=:${text}`

/** The `nameKey` of what a person has written in the way of RFC 2253; undefined where that is no name. */
export const parseNameKey = (text: string): string | undefined => {
  const parts: Array<Array<string>> = [[]]
  const attribute =
    /\s*([A-Za-z][A-Za-z0-9-]*|\d+(?:\.\d+)+)\s*=\s*(#(?:[0-9A-Fa-f]{2})+|(?:\\(?:[0-9A-Fa-f]{2}|[^0-9A-Fa-f])|[^\\,+"<>;#])(?:\\(?:[0-9A-Fa-f]{2}|[^0-9A-Fa-f])|[^\\,+"<>;])*|)([,+]|$)/uy
  for (;;) {
    const [all, name, value = "", after] = attribute.exec(text) ?? []
    const type = name === undefined ? undefined : (typesByName.get(name.toLowerCase()) ?? dotted(name))
    if (all === undefined || type === undefined) return undefined
    parts.at(-1)?.push(value.startsWith("#") ? hexKey(type, value.slice(1)) : textValue(type, unescapeValue(value)))
    if (after === "") return keyOf(parts.toReversed())
    if (after === ",") parts.push([])
  }
}

const dotted = (name: string): string | undefined => (/^\d/u.test(name) ? name : undefined)

/** Bytes that are a text are that text: OpenSSL writes the values of the attributes it does not know as bytes. */
const hexKey = (type: string, hex: string): string => {
  const der = Buffer.from(hex, "hex")
  try {
    const text = textOf(der)
    if (text !== undefined) return textValue(type, text)
  } catch {
    // No DER: it is compared as it is, and never equal to anything.
  }
  return hexValue(type, hex)
}

/** Blanks at the end are no part of the value unless they are escaped. */
const unescapeValue = (value: string): string => {
  const bytes = value
    .replace(/(?<!\\) +$/u, "")
    .replaceAll(
      /\\([0-9A-Fa-f]{2})|\\(.)|([^\\]+)/gsu,
      (_, hex?: string, escaped?: string, plain?: string) => hex ?? Buffer.from(escaped ?? plain ?? "").toString("hex")
    )
  return Buffer.from(bytes, "hex").toString("utf8")
}
