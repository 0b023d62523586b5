/** What is wrong with a question, or with what may be read: as journalctl complains of it, and ahead of that. */
import * as Effect from "effect/Effect"
import {
  JournalCursorUnknown,
  type JournalError,
  JournalForbidden,
  JournalPatternRefused,
  type JournalQuery
} from "./Journal.ts"
import { isCursor } from "./journalArguments.ts"

/** In English: it is run with LC_ALL=C.UTF-8. */
export const faultOf = (complaint: string): JournalError | undefined => {
  if (/insufficient permissions|not seeing messages from other users/u.test(complaint)) return new JournalForbidden()
  if (complaint.includes("seek to cursor")) return new JournalCursorUnknown()
  const pattern = /^Bad pattern "[^\n]*": ([^\n]{1,256})/u.exec(complaint)?.[1]
  if (pattern !== undefined) return new JournalPatternRefused({ why: `is not a regular expression (${pattern})` })
  if (complaint.includes("without pattern matching")) {
    return new JournalPatternRefused({ why: "journalctl was built without regular expressions" })
  }
  return undefined
}

export const checkCursors = ({ after, before }: JournalQuery): Effect.Effect<void, JournalCursorUnknown> =>
  [after, before].every((cursor) => cursor === undefined || isCursor(cursor))
    ? Effect.void
    : Effect.fail(new JournalCursorUnknown())
