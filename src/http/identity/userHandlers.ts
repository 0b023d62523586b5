/**
 * Users and roles over HTTP. Never shows a password or its hash. What each change means for whom it is about counts at
 * that user's next request; who may change whom says delegation.ts.
 *
 * Changes are made one at a time, so that two administrators who remove each other at once leave one.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Semaphore from "effect/Semaphore"
import type { CurrentConfig } from "../../services/config/CurrentConfig.ts"
import type { CurrentRoles } from "../../services/identity/CurrentRoles.ts"
import {
  type AlreadyThere,
  type IdentityStore,
  type IdentityUnavailable,
  NotThere,
  type TooMany,
  type User,
  type UserChange as StoredChange
} from "../../services/identity/IdentityStore.ts"
import type { Passwords } from "../../services/identity/Passwords.ts"
import { builtInRoles } from "../../services/identity/Roles.ts"
import { NewPassword, NewUser, UserChange } from "../api/identity/inputs.ts"
import type { RoleEntry, UserEntry } from "../api/identity/Users.ts"
import type { Call } from "../edge/Call.ts"
import { failure, type HttpFailure } from "../edge/HttpFailure.ts"
import { jsonResponse } from "../edge/jsonResponse.ts"
import { jsonReader } from "../edge/readJson.ts"
import type { Handler } from "../edge/routes.ts"
import { locksOut, roleBeyond } from "./delegation.ts"
import { identityFailure, invalid } from "./failures.ts"
import { page } from "./pages.ts"
import { type About, askerOf, forbidden, type Recorder } from "./recording.ts"
import { timeText } from "./times.ts"

export interface UserServices {
  readonly config: CurrentConfig["Service"]
  readonly passwords: Passwords["Service"]
  readonly recorder: Recorder
  readonly roles: CurrentRoles["Service"]
  readonly store: IdentityStore["Service"]
}

type StoreError = AlreadyThere | IdentityUnavailable | NotThere | TooMany

/** Sixteen roles with long names, twice over. */
const bodyMaxBytes = 16 * 1024

const readNewUser = jsonReader(NewUser, { maxBytes: bodyMaxBytes })
const readChange = jsonReader(UserChange, { maxBytes: bodyMaxBytes })
const readPassword = jsonReader(NewPassword, { maxBytes: bodyMaxBytes })

const empty = HttpServerResponse.empty({ status: 204 })

