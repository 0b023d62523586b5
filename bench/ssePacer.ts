/**
 * Writes lines into a FIFO at an even pace, a process of its own: a few every 5 ms, each with the time at which it was
 * written (`process.hrtime`, CLOCK_MONOTONIC, which all processes share). Ends by itself and prints what it reached. A
 * daemon that holds it up sees the time go into the stamps of the lines held up, and the pace go down.
 */
import { closeSync, openSync, writeSync } from "node:fs"
import { stampMark } from "./stamp.ts"

export interface PacerReport {
  readonly lines: number
  readonly perSecond: number
}

/** Without its newline. */
const lineBytes = 60
const everyMs = 5

/** As many of them as a FIFO takes at once or not at all (PIPE_BUF). */
const pieceLines = Math.floor(4096 / (lineBytes + 1))

const [pipe = "", perSecondText = "1", secondsText = "1"] = process.argv.slice(2)
const perSecond = Number(perSecondText)
const wanted = perSecond * Number(secondsText)

const fd = openSync(pipe, "w")
const started = performance.now()
let written = 0

const write = (lines: number): void => {
  const line = `${stampMark}${process.hrtime.bigint()} `.padEnd(lineBytes, ".")
  writeSync(fd, `${line}\n`.repeat(lines))
  written += lines
}

const timer = setInterval(() => {
  const due = Math.min(wanted, Math.floor(((performance.now() - started) / 1000) * perSecond))
  for (let left = due - written; left > 0; left -= pieceLines) write(Math.min(pieceLines, left))
  if (written < wanted) return
  clearInterval(timer)
  closeSync(fd)
  const report: PacerReport = { lines: written, perSecond: (written * 1000) / (performance.now() - started) }
  console.log(JSON.stringify(report))
}, everyMs)
