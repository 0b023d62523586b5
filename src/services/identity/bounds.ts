/** How many of each there are in the identity store at most. Without Effect, for the storage worker. */

/** The operators of a fleet, many times over; all of them are held in memory. */
export const usersMax = 10_000
export const tokensMax = 10_000
/** Devices and scripts of one user that are logged in. */
export const sessionsMax = 100
/**
 * Logins of one user that have ended and are remembered one by one. Those that began before every living one need not be:
 * of scripts that log in anew each time, and so end the oldest of theirs, nearly all.
 */
export const endingsMax = 1000
export const approvalsMax = 1000
/** The one that signs, and those before it whose tokens still live. */
export const keysMax = 16
