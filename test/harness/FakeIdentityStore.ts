/**
 * The identity store in memory, with the decisions of the real one: what a refresh token is worth, which key signs, what
 * ends with a user. A test can make its snapshot stale, or the whole store unusable.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  AlreadyThere,
  type Approval,
  IdentityStore,
  IdentityUnavailable,
  NotThere,
  type Rotated,
  type ServiceToken,
  type SigningKey,
  type Snapshot,
  type User
} from "../../src/services/identity/IdentityStore.ts"

interface Session {
  readonly user: string
  current: string
  previous: { readonly hash: string; readonly usedAt: number } | undefined
  expiresAt: number
}

export interface FakeIdentityStore {
  readonly layer: Layer.Layer<IdentityStore>
  /** What was asked of the store, by name, reading apart. */
  readonly calls: Array<string>
  /** How often it was read anew. */
  readonly reads: () => number
  /** Somebody else has changed the file. */
  readonly makeStale: () => void
  /** From now on it fails so; undefined: it works again. */
  readonly breakWith: (reason: string | undefined) => void
  readonly snapshot: () => Snapshot
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

export const makeFakeIdentityStore = (): FakeIdentityStore => {
  let users = new Map<string, User>()
  let tokens = new Map<string, ServiceToken>()
  let keys: ReadonlyArray<SigningKey> = []
  const endedSessions = new Map<string, number>()
  const revokedTokens = new Map<string, number>()
  const approvals = new Map<string, Approval>()
  const sessions = new Map<string, Session>()
  const calls: Array<string> = []
  let snapshot: Snapshot | undefined
  let reads = 0
  let broken: string | undefined

  const read = (): Snapshot => {
    reads += 1
    snapshot = {
      users: new Map(users),
      tokens: new Map(tokens),
      keys,
      endedSessions: new Set(endedSessions.keys()),
      revokedTokens: new Set(revokedTokens.keys()),
      approvals: new Map(approvals)
    }
    return snapshot
  }

  const done = <A, E = never>(
    call: string,
    act: () => Effect.Effect<A, E>
  ): Effect.Effect<A, E | IdentityUnavailable> =>
    Effect.suspend((): Effect.Effect<A, E | IdentityUnavailable> => {
      calls.push(call)
      if (broken !== undefined) return Effect.fail(new IdentityUnavailable({ reason: broken, full: false }))
      return Effect.tap(act(), () => Effect.sync(() => void (snapshot = undefined)))
    })

  const endSession = (id: string, until: number) => {
    sessions.delete(id)
    endedSessions.set(id, until)
  }
  const endSessionsOf = (user: string) => {
    for (const [id, session] of sessions) if (session.user === user) endSession(id, session.expiresAt)
  }

  const store = IdentityStore.of({
    current: () => (broken === undefined ? snapshot : undefined),
    fresh: Effect.suspend(() => {
      if (broken !== undefined) return Effect.fail(new IdentityUnavailable({ reason: broken, full: false }))
      return Effect.succeed(snapshot ?? read())
    }),
    createUser: (user) =>
      done("createUser", () => {
        if (users.has(user.name)) return Effect.fail(new AlreadyThere({ what: `user ${user.name}` }))
        users = new Map(users).set(user.name, user)
        return Effect.void
      }),
    changeUser: (name, change, now) =>
      done("changeUser", () => {
        const user = users.get(name)
        if (user === undefined) return Effect.fail(new NotThere({ what: `user ${name}` }))
        const { endSessions, ...rest } = change
        const changed: User = {
          ...user,
          ...rest,
          updatedAt: now,
          ...(endSessions === true ? { sessionsFrom: now } : {})
        }
        if (endSessions === true) endSessionsOf(name)
        users.set(name, changed)
        return Effect.succeed(changed)
      }),
    deleteUser: (name) =>
      done("deleteUser", () => {
        if (!users.delete(name)) return Effect.fail(new NotThere({ what: `user ${name}` }))
        endSessionsOf(name)
        tokens = new Map([...tokens].filter(([, token]) => token.owner !== name))
        return Effect.void
      }),
    createToken: (token) =>
      done("createToken", () => {
        tokens.set(token.id, token)
        return Effect.void
      }),
    revokeToken: (id, now) =>
      done("revokeToken", () => {
        const token = tokens.get(id)
        if (token === undefined) return Effect.fail(new NotThere({ what: `token ${id}` }))
        tokens.set(id, { ...token, revokedAt: now })
        return Effect.void
      }),
    touchTokens: (lastUsed) =>
      done("touchTokens", () => {
        for (const [id, lastUsedAt] of lastUsed) {
          const token = tokens.get(id)
          if (token !== undefined) tokens.set(id, { ...token, lastUsedAt })
        }
        return Effect.void
      }),
    startSession: ({ expiresAt, id, refreshHash, user }) =>
      done("startSession", () => {
        sessions.set(id, { user, current: hex(refreshHash), previous: undefined, expiresAt })
        return Effect.void
      }),
    rotate: ({ expiresAt, graceMs, next, now, session: id, shown }) =>
      done("rotate", (): Effect.Effect<Rotated> => {
        const session = sessions.get(id)
        if (session === undefined || session.expiresAt <= now) return Effect.succeed({ _tag: "unknown" })
        const { current, previous, user } = session
        const isRetry = previous !== undefined && previous.hash === hex(shown) && now - previous.usedAt < graceMs
        if (current !== hex(shown) && !isRetry) {
          endSession(id, session.expiresAt)
          return Effect.succeed({ _tag: "reused", user })
        }
        session.previous = isRetry ? previous : { hash: current, usedAt: now }
        session.current = hex(next)
        session.expiresAt = expiresAt
        return Effect.succeed({ _tag: "rotated", user })
      }),
    endSession: (id, until) => done("endSession", () => Effect.sync(() => endSession(id, until))),
    revokeAccess: (jti, until) => done("revokeAccess", () => Effect.sync(() => void revokedTokens.set(jti, until))),
    addKey: (key, overlapUntil) =>
      done("addKey", () => {
        const retire = (old: SigningKey): SigningKey =>
          old.alg === key.alg && old.retiredAt === undefined
            ? { ...old, retiredAt: key.createdAt, expiresAt: overlapUntil }
            : old
        keys = [...keys.map(retire), key]
        return Effect.void
      }),
    createApproval: (approval) =>
      done("createApproval", () => Effect.sync(() => void approvals.set(approval.id, approval))),
    decideApproval: () => Effect.die("no approvals here"),
    useApproval: () => Effect.die("no approvals here"),
    prune: () => Effect.succeed(false)
  })

  return {
    layer: Layer.succeed(IdentityStore, store),
    calls,
    reads: () => reads,
    makeStale: () => {
      snapshot = undefined
    },
    breakWith: (reason) => {
      broken = reason
    },
    snapshot: () => snapshot ?? read()
  }
}