export const makeUserHandlers = ({ config, passwords, recorder, roles, store }: UserServices) => {
  const oneAtATime = Semaphore.makeUnsafe(1).withPermits(1)
  const snapshot = Effect.mapError(store.fresh, identityFailure)

  const hashed = (password: string) => Effect.mapError(passwords.hash(Buffer.from(password)), identityFailure)

  const storeChange = (name: string, change: StoredChange) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => store.changeUser(name, change, now))

  const changed = <A>(call: Call, action: string, about: About, effect: Effect.Effect<A, StoreError>) =>
    Effect.mapError(recorder.change(call, action, about, effect), identityFailure)

  /** The roles exist, and give nothing that the asker lacks. */
  const mayGive = (call: Call, names: ReadonlyArray<string>) => {
    const known = roles.get()
    const unknown = names.find((name) => !known.byName.has(name))
    if (unknown !== undefined) {
      const all = [...known.byName.keys()].join(", ")
      return Effect.fail(invalid(`roles: there is no role ${JSON.stringify(unknown)}; allowed: ${all}`))
    }
    const role = roleBeyond(askerOf(call), known, names)
    return role === undefined
      ? Effect.void
      : forbidden(call, `${askerOf(call).id} may not give the role ${role}, which may more than it`)
  }

  /** The user of the path, if the asker may change it. */
  const changeable = Effect.fnUntraced(function* (call: Call) {
    const now = yield* snapshot
    const user = yield* found(call, now.users)
    const role = roleBeyond(askerOf(call), roles.get(), user.roles)
    if (role !== undefined) {
      return yield* forbidden(
        call,
        `${askerOf(call).id} may not change ${user.name}, whose role ${role} may more than it`
      )
    }
    return {
      user,
      /** Fails where `next` in its place would leave nobody to administer. */
      becomes: (next: User | undefined) =>
        locksOut(askerOf(call), roles.get(), now, user, next)
          ? Effect.fail(
              failure(
                409,
                `${user.name} is the last user who may do everything; at the console, systemapi user changes it all the same`
              )
            )
          : Effect.void
    }
  })

  const listUsers: Handler = (call) =>
    Effect.flatMap(snapshot, ({ users }) => page(call, users.values(), ({ name }) => name, entryOf))

  const getUser: Handler = (call) =>
    Effect.map(
      Effect.flatMap(snapshot, ({ users }) => found(call, users)),
      (user) => jsonResponse(entryOf(user))
    )

  const createUser: Handler = Effect.fnUntraced(function* (call) {
    const { password, roles: names, username } = yield* readNewUser(call)
    yield* mayGive(call, names)
    const passwordHash = password === undefined ? undefined : yield* hashed(password)
    const now = yield* Clock.currentTimeMillis
    const user: User = {
      name: username,
      roles: names,
      passwordHash,
      disabled: false,
      sessionsFrom: now,
      createdAt: now,
      updatedAt: now
    }
    const about = { on: username, detail: `roles: ${names.join(", ")}` }
    yield* changed(call, "user.created", about, store.createUser(user))
    return HttpServerResponse.setHeader(jsonResponse(entryOf(user), 201), "location", `/v1/users/${username}`)
  })

  const changeUser: Handler = Effect.fnUntraced(function* (call) {
    const input = yield* readChange(call)
    if (input.roles === undefined && input.disabled === undefined) {
      return yield* invalid("body: nothing to change; allowed: roles, disabled")
    }
    return yield* oneAtATime(change(call, input))
  })

  const change = Effect.fnUntraced(function* (call: Call, input: typeof UserChange.Type) {
    const { becomes, user } = yield* changeable(call)
    if (input.roles !== undefined) yield* mayGive(call, input.roles)
    yield* becomes({ ...user, ...input })
    const asked = { ...input, ...(input.disabled === true ? { endSessions: true } : {}) }
    const about = { on: user.name, detail: changesOf(user, input) }
    return jsonResponse(entryOf(yield* changed(call, "user.changed", about, storeChange(user.name, asked))))
  })

  const remove = Effect.fnUntraced(function* (call: Call) {
    const { becomes, user } = yield* changeable(call)
    yield* becomes(undefined)
    const now = yield* Clock.currentTimeMillis
    yield* changed(call, "user.deleted", { on: user.name }, store.deleteUser(user.name, now))
    return empty
  })

  const deleteUser: Handler = (call) => oneAtATime(remove(call))

  const setPassword: Handler = Effect.fnUntraced(function* (call) {
    const { password } = yield* readPassword(call)
    const { user } = yield* changeable(call)
    const passwordHash = yield* hashed(password)
    const asked = { passwordHash, endSessions: true }
    yield* changed(call, "password.changed", { on: user.name }, storeChange(user.name, asked))
    return empty
  })

  const endSessions: Handler = Effect.fnUntraced(function* (call) {
    const { user } = yield* changeable(call)
    yield* changed(call, "sessions.ended", { on: user.name }, storeChange(user.name, { endSessions: true }))
    return empty
  })

  const listRoles: Handler = () =>
    Effect.sync(() => {
      const configured = config.get().roles
      return jsonResponse(
        [...roles.get().byName].map(([name, { grants }]): typeof RoleEntry.Type => {
          const description = configured.get(name)?.description ?? ""
          return {
            name,
            permissions: grants,
            built_in: Object.hasOwn(builtInRoles, name),
            ...(description === "" ? {} : { description })
          }
        })
      )
    })

  return {
    listUsers,
    getUser,
    createUser,
    changeUser,
    deleteUser,
    setPassword,
    endSessions,
    listRoles
  }
}

const found = (call: Call, users: ReadonlyMap<string, User>): Effect.Effect<User, HttpFailure> => {
  const name = call.params["user"] ?? ""
  const user = users.get(name)
  return user === undefined
    ? Effect.fail(identityFailure(new NotThere({ what: `user ${JSON.stringify(name.slice(0, 64))}` })))
    : Effect.succeed(user)
}

const changesOf = (before: User, { disabled, roles }: typeof UserChange.Type): string =>
  [
    ...(roles === undefined ? [] : [`roles: ${before.roles.join(", ")} -> ${roles.join(", ")}`]),
    ...(disabled === undefined ? [] : [disabled ? "disabled" : "enabled"])
  ].join("; ")

const entryOf = ({ createdAt, disabled, name, passwordHash, roles, updatedAt }: User): typeof UserEntry.Type => ({
  username: name,
  roles,
  disabled,
  has_password: passwordHash !== undefined,
  created_at: timeText(createdAt),
  updated_at: timeText(updatedAt)
})
