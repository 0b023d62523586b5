/**
 * The wall clock as far as what is removed by age may follow it. It may be set wrong: a step forward would make everything
 * old at once, so it is believed only after an hour; until then time goes on as if it had not happened.
 */
import * as Duration from "effect/Duration"

/** More than a leap second, a slow pass or NTP's slewing make; less than a wrong year, zone or suspended machine does. */
const stepNanos = Duration.toNanosUnsafe(Duration.minutes(10))

/** Time enough for the clock's own service to correct it, or for an operator to see the warning. */
const doubtNanos = Duration.toNanosUnsafe(Duration.hours(1))

/** The wall clock as far as it is believed, from its reading and that of the monotonic one. */
export const makeBelievedClock = () => {
  let last: { readonly wall: bigint; readonly monotonic: bigint } | undefined
  let doubtSince: bigint | undefined
  return (
    wall: bigint,
    monotonic: bigint
  ): { readonly now: bigint; readonly ahead: bigint; readonly isNew: boolean } => {
    const expected = last === undefined ? wall : last.wall + (monotonic - last.monotonic)
    const ahead = wall - expected
    const isNew = ahead > stepNanos && doubtSince === undefined
    if (isNew) doubtSince = monotonic
    if (ahead <= stepNanos || (doubtSince !== undefined && monotonic - doubtSince >= doubtNanos)) {
      doubtSince = undefined
      last = { wall, monotonic }
      return { now: wall, ahead: 0n, isNew: false }
    }
    return { now: expected, ahead, isNew }
  }
}
