/**
 * The blocks of one kind in a PEM text (RFC 7468); what stands between them is nobody's business. One pass, and nothing
 * is kept of the text.
 */

/** In their order; undefined for a block that is not base64 or does not end. */
export const pemBlocks = (text: string, label: string): ReadonlyArray<Uint8Array | undefined> => {
  const begin = `-----BEGIN ${label}-----`
  const end = `-----END ${label}-----`
  const blocks: Array<Uint8Array | undefined> = []
  for (let at = text.indexOf(begin); at !== -1;) {
    const start = at + begin.length
    const stop = text.indexOf(end, start)
    blocks.push(stop === -1 ? undefined : decoded(text.slice(start, stop)))
    at = stop === -1 ? -1 : text.indexOf(begin, stop)
  }
  return blocks
}

/** Node skips what is no base64; here it is a fault, as one letter less would be another certificate. */
const decoded = (base64: string): Uint8Array | undefined => {
  const bytes = Buffer.from(base64, "base64")
  return bytes.length > 0 && !/[^A-Za-z0-9+/=\s]/u.test(base64) ? bytes : undefined
}
