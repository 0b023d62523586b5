/**
 * The secret that signs access tokens: what is wrong with one, and the file it may be kept in.
 *
 * Bounds: `fileBytesMax` of a regular file. A file that others may read is refused: whoever reads it is everybody.
 * Messages say how long a secret is and nothing else of it.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { quote } from "./Problem.ts"
import { readRegularFile } from "./readRegularFile.ts"

/** RFC 7518, section 3.2: a key of HS256 is no shorter than its hash. */
const secretBytesMin = 32

const fileBytesMax = 4096

/** As manuals print them for want of a real one: the world knows these. */
const printed = /^(?:your|my)[-_ ](?:.{0,16}[-_ ])?secret/iu

export const secretFault = (secret: string): string | undefined => {
  if (printed.test(secret)) {
    return `found a string of ${secret.length} characters, which is the example of a manual and known to everybody, allowed: one of your own, as openssl rand -base64 48 makes them, or none: one is made then`
  }
  const bytes = Buffer.byteLength(secret)
  return bytes >= secretBytesMin
    ? undefined
    : `found a string of ${bytes} bytes, allowed: at least ${secretBytesMin}, as openssl rand -base64 48 makes them`
}

const openToOthers = 0o077

/**
 * Fails with what is wrong, as a problem's text. A credential's folder is closed to others by the service manager; the mode of
 * the file in it may be that of an access control list.
 */
export const readSigningSecret = (path: string, isCredential: boolean): Effect.Effect<Redacted.Redacted, string> =>
  Effect.flatMap(
    Effect.mapError(readRegularFile(path, fileBytesMax), ({ reason }) => `found ${quote(path)}, which ${reason}`),
    ({ bytes, mode }) => {
      const others = isCredential ? 0 : mode & openToOthers
      if (others !== 0) {
        const found = (mode & 0o7777).toString(8).padStart(4, "0")
        return Effect.fail(`found ${quote(path)}, which is open to other users (mode ${found}), allowed: mode 0600`)
      }
      // Editors and `openssl rand` end a file with a newline that is no part of the secret.
      const secret = bytes.toString().replace(/\r?\n$/u, "")
      const fault = secretFault(secret)
      return fault === undefined ? Effect.succeed(Redacted.make(secret)) : Effect.fail(fault)
    }
  )
