/**
 * `make sim SEED=7` replays one run and prints what happened; `make sim SEEDS=1..5000` runs many and prints the failures
 * and how often everything took place.
 */
import { type Outcome, simulate } from "./run.ts"

const replay = (seed: number): boolean => {
  const { broken, digest, trace } = simulate(seed)
  console.log(trace.join("\n"))
  console.log(`${broken === undefined ? "all invariants hold" : `BROKEN: ${broken.invariant}`}; digest ${digest}`)
  return broken === undefined
}

const runMany = (from: number, to: number): boolean => {
  const counts = new Map<string, number>()
  let failed = 0
  const before = process.cpuUsage()
  for (let seed = from; seed <= to; seed++) {
    const { broken, coverage } = simulate(seed)
    for (const [what, times] of coverage) counts.set(what, (counts.get(what) ?? 0) + times)
    if (broken === undefined) continue
    failed += 1
    console.log(failureOf({ seed, broken }))
  }
  const { system, user } = process.cpuUsage(before)
  for (const [what, times] of [...counts].sort()) console.log(`${String(times).padStart(9)} ${what}`)
  const each = ((user + system) / 1000 / (to - from + 1)).toFixed(1)
  console.log(`${to - from + 1} seeds, ${failed} failed, ${each} ms of processor time each`)
  return failed === 0
}

const failureOf = ({ broken, seed }: Pick<Outcome, "broken" | "seed">): string =>
  `make sim SEED=${seed}   ${broken?.invariant ?? ""}: ${broken?.what ?? ""}`

const [given = ""] = process.argv.slice(2)
const range = /^(\d+)(?:\.\.(\d+))?$/u.exec(given)
if (range === null) {
  console.error("which seeds? make sim SEED=7, or make sim SEEDS=1..5000")
  process.exitCode = 2
} else {
  const [, from, to] = range
  const held = to === undefined ? replay(Number(from)) : runMany(Number(from), Number(to))
  process.exitCode = held ? 0 : 1
}
