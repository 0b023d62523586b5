/** What a line says whose way through the daemon is timed: the pacer writes it, followers look for it. */

/** The time on CLOCK_MONOTONIC in ns follows it (`process.hrtime`), which all processes share. */
export const stampMark = "sent at "
