/**
 * IdentityStore, and the notes of the console, over IdentityStorage: what each command answers as the contract's values and errors.
 *
 * Those who find the snapshot out of date at the same time share one look at the file; who comes while one is under way
 * waits for it, and looks again only if something has changed since it began. Nothing waits longer than `patience`.
 */
import * as Context from "effect/Context"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type { IdentityCommand, IdentityValue, StoredChange, StoredUser } from "../storage/identity/commands.ts"
import { IdentityStorage } from "../storage/IdentityStorage.ts"
import { ConsoleNotes } from "./ConsoleNotes.ts"
import { approvalsMax, tokensMax, usersMax } from "./bounds.ts"
import {
  AlreadyThere,
  IdentityStore,
  IdentityUnavailable,
  NotThere,
  type Snapshot,
  TooMany,
  type User,
  type UserChange
} from "./IdentityStore.ts"

/** A disk that takes longer hangs. */
const patience = Duration.seconds(10)

type Value<T> = Extract<IdentityValue, { readonly tag: T }>

const make = Effect.gen(function* () {
  const storage = yield* IdentityStorage
  const scope = yield* Effect.scope
  let looking: Deferred.Deferred<Snapshot, IdentityUnavailable> | undefined

  const request = (command: IdentityCommand) =>
    Effect.timeoutOrElse(storage.request(command), {
      duration: patience,
      orElse: () =>
        Effect.fail(
          new IdentityUnavailable({ reason: `no answer within ${Duration.toSeconds(patience)} s`, full: false })
        )
    })

  const ask = <T extends IdentityValue["tag"]>(
    command: IdentityCommand,
    tag: T
  ): Effect.Effect<Value<T>, IdentityUnavailable> =>
    Effect.filterOrElse(
      request(command),
      (value) => hasTag(value, tag),
      (value) => Effect.die(new Error(`the identity file answered ${value.tag}, not ${tag}`))
    )

  /** One for all who want it: a fiber of its own, so that none of them takes it along when it leaves. */
  const look = Effect.suspend(() => {
    if (looking !== undefined) return Deferred.await(looking)
    const begun = Deferred.makeUnsafe<Snapshot, IdentityUnavailable>()
    looking = begun
    const read = Effect.map(request({ tag: "refresh" }), storage.latest).pipe(
      Effect.onExit(() =>
        Effect.sync(() => {
          looking = undefined
        })
      )
    )
    return Effect.andThen(
      Effect.forkIn(Deferred.into(read, begun), scope, { startImmediately: true }),
      Deferred.await(begun)
    )
  })

  const fresh = Effect.suspend(() => {
    const now = storage.current()
    if (now !== undefined) return Effect.succeed(now)
    if (looking === undefined) return look
    // That one may have been answered before what the caller has to see was changed.
    return Effect.flatMap(Effect.exit(Deferred.await(looking)), () => {
      const then = storage.current()
      return then === undefined ? look : Effect.succeed(then)
    })
  })

  const made = (command: IdentityCommand, many: TooMany, there: AlreadyThere) =>
    Effect.flatMap(ask(command, "made"), ({ refusal }): Effect.Effect<void, AlreadyThere | TooMany> => {
      switch (refusal) {
        case "there":
          return Effect.fail(there)
        case "many":
          return Effect.fail(many)
        case null:
          return Effect.void
      }
    })
  /** What is named by chance is never there already. */
  const added = (command: IdentityCommand, many: TooMany) =>
    Effect.catchTag(made(command, many, new AlreadyThere({ what: command.tag })), "AlreadyThere", Effect.die)
  const found = (command: IdentityCommand, what: string) =>
    Effect.flatMap(ask(command, "found"), ({ found: isThere }) =>
      isThere ? Effect.void : Effect.fail(new NotThere({ what }))
    )
  const done = (command: IdentityCommand) => Effect.asVoid(ask(command, "done"))

  const store = IdentityStore.of({
    current: storage.current,
    fresh,
    createUser: (user) =>
      made(
        { tag: "create-user", user: stored(user) },
        new TooMany({ what: "users", max: usersMax }),
        new AlreadyThere({ what: `user ${user.name}` })
      ),
    changeUser: (name, change, now) =>
      Effect.flatMap(ask({ tag: "change-user", name, change: storedChange(change), now }, "user"), ({ user }) =>
        user === null ? Effect.fail(new NotThere({ what: `user ${name}` })) : Effect.succeed(told(user))
      ),
    deleteUser: (name, now) => found({ tag: "delete-user", name, now }, `user ${name}`),
    createToken: (token) =>
      added({ tag: "create-token", token }, new TooMany({ what: "service tokens", max: tokensMax })),
    revokeToken: (id, now) => found({ tag: "revoke-token", id, now }, `service token ${id}`),
    touchTokens: (lastUsed) => (lastUsed.size === 0 ? Effect.void : done({ tag: "touch-tokens", lastUsed })),
    startSession: (session) => done({ tag: "start-session", session }),
    rotate: (rotation) => Effect.map(ask({ tag: "rotate", rotation }, "rotated"), ({ rotated }) => rotated),
    endSession: (id, until) => done({ tag: "end-session", id, until }),
    revokeAccess: (jti, until) => done({ tag: "revoke-access", jti, until }),
    addKey: (key, overlapUntil) =>
      done({ tag: "add-key", key: { ...key, jwk: Redacted.value(key.jwk) }, overlapUntil }),
    createApproval: (approval) =>
      added({ tag: "create-approval", approval }, new TooMany({ what: "approvals", max: approvalsMax })),
    decideApproval: (id, { by, now, state }) =>
      Effect.map(
        ask({ tag: "decide-approval", id, by, now, state }, "approval"),
        ({ approval }) => approval ?? undefined
      ),
    useApproval: (id, now) => Effect.map(ask({ tag: "use-approval", id, now }, "found"), ({ found: got }) => got),
    prune: (now) => Effect.map(ask({ tag: "prune", now }, "pruned"), ({ more }) => more)
  })
  const consoleNotes = ConsoleNotes.of({
    read: Effect.map(ask({ tag: "notes" }, "notes"), ({ notes }) => notes),
    forget: (through) => done({ tag: "forget-notes", through })
  })
  return Context.make(IdentityStore, store).pipe(Context.add(ConsoleNotes, consoleNotes))
})

const hasTag = <T extends IdentityValue["tag"]>(value: IdentityValue, tag: T): value is Value<T> => value.tag === tag

const stored = (user: User): StoredUser => ({
  ...user,
  passwordHash: user.passwordHash === undefined ? undefined : Redacted.value(user.passwordHash)
})

const storedChange = ({ disabled, endSessions, passwordHash, roles }: UserChange): StoredChange => ({
  roles,
  disabled,
  passwordHash: passwordHash === undefined ? undefined : Redacted.value(passwordHash),
  endSessions: endSessions === true
})

const told = (user: StoredUser): User => ({
  ...user,
  passwordHash: user.passwordHash === undefined ? undefined : Redacted.make(user.passwordHash)
})

export const layer: Layer.Layer<IdentityStore | ConsoleNotes, never, IdentityStorage> = Layer.effectContext(make)
