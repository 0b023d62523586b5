/**
 * Entries of a journal as text, the way `journalctl --output=short` prints them: the host's own time, its name, who wrote it,
 * and the message, whose further lines stand below its first. What would move a terminal's cursor or change its colours is
 * left out or shown as U+FFFD, where journalctl prints that there is something unprintable, and not what.
 */
import type { JournalEntry } from "../../services/journal/Journal.ts"
import type { JournalRecord } from "../api/status/Logs.ts"

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

const two = (value: number): string => String(value).padStart(2, "0")

/** Neighbours are nearly always of the same second. */
let lastSecond = -1
let lastTime = ""

const timeOf = (realtimeUs: number): string => {
  const second = Math.floor(realtimeUs / 1_000_000)
  if (second !== lastSecond) {
    const date = new Date(second * 1000)
    const day = `${months[date.getMonth()] ?? ""} ${two(date.getDate())}`
    lastTime = `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
    lastSecond = second
  }
  return lastTime
}

/* oxlint-disable no-control-regex -- control characters are what this is about */
/** All but the newline. */
const controls = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/u
const eachControl = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/gu
/** Colours and movements, titles and links. */
const sequences = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\))/gu
const carriageReturns = /\r$/gmu
/* oxlint-enable no-control-regex */

const printable = (message: string): string =>
  controls.test(message)
    ? message
        .replace(sequences, "")
        .replace(carriageReturns, "")
        .replaceAll("\t", "        ")
        .replace(eachControl, "\uFFFD")
    : message

/** Its lines, without those that are empty. */
export const linesOf = (entry: JournalEntry): ReadonlyArray<string> => {
  const { hostname, identifier, message, pid, realtimeUs } = entry
  const host = hostname === null ? "" : ` ${hostname}`
  const prefix = printable(`${timeOf(realtimeUs)}${host} ${identifier ?? "unknown"}${pid === null ? "" : `[${pid}]`}: `)
  const text = printable(message)
  if (!text.includes("\n")) return text.trim() === "" ? [] : [prefix + text]
  const indent = " ".repeat(prefix.length)
  const lines: Array<string> = []
  for (const [n, line] of text.split("\n").entries()) {
    if (line.trim() !== "") lines.push((n === 0 ? prefix : indent) + line)
  }
  return lines
}

export const recordOf = ({ realtimeUs, ...entry }: JournalEntry): typeof JournalRecord.Type => ({
  cursor: entry.cursor,
  timestamp: isoOf(realtimeUs),
  priority: entry.priority,
  identifier: entry.identifier,
  pid: entry.pid,
  unit: entry.unit,
  hostname: entry.hostname,
  message: entry.message
})

const isoOf = (realtimeUs: number): string => {
  const millis = Math.floor(realtimeUs / 1000)
  return `${new Date(millis).toISOString().slice(0, -1)}${String(realtimeUs - millis * 1000).padStart(3, "0")}Z`
}
