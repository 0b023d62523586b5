/** What commands at the console print, and what they read. */

/** Rows under their headings, in columns. */
export const table = (headings: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string => {
  const all = [headings, ...rows]
  const widths = headings.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd()
    )
    .join("\n")
}

export const timeText = (ms: number): string => new Date(ms).toISOString()

export const timeOrNull = (ms: number | undefined): string | null => (ms === undefined ? null : timeText(ms))

const secondsOf = { s: 1, m: 60, h: 3600, d: 86_400, w: 7 * 86_400 } as const

/** `30d` as seconds; undefined where it is no such time. */
export const spanSeconds = (text: string): number | undefined => {
  const match = /^([1-9]\d{0,8})([smhdw])$/u.exec(text)
  const unit = match?.[2]
  if (unit !== "s" && unit !== "m" && unit !== "h" && unit !== "d" && unit !== "w") return undefined
  return Number(match?.[1]) * secondsOf[unit]
}
