/** Seeds that once failed, each with a line why: run first, always. A change of the steps gives a seed another meaning. */
export interface Regression {
  readonly seed: number
  readonly why: string
}

export const regressions: ReadonlyArray<Regression> = []
