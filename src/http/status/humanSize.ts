/** A size as the System Status Service writes it: `1.5 GB`, in steps of 1024, with one decimal. */
const units = ["B", "KB", "MB", "GB", "TB", "PB"] as const

const step = 1024

export const humanSize = (bytes: number): string => {
  let size = bytes
  let unit = 0
  // What would be written as 1024.0 is 1.0 of the next.
  while (unit < units.length - 1 && Number(size.toFixed(1)) >= step) {
    size /= step
    unit += 1
  }
  return `${size.toFixed(1)} ${units[unit]}`
}
