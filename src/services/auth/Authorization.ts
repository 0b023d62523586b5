/**
 * Reads an `Authorization` header of the Basic scheme (RFC 7617). Bytes come out as they were sent: which encoding a
 * client used for its password is not for us to guess, and a digest needs none.
 *
 * Never throws; whatever is not exactly Basic credentials is `undefined`. The length is bounded by the listener's
 * limit on headers. Padding is required and the URL-safe alphabet refused, as by the Go original.
 */

export interface BasicCredentials {
  readonly user: Uint8Array
  readonly password: Uint8Array
}

/** The scheme in any case, spaces, and padded base64, whose length is checked apart. */
const basic = /^basic +([A-Za-z0-9+/]+={0,2})$/iu

const colon = ":".charCodeAt(0)

export const parseBasic = (header: string): BasicCredentials | undefined => {
  const encoded = basic.exec(header)?.[1]
  if (encoded === undefined || encoded.length % 4 !== 0) return undefined
  const bytes = Buffer.from(encoded, "base64")
  // The first colon ends the user name, which cannot contain one; the password can.
  const end = bytes.indexOf(colon)
  return end === -1 ? undefined : { user: bytes.subarray(0, end), password: bytes.subarray(end + 1) }
}
