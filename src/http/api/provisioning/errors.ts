/** The errors of the Provisioning API: the codes of its contract, `{error, message, code}`, and what each means here. */
import { problems } from "../problem.ts"

/** What openapi.ts finds them by. */
export const provisioningShape = "ProvisioningProblem"

const problem = problems(provisioningShape)

export const Invalid = problem(400, "VALIDATION_ERROR: the message names the member and what is allowed")
export const Unauthorized = problem(401, "UNAUTHORIZED: no or wrong credentials; WWW-Authenticate says which are taken")
export const Forbidden = problem(
  403,
  "FORBIDDEN: the caller's role may not do this; decided before anything is looked up"
)
export const NotFound = problem(404, "NOT_FOUND: there is none of that id or name")
export const Conflict = problem(409, "CONFLICT: what is there stands in the way; the message says what")
export const TooLarge = problem(413, "PAYLOAD_TOO_LARGE: the body is larger than this endpoint takes")
export const WrongMediaType = problem(
  415,
  "UNSUPPORTED_MEDIA_TYPE: the body of a page's request is not sent as application/json"
)
export const KeyReused = problem(422, "IDEMPOTENCY_KEY_REUSED: the Idempotency-Key was used with another request")
export const TooMany = problem(
  429,
  "TOO_MANY_OPERATIONS, or RATE_LIMITED: as many wait as may, or too many requests came; Retry-After says when"
)
export const Unavailable = problem(503, "UNAVAILABLE: the store cannot be used at the moment; try again")
export const NoRoom = problem(507, "INSUFFICIENT_STORAGE: the store has no room; reads go on")

/** Of whatever looks something up. */
export const readErrors = [Unavailable] as const

/** Of whatever asks for something to be done. */
export const changeErrors = [KeyReused, TooMany, Unavailable, NoRoom] as const

/** Of whatever takes JSON. */
export const bodyErrors = [Invalid, TooLarge, WrongMediaType] as const
