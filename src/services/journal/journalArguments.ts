/**
 * The arguments of journalctl for a question. Whatever callers may choose stands behind the `=` of its option, so that
 * nothing of it is an option itself.
 *
 * What there is to know of systemd 252 and later: `--lines` beside `--since` or a cursor gives the oldest, so the newest are
 * asked for in reverse; `--since` takes no RFC 3339, but UNIX time; without `--all` a field of 4 KiB and more is null in JSON;
 * without `--no-tail` `--follow` leaves out all but ten; later releases reverse `--grep` with `--lines` by themselves;
 * `--dmesg` means this boot alone, the transport's name all of them. `--quiet` would hide that rights are missing.
 */
import type { JournalQuery } from "./Journal.ts"

/** What JournalEntry is made of; what names no field of it tells which unit an entry is about (decodeEntry.ts). */
const fields = [
  "MESSAGE",
  "PRIORITY",
  "SYSLOG_IDENTIFIER",
  "SYSLOG_PID",
  "_COMM",
  "_PID",
  "_UID",
  "_HOSTNAME",
  "_SYSTEMD_UNIT",
  "UNIT",
  "COREDUMP_UNIT",
  "OBJECT_SYSTEMD_UNIT"
]

type Argv = readonly [string, ...Array<string>]

const argumentsOf = (query: JournalQuery, rest: ReadonlyArray<string>): Argv => {
  const { grep, priority, since, thisBoot, units } = query
  return [
    "journalctl",
    "--no-pager",
    "--all",
    "--output=json",
    `--output-fields=${fields.join(",")}`,
    ...(thisBoot === true ? ["--boot"] : []),
    ...(since === undefined ? [] : [`--since=@${(since / 1000).toFixed(3)}`]),
    ...(priority === undefined ? [] : [`--priority=${priority}`]),
    ...(grep === undefined ? [] : [`--grep=${grep}`]),
    ...rest,
    ...(units.length === 0 ? ["_TRANSPORT=kernel"] : units.map((unit) => `--unit=${unit}`))
  ]
}

/** Newest first, but for those behind a cursor. */
export const pageArguments = (query: JournalQuery & { readonly lines: number }): Argv => {
  const { after, before, grep, lines } = query
  if (after === undefined) {
    const cursor = before === undefined ? [] : [`--after-cursor=${before}`]
    return argumentsOf(query, [...cursor, "--reverse", `--lines=${lines}`])
  }
  const atMost = grep === undefined || lines === 0 ? [`--lines=${lines}`] : []
  return argumentsOf({ ...query, since: undefined }, [`--after-cursor=${after}`, ...atMost])
}

/** The newest entry, or the one at a cursor. */
export const cursorArguments = (units: ReadonlyArray<string>, at: string | undefined): Argv =>
  argumentsOf({ units }, [...(at === undefined ? [] : [`--cursor=${at}`]), "--lines=1"])

/** All that is there, oldest first. */
export const pastArguments = (query: JournalQuery): Argv => argumentsOf(...behind(query, []))

/** What comes, and what of the running boot is there. */
export const followArguments = (query: JournalQuery): Argv => argumentsOf(...behind(query, ["--follow", "--no-tail"]))

/** Beside a cursor journalctl takes no time. */
const behind = (query: JournalQuery, rest: ReadonlyArray<string>): readonly [JournalQuery, ReadonlyArray<string>] =>
  query.after === undefined
    ? [query, rest]
    : [{ ...query, since: undefined }, [...rest, `--after-cursor=${query.after}`]]

/**
 * What journalctl writes: letters with hexadecimal numbers. Others it refuses, or takes for a place that nobody meant.
 */
export const isCursor = (text: string): boolean => text.length <= cursorLengthMax && cursorPattern.test(text)

/** journald's have some 150 characters. */
const cursorLengthMax = 256
const cursorPattern = /^[a-z]=[0-9a-f]{1,32}(?:;[a-z]=[0-9a-f]{1,32}){1,7}$/u

/** UNIX time in microseconds of the entry it names. */
export const timeOfCursor = (cursor: string): number =>
  Number.parseInt(/;t=([0-9a-f]{1,16})/u.exec(cursor)?.[1] ?? "", 16)

/** The boot in which that was, without dashes. */
export const bootOfCursor = (cursor: string): string | undefined => /;b=([0-9a-f]{32})/u.exec(cursor)?.[1]
