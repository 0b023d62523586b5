/** What journalctl complains of, as an error. Most of what it says on stderr is none. */
import { JournalCursorUnknown, type JournalError, JournalForbidden, JournalPatternRefused } from "./Journal.ts"

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
