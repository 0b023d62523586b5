/**
 * What an identity store must do, said as plainly as possible: every refresh token there ever was, each with its fate, and
 * no thought of disks, generations or other processes.
 */
import type { NewSession, Rotated, Rotation, User, UserChange } from "../../../src/services/identity/IdentityStore.ts"

interface ModelToken {
  usedAt: number | undefined
  successor: string | undefined
  /** Another was given in its place before anybody saw it. */
  withdrawn: boolean
}

interface ModelSession {
  readonly user: string
  readonly createdAt: number
  readonly tokens: Map<string, ModelToken>
  expiresAt: number
  endedUntil: number | undefined
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

export class IdentityModel {
  readonly users = new Map<string, User>()
  readonly sessions = new Map<string, ModelSession>()
  readonly sessionsMax: number

  constructor(sessionsMax: number) {
    this.sessionsMax = sessionsMax
  }

  createUser(user: User): "made" | "there" {
    if (this.users.has(user.name)) return "there"
    this.users.set(user.name, user)
    return "made"
  }

  changeUser(name: string, change: UserChange, now: number): User | undefined {
    const user = this.users.get(name)
    if (user === undefined) return undefined
    const { endSessions, ...rest } = change
    const changed: User = {
      ...user,
      ...rest,
      updatedAt: now,
      sessionsFrom: endSessions === true ? now : user.sessionsFrom
    }
    this.users.set(name, changed)
    if (endSessions === true) this.endAllOf(name)
    return changed
  }

  deleteUser(name: string): boolean {
    if (this.users.delete(name)) {
      this.endAllOf(name)
      return true
    }
    return false
  }

  start({ createdAt, expiresAt, id, refreshHash, user }: NewSession): void {
    const live = [...this.sessions.entries()]
      .filter(([, session]) => session.user === user && session.endedUntil === undefined)
      .sort(([idA, a], [idB, b]) => b.createdAt - a.createdAt || (idA < idB ? -1 : 1))
    for (const [, oldest] of live.slice(this.sessionsMax - 1)) oldest.endedUntil = oldest.expiresAt
    const isEnabled = this.users.get(user)?.disabled === false
    this.sessions.set(id, {
      user,
      createdAt,
      tokens: new Map([[hex(refreshHash), { usedAt: undefined, successor: undefined, withdrawn: false }]]),
      expiresAt,
      endedUntil: isEnabled ? undefined : expiresAt
    })
  }

  rotate({ expiresAt, graceMs, next, now, session: id, shown }: Rotation): Rotated {
    const session = this.sessions.get(id)
    if (session === undefined || session.endedUntil !== undefined || session.expiresAt <= now)
      return { _tag: "unknown" }
    const { user } = session
    if (this.users.get(user)?.disabled !== false) return { _tag: "unknown" }
    const token = session.tokens.get(hex(shown))
    const successor = session.tokens.get(token?.successor ?? "")
    const isUnused = token?.usedAt === undefined && token?.withdrawn === false
    const isLost =
      token?.usedAt !== undefined &&
      successor?.usedAt === undefined &&
      successor?.withdrawn === false &&
      Math.abs(now - token.usedAt) < graceMs
    if (token === undefined || !(isUnused || isLost)) {
      session.endedUntil = session.expiresAt
      return { _tag: "reused", user }
    }
    if (successor !== undefined) successor.withdrawn = true
    token.usedAt ??= now
    token.successor = hex(next)
    session.tokens.set(hex(next), { usedAt: undefined, successor: undefined, withdrawn: false })
    session.expiresAt = expiresAt
    return { _tag: "rotated", user }
  }

  end(id: string, until: number): void {
    const session = this.sessions.get(id)
    if (session !== undefined) session.endedUntil = Math.max(until, session.endedUntil ?? 0)
  }

  prune(now: number): void {
    for (const [id, session] of this.sessions) {
      if ((session.endedUntil ?? session.expiresAt) < now) this.sessions.delete(id)
    }
  }

  get ended(): ReadonlyArray<string> {
    return [...this.sessions].filter(([, { endedUntil }]) => endedUntil !== undefined).map(([id]) => id)
  }

  private endAllOf(user: string): void {
    for (const session of this.sessions.values()) {
      if (session.user === user) session.endedUntil ??= session.expiresAt
    }
  }
}
