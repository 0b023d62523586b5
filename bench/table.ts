/** The table that a run prints: one line for each bar. */
import { type Line, median, type Wanted } from "./harness.ts"

const pathWidth = 34
/** Of the columns of figures, in their order. */
const widths = [12, 12, 8, 20, 12, 8, 6]

const print = (path: string, cells: ReadonlyArray<string>, unit: string): string =>
  `${path.padEnd(pathWidth)}${cells.map((cell, i) => cell.padStart(widths[i] ?? 0)).join("")}  ${unit}`

export const heading = print("path", ["ours", "bare", "ratio", "spread", "wanted", "by CPU", "met"], "unit")

const figure = (value: number): string =>
  value >= 100 || Number.isInteger(value) ? Math.round(value).toLocaleString("en-US") : value.toPrecision(3)

const ratio = (value: number): string => value.toFixed(2)

const wantedText = ({ below, least, most, of }: Wanted): string => {
  const text = of === "ratio" ? ratio : figure
  if (least !== undefined) return `>= ${text(least)}`
  return below !== undefined ? `< ${text(below)}` : `<= ${text(most ?? Number.NaN)}`
}

const isMet = ({ below = Infinity, least = -Infinity, most = Infinity }: Wanted, value: number): boolean =>
  value >= least && value < below && value <= most

/** The ratio is the median of the rounds' ratios, not of two medians: both sides of a round met the same machine. */
export const row = ({ bare, byCpu, generatorBound = false, ours, path, unit, wanted }: Line): string => {
  const ratios = bare === undefined ? [] : ours.map((value, round) => value / (bare[round] ?? Number.NaN))
  const [judged, text] = wanted.of === "ours" ? [ours, figure] : [ratios, ratio]
  return print(
    path,
    [
      figure(median(ours)),
      bare === undefined ? "" : figure(median(bare)),
      bare === undefined ? "" : ratio(median(ratios)),
      judged.length === 1 ? "" : `${text(Math.min(...judged))}-${text(Math.max(...judged))}`,
      wantedText(wanted),
      byCpu === undefined ? "" : ratio(byCpu),
      isMet(wanted, median(judged)) ? "yes" : "NO"
    ],
    generatorBound ? `${unit} (the generator was the limit)` : unit
  )
}
