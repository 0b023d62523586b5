/**
 * What callers of the identity API send, as JSON. Apart from the contract, because the handlers need these at every
 * start and the contract's words nobody but who asks for the documents.
 */
import * as Schema from "effect/Schema"
import { userNamePattern } from "../../../services/identity/IdentityStore.ts"
import { anonymousId } from "../../../services/identity/Principal.ts"

/** Longer than any user's name, so that a wrong one is a wrong login and not a malformed request. */
const givenNameMax = 256

/** A sentence of a whole page; what is hashed for nobody must not be made long. */
const passwordMax = 1024

/** JWTs of ours have some 400 characters. */
const refreshTokenMax = 4096

/** People have one to three. */
const rolesMax = 16
const nameMax = 256

/** As many as there are permissions, and some that name things. */
const permissionsMax = 64

/** Ten years: what should live longer is made without an end. */
const lifetimeMaxSeconds = 10 * 365 * 86_400

/** Half a surrogate pair has no UTF-8: all of them would be one password. */
const wellFormed = Schema.makeFilter((text: string) => text.isWellFormed(), { expected: "well-formed text" })

const Password = Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(passwordMax), wellFormed)

const Name = Schema.String.check(
  Schema.isPattern(userNamePattern, { expected: "1 to 64 of a-z, 0-9, '.', '_', '@', '-', a letter or digit first" })
)

/** What the log writes for nobody in particular is nobody's name. */
const Username = Name.check(
  Schema.makeFilter((name: string) => name !== anonymousId, { expected: `any name but ${anonymousId}` })
)

const RoleNames = Schema.Array(Schema.String.check(Schema.isMaxLength(nameMax))).check(
  Schema.isMinLength(1),
  Schema.isMaxLength(rolesMax),
  Schema.isUnique()
)

export const Login = Schema.Struct({
  username: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(givenNameMax)),
  password: Password
}).annotate({ identifier: "Login" })

export const Refresh = Schema.Struct({
  refresh_token: Schema.String.check(Schema.isMinLength(1), Schema.isMaxLength(refreshTokenMax))
}).annotate({ identifier: "Refresh" })

export const Logout = Schema.Struct({
  all: Schema.optionalKey(
    Schema.Boolean.annotate({ description: "End every login of the user, and not this one alone" })
  )
}).annotate({ identifier: "Logout" })

export const PasswordChange = Schema.Struct({
  current_password: Password,
  new_password: Password
}).annotate({ identifier: "PasswordChange" })

export const NewUser = Schema.Struct({
  username: Username,
  password: Schema.optionalKey(
    Password.annotate({ description: "Without one the user cannot log in until it is set" })
  ),
  roles: RoleNames
}).annotate({ identifier: "NewUser" })

export const UserChange = Schema.Struct({
  roles: Schema.optionalKey(RoleNames),
  disabled: Schema.optionalKey(Schema.Boolean)
}).annotate({ identifier: "UserChange" })

export const NewPassword = Schema.Struct({ password: Password }).annotate({ identifier: "NewPassword" })

export const NewToken = Schema.Struct({
  name: Name,
  permissions: Schema.Array(Schema.String.check(Schema.isMaxLength(nameMax))).check(
    Schema.isMinLength(1),
    Schema.isMaxLength(permissionsMax)
  ),
  expires_in_seconds: Schema.optionalKey(
    Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: lifetimeMaxSeconds })).annotate({
      description: "Without it the token does not expire"
    })
  )
}).annotate({ identifier: "NewToken" })
