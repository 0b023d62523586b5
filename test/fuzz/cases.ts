/**
 * Which cases are tried. Each has its own seed, made of the seed of the run and the number of the case, so that a failure
 * names one case and the same case can be tried alone:
 *
 *   SYSTEMAPI_FUZZ_SEED=7/1234   case 1234 of seed 7, alone
 *   SYSTEMAPI_FUZZ_SEED=7        all cases of seed 7
 *   SYSTEMAPI_FUZZ_CASES=1000000 so many cases of each kind, divided among the seeds
 */
import { Random } from "./random.ts"

/** Every run tries the same ones: a failure is one of the code, not of the day. */
const defaultSeeds = [1, 20_241_105]

export interface Case {
  /** As SYSTEMAPI_FUZZ_SEED takes it. */
  readonly name: string
  /** From its beginning each time: what one test draws is no matter to the next. */
  readonly random: () => Random
}

const [askedSeed, askedCase] = (process.env["SYSTEMAPI_FUZZ_SEED"] ?? "").split("/")
const askedCount = process.env["SYSTEMAPI_FUZZ_CASES"]

/** Longer than the default number takes on a machine that is busy with other things; whoever asks for more waits. */
export const patience = askedCount === undefined ? 240_000 : 0

const numberOf = (text: string): number => {
  const value = Number(text)
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`not a seed or a number of cases: ${text}`)
  return value
}

/** A word of seed from two numbers, so that neighbouring cases have nothing in common. */
const mix = (seed: number, index: number): number =>
  new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b)).next()

const caseOf = (seed: number, index: number): Case => {
  const own = mix(seed, index)
  return { name: `${seed}/${index}`, random: () => new Random(own) }
}

/** `count` cases, unless the environment says otherwise. */
export const cases = (count: number): ReadonlyArray<Case> => {
  const seeds = askedSeed === undefined || askedSeed === "" ? defaultSeeds : [numberOf(askedSeed)]
  if (askedCase !== undefined) return seeds.map((seed) => caseOf(seed, numberOf(askedCase)))
  const each = Math.ceil((askedCount === undefined ? count : numberOf(askedCount)) / seeds.length)
  return seeds.flatMap((seed) => Array.from({ length: each }, (_, index) => caseOf(seed, index)))
}

/** A part of them, where each costs a process or a disk: every so many, so that all seeds have their share. */
export const some = (all: ReadonlyArray<Case>, count: number): ReadonlyArray<Case> => {
  const step = Math.max(1, Math.floor(all.length / count))
  return all.filter((_, index) => index % step === 0).slice(0, count)
}

/** The failure of a case says how to see it again. */
export const failed = ({ name }: Case, what: string, cause?: unknown): Error =>
  new Error(`SYSTEMAPI_FUZZ_SEED=${name}: ${what}`, { cause })
