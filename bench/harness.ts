/** Rounds, medians, and the lines they become: what every path of the table shares. */
import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import type { LoadOptions, LoadReport } from "./load.ts"
import type { Server } from "./servers.ts"

const fromEnvironment = (name: string, otherwise: number): number => {
  const value = Number(process.env[name] ?? otherwise)
  if (!(value > 0)) throw new Error(`${name}: found ${process.env[name]}, allowed: a number above 0`)
  return value
}

/** Odd, so that a median is a run that was; enough to survive one that met somebody else's work. */
export const rounds = fromEnvironment("BENCH_ROUNDS", 5)

/** Of one run: long enough to be past the first garbage collections. */
export const seconds = fromEnvironment("BENCH_SECONDS", 2)

/** What a bar asks for: of our own figure, or of its ratio to the other one of the same round. */
export interface Wanted {
  readonly of: "ours" | "ratio"
  readonly least?: number
  /** Not met by this figure itself: the bar is below it. */
  readonly below?: number
  readonly most?: number
}

/** A line of the table; figures come in the order of the rounds. */
export interface Line {
  readonly path: string
  readonly unit: string
  readonly ours: ReadonlyArray<number>
  /** What a bare process reached, or what else ours is compared with. */
  readonly bare?: ReadonlyArray<number>
  readonly wanted: Wanted
  /** The ratio of the work done per second of processor time, where both sides have one. */
  readonly byCpu?: number
  /** The load generator, not a server, was the limit of either side. */
  readonly generatorBound?: boolean
}

export const median = (values: ReadonlyArray<number>): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN

/** Results in the order of the rounds. */
export interface Sides<A> {
  readonly ours: ReadonlyArray<A>
  readonly bare: ReadonlyArray<A>
}

/** Every round with the one side first by turns, so that what disturbs the machine, or drifts, meets both. */
export const alternate = async <A>(ours: () => Promise<A>, bare: () => Promise<A>): Promise<Sides<A>> => {
  const results = { ours: [] as Array<A>, bare: [] as Array<A> }
  const runOurs = async () => results.ours.push(await ours())
  const runBare = async () => results.bare.push(await bare())
  for (let round = 0; round < rounds; round++) {
    for (const run of round % 2 === 0 ? [runBare, runOurs] : [runOurs, runBare]) await run()
  }
  return results
}

export const repeat = async <A>(run: (round: number) => Promise<A>): Promise<ReadonlyArray<A>> => {
  const results: Array<A> = []
  for (let round = 0; round < rounds; round++) results.push(await run(round))
  return results
}

export interface Load extends LoadReport {
  /** Processor time of the server for each request, in µs. */
  readonly cpuMicros: number
}

/** Drives a server with the load generator for one run. */
export const load = async (server: Server, options: Omit<LoadOptions, "seconds">): Promise<Load> => {
  const before = server.cpuMs
  const report = await runLoad({ ...options, seconds })
  return { ...report, cpuMicros: ((server.cpuMs - before) * 1000) / report.total }
}

export const runLoad = async (options: LoadOptions): Promise<LoadReport> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, "load.ts"), JSON.stringify(options)], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  let out = ""
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString()
  })
  const [code] = await once(child, "close")
  if (code !== 0) throw new Error(`the load generator failed on ${options.url}`)
  const report: LoadReport = JSON.parse(out)
  return report
}

/** Share of its core above which the generator has no time left for a server that waits for it. */
const busyMax = 0.95

export const isGeneratorBound = (loads: ReadonlyArray<Load>): boolean => median(loads.map(({ busy }) => busy)) > busyMax

/** The ratio of what both sides get done with the same processor time. */
export const ratioByCpu = ({ bare, ours }: Sides<{ readonly cpuMicros: number }>): number =>
  median(ours.map(({ cpuMicros }, round) => (bare[round]?.cpuMicros ?? Number.NaN) / cpuMicros))

/** The line of a path that compares requests per second. */
export const throughputLine = (about: Pick<Line, "path" | "unit" | "wanted">, sides: Sides<Load>): Line => ({
  ...about,
  ours: sides.ours.map(({ perSecond }) => perSecond),
  bare: sides.bare.map(({ perSecond }) => perSecond),
  byCpu: ratioByCpu(sides),
  generatorBound: isGeneratorBound(sides.ours) || isGeneratorBound(sides.bare)
})
