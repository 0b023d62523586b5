/**
 * Why a call is made, as its caller says in `X-Justification`.
 *
 * Fields of HTTP arrive as bytes that Node shows as Latin-1; what people write is UTF-8, and nothing else is taken.
 */
import type { Call } from "./Call.ts"

/** A sentence or two: it is kept with every entry that it belongs to. */
export const justificationMax = 512

/** What would end a line or speak to a terminal, and what changes the order in which text is read. */
// oxlint-disable-next-line no-control-regex -- control characters are what this is about
const controls = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u

const utf8 = new TextDecoder("utf-8", { fatal: true })

/** What was said; undefined where nothing was. The failure is what is wrong with it. */
export const justificationOf = (call: Call): { readonly said: string | undefined } | { readonly wrong: string } => {
  const field = call.header("x-justification")
  if (field === undefined) return { said: undefined }
  let said: string
  try {
    said = utf8.decode(Buffer.from(field, "latin1")).trim()
  } catch {
    return { wrong: "it is not UTF-8" }
  }
  if (controls.test(said)) return { wrong: "it has control characters" }
  if (said.length === 0) return { wrong: "it says nothing" }
  if (said.length > justificationMax) return { wrong: `it has ${said.length} characters` }
  return { said }
}
