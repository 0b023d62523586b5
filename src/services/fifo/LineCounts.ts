/** What came of the lines of one FIFO since the daemon started; written by its framers, read by whoever asks. */
export interface LineCounts {
  /** Events made; skipped lines are none. */
  lines: number
  /** Lines over the cap, kept cut. */
  cutLines: number
  /** Lines that were not valid UTF-8. */
  invalidLines: number
}

export const noLines = (): LineCounts => ({ lines: 0, cutLines: 0, invalidLines: 0 })
