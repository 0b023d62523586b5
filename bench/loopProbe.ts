/**
 * Runs inside the daemon (`--import`) and measures how late its event loop is: a timer of 1 ms notes how much later than
 * due it comes. At each SIGUSR2 it appends what it has noted since the last one to the file named in BENCH_PROBE_FILE.
 *
 * Two percentiles: over moments, what one of a hundred, chosen at random, had to wait for the loop; and over the ticks of
 * `monitorEventLoopDelay`. The latter flatters a loop that is seldom but long away: a pause of 100 ms is one tick, however
 * many waited in it. Pauses of 50 ms, five a second, are 49 ms by the one and 4 ms by the other.
 */
import { appendFileSync } from "node:fs"
import { monitorEventLoopDelay } from "node:perf_hooks"
import { isMainThread } from "node:worker_threads"

export interface LoopReport {
  readonly momentsP99Ms: number
  /** Less the resolution. */
  readonly ticksP99Ms: number
}

const tickMs = 1
const share = 0.01

/**
 * The delay that a `share` of all moments exceeds. Of a gap, the moments at its beginning wait longest: those that wait
 * more than `w` are its first `gap - w` milliseconds.
 */
const percentile = (gaps: ReadonlyArray<number>, totalMs: number): number => {
  const exceeding = (wait: number) => gaps.reduce((sum, gap) => sum + Math.max(0, gap - wait), 0)
  let low = 0
  let high = Math.max(0, ...gaps)
  while (high - low > 0.01) {
    const middle = (low + high) / 2
    if (exceeding(middle) > share * totalMs) low = middle
    else high = middle
  }
  return high
}

const watch = (file: string): void => {
  const histogram = monitorEventLoopDelay({ resolution: tickMs })
  histogram.enable()
  let gaps: Array<number> = []
  let begun = performance.now()
  let last = begun
  const tick = () => {
    const now = performance.now()
    gaps.push(Math.max(0, now - last - tickMs))
    last = now
    setTimeout(tick, tickMs)
  }
  tick()
  process.on("SIGUSR2", () => {
    const now = performance.now()
    const report: LoopReport = {
      momentsP99Ms: percentile(gaps, now - begun),
      ticksP99Ms: histogram.percentile(99) / 1e6 - tickMs
    }
    appendFileSync(file, `${JSON.stringify(report)}\n`)
    gaps = []
    histogram.reset()
    begun = last = performance.now()
  })
}

const file = process.env["BENCH_PROBE_FILE"]
// Workers run it too: their loops are not the one that answers.
if (isMainThread && file !== undefined) watch(file)
