/** The beginning of a text in at most `bytesMax` bytes of UTF-8, whole characters; one that is cut ends with a mark. */
export const cutText = (text: string, bytesMax: number): string => {
  // Each unit of a string takes three bytes at the most.
  if (text.length * 3 <= bytesMax) return text
  const bytes = Buffer.from(text)
  if (bytes.length <= bytesMax) return text
  let end = bytesMax - markBytes
  // A byte that goes on a character begins with the bits 10.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1
  return bytes.toString("utf8", 0, end) + mark
}

const mark = "…"
const markBytes = Buffer.byteLength(mark)
