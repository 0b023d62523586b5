/** The errors of the identity API. */
import { problems } from "../problem.ts"

const problem = problems("Problem")

export const Invalid = problem(400, "The request is not understood; the message names the member and what is allowed")
export const Unauthorized = problem(401, "No or wrong credentials; WWW-Authenticate says which are taken")
export const Forbidden = problem(403, "The caller may not do this; the message names what it would need")
export const NotFound = problem(404, "There is no such thing, or none that the caller may know of")
export const Conflict = problem(409, "What is there stands in the way; the message says what")
export const TooLarge = problem(413, "The body is larger than this endpoint takes")
export const WrongMediaType = problem(415, "The body of a page's request is not sent as application/json")
export const TooManyRequests = problem(429, "Too many requests, or too many wrong credentials; Retry-After says when")
export const Unavailable = problem(503, "The identity store cannot be used at the moment; try again")
export const NoRoom = problem(507, "The identity store has no room; reads go on")

/** Of whatever takes JSON. */
export const bodyErrors = [Invalid, TooLarge, WrongMediaType] as const

/** Of whatever looks something up. */
export const readErrors = [Unavailable] as const

/** Of whatever changes something. */
export const changeErrors = [Unavailable, NoRoom] as const
