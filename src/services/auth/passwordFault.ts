/** Which passwords cannot be set: what RFC 7617 forbids or no client could send. Says why, never what was given. */

/** Longer than any password manager makes, and in base64 far below the limit on headers. */
export const passwordBytesMax = 1024

export const passwordFault = (password: Uint8Array): string | undefined => {
  if (password.length === 0) return "it is empty"
  if (password.length > passwordBytesMax) return `it has ${password.length} bytes, ${passwordBytesMax} are allowed`
  const control = password.findIndex((byte) => byte < 0x20 || byte === 0x7f)
  if (control === -1) return undefined
  return control >= password.length - 2 && password.at(-1) === 0x0a
    ? "it ends with a newline, which no password can contain; send it without (printf, not echo)"
    : `byte ${control + 1} is a control character, which no password can contain`
}
