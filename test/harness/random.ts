/** Numbers that look drawn and are the same for the same seed (mulberry32), so that a failure can be had again. */
export const random = (seed: number): (() => number) => {
  let state = seed
  return () => {
    state = step(state)
    return drawn(state)
  }
}

/** The state after the next number was drawn. */
export const step = (state: number): number => (state + 0x6d2b79f5) | 0

/** From 0 up to, not including, 1. */
export const drawn = (state: number): number => (mix(state) >>> 0) / 2 ** 32

/** Neighbouring numbers become ones that have nothing in common. */
export const mix = (value: number): number => {
  let mixed = Math.imul(value ^ (value >>> 15), 1 | value)
  mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
  return mixed ^ (mixed >>> 14)
}
