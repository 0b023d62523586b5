/** `systemapi user …`: who may log in, and what they may do (consoleStore). */
import * as Clock from "effect/Clock"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { CurrentConfig } from "../services/config/CurrentConfig.ts"
import { CurrentRoles } from "../services/identity/CurrentRoles.ts"
import { IdentityStore, type User, type UserChange, userNamePattern } from "../services/identity/IdentityStore.ts"
import { Passwords } from "../services/identity/Passwords.ts"
import { anonymousId } from "../services/identity/Principal.ts"
import { consoleStore, type Place, refused } from "./consoleStore.ts"
import { table, timeText } from "./consoleText.ts"
import { newPassword } from "./newPassword.ts"

interface Named {
  readonly name: string
  readonly place: Place
}

export interface WithRoles extends Named {
  readonly roles: ReadonlyArray<string>
}

export interface WithPassword extends Named {
  readonly passwordStdin: boolean
}

const checkName = (name: string) =>
  userNamePattern.test(name) && name !== anonymousId
    ? Effect.void
    : Effect.fail(
        refused(
          `a user cannot be called ${JSON.stringify(name)}; allowed: 1 to 64 of a-z, 0-9, ".", "_", "@", "-", ` +
            `a letter or digit first, and not ${anonymousId}`
        )
      )

/** In their order, each once; all of them exist. */
const checkedRoles = Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
  const known = (yield* CurrentRoles).get().byName
  const unknown = names.find((name) => !known.has(name))
  if (unknown !== undefined) {
    const all = [...known.keys()].join(", ")
    return yield* refused(`there is no role ${JSON.stringify(unknown)}; there are: ${all} (others with --config)`)
  }
  return [...new Set(names)]
})

/** Its hash; and how the operator comes to know it, where it was made up. */
const hashed = Effect.fnUntraced(function* (user: string, fromStdin: boolean) {
  const { password_min_length: charsMin } = (yield* CurrentConfig).get().auth
  const passwords = yield* Passwords
  const { bytes, isMadeUp } = yield* newPassword(user, fromStdin, charsMin)
  const hash = yield* passwords.hash(Redacted.value(bytes))
  const told = isMadeUp ? Console.log(Buffer.from(Redacted.value(bytes)).toString()) : Effect.void
  return { hash, told }
})

export const add = ({ name, passwordStdin, place, roles }: WithRoles & WithPassword) =>
  Effect.gen(function* () {
    const store = yield* IdentityStore
    yield* checkName(name)
    const known = yield* checkedRoles(roles)
    // Before a password is asked for in vain.
    if ((yield* store.fresh).users.has(name)) return yield* refused(`user ${name} exists already`)
    const { hash, told } = yield* hashed(name, passwordStdin)
    const now = yield* Clock.currentTimeMillis
    yield* store.createUser({
      name,
      roles: known,
      passwordHash: hash,
      disabled: false,
      sessionsFrom: now,
      createdAt: now,
      updatedAt: now
    })
    yield* told
    yield* saidOf(name, `was added with ${roleText(known)}`)
  }).pipe(Effect.provide(consoleStore(place, true)))

const changed = (place: Place, name: string, said: string, change: UserChange) =>
  Effect.gen(function* () {
    const store = yield* IdentityStore
    yield* store.changeUser(name, change, yield* Clock.currentTimeMillis)
    yield* saidOf(name, said)
  }).pipe(Effect.provide(consoleStore(place, false)))

export const passwd = ({ name, passwordStdin, place }: WithPassword) =>
  Effect.gen(function* () {
    const store = yield* IdentityStore
    if (!(yield* store.fresh).users.has(name)) return yield* refused(`there is no user ${name}`)
    const { hash, told } = yield* hashed(name, passwordStdin)
    yield* store.changeUser(name, { passwordHash: hash, endSessions: true }, yield* Clock.currentTimeMillis)
    yield* told
    yield* saidOf(name, "has a new password and is logged out everywhere")
  }).pipe(Effect.provide(consoleStore(place, false)))

export const disable = ({ name, place }: Named) =>
  changed(place, name, "is disabled and logged out everywhere", { disabled: true, endSessions: true })

export const enable = ({ name, place }: Named) => changed(place, name, "may log in", { disabled: false })

export const logout = ({ name, place }: Named) =>
  changed(place, name, "is logged out everywhere", { endSessions: true })

export const roles = ({ name, place, roles: names }: WithRoles) =>
  Effect.gen(function* () {
    const store = yield* IdentityStore
    const known = yield* checkedRoles(names)
    yield* store.changeUser(name, { roles: known }, yield* Clock.currentTimeMillis)
    yield* saidOf(name, `has ${roleText(known)}`)
  }).pipe(Effect.provide(consoleStore(place, false)))

export const remove = ({ name, place }: Named) =>
  Effect.gen(function* () {
    const store = yield* IdentityStore
    yield* store.deleteUser(name, yield* Clock.currentTimeMillis)
    yield* saidOf(name, "is deleted, with its logins and service tokens")
  }).pipe(Effect.provide(consoleStore(place, false)))

export const list = ({ json, place }: { readonly json: boolean; readonly place: Place }) =>
  Effect.gen(function* () {
    const { users } = yield* (yield* IdentityStore).fresh
    const all = [...users.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
    yield* Console.log(json ? JSON.stringify(all.map(entryOf), null, 2) : tableOf(all))
  }).pipe(Effect.provide(consoleStore(place, false)))

/** To standard error: standard output is for what is asked for, a password or a list. */
const saidOf = (name: string, what: string) => Console.error(`user ${name} ${what}`)

const roleText = (names: ReadonlyArray<string>): string =>
  `the role${names.length === 1 ? "" : "s"} ${names.join(", ")}`

/** As `GET /v1/users` has it. */
const entryOf = ({ createdAt, disabled, name, passwordHash, roles: names, updatedAt }: User) => ({
  username: name,
  roles: names,
  disabled,
  has_password: passwordHash !== undefined,
  created_at: timeText(createdAt),
  updated_at: timeText(updatedAt)
})

const tableOf = (users: ReadonlyArray<User>): string =>
  table(
    ["USER", "STATE", "PASSWORD", "CREATED", "ROLES"],
    users.map(({ createdAt, disabled, name, passwordHash, roles: names }) => [
      name,
      disabled ? "disabled" : "enabled",
      passwordHash === undefined ? "none" : "set",
      timeText(createdAt),
      names.join(",")
    ])
  )
