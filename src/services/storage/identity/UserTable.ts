/** Users, within a transaction of IdentityTables; no Effect here. Their logins and tokens are the other tables'. */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite"
import { usersMax } from "../../identity/bounds.ts"
import { namesOf, numberOf, textOf, textOrNone } from "../columns.ts"
import type { StoredChange, StoredUser } from "./commands.ts"
import type { Generations } from "./Generations.ts"

const columns = "name, roles, password_hash, disabled, sessions_from, created_at, updated_at"

export class UserTable {
  private readonly generations: Generations
  private readonly one: StatementSync
  private readonly count: StatementSync
  private readonly put: StatementSync
  private readonly remove: StatementSync
  private readonly changed: StatementSync

  constructor(db: DatabaseSync, generations: Generations) {
    this.generations = generations
    this.one = db.prepare(`SELECT ${columns} FROM users WHERE name = ?`)
    this.count = db.prepare(`SELECT count(*) AS n FROM users`)
    this.put = db.prepare(
      `INSERT OR REPLACE INTO users (${columns}, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)`
    )
    this.remove = db.prepare(`DELETE FROM users WHERE name = ?`)
    this.changed = db.prepare(`SELECT ${columns} FROM users WHERE generation > ?`)
  }

  create(user: StoredUser): "there" | "many" | null {
    if (this.find(user.name) !== undefined) return "there"
    if (numberOf(this.count.get()?.["n"]) >= usersMax) return "many"
    this.write(user)
    return null
  }

  change(name: string, { disabled, endSessions, passwordHash, roles }: StoredChange, now: number): StoredUser | null {
    const user = this.find(name)
    if (user === undefined) return null
    const changed: StoredUser = {
      ...user,
      roles: roles ?? user.roles,
      disabled: disabled ?? user.disabled,
      passwordHash: passwordHash ?? user.passwordHash,
      sessionsFrom: endSessions ? now : user.sessionsFrom,
      updatedAt: now
    }
    this.write(changed)
    return changed
  }

  delete(name: string): boolean {
    if (this.remove.run(name).changes === 0) return false
    this.generations.gone("user", name)
    return true
  }

  /** All logins that began before have ended. */
  endedBefore(name: string, from: number): void {
    const user = this.find(name)
    if (user !== undefined) this.write({ ...user, sessionsFrom: Math.max(user.sessionsFrom, from) })
  }

  /** Whether somebody of this name may log in. */
  isEnabled(name: string): boolean {
    return this.find(name)?.disabled === false
  }

  since(generation: number): ReadonlyArray<StoredUser> {
    return this.changed.all(generation).map(toUser)
  }

  private find(name: string): StoredUser | undefined {
    const row = this.one.get(name)
    return row === undefined ? undefined : toUser(row)
  }

  private write(user: StoredUser): void {
    this.put.run(
      user.name,
      JSON.stringify(user.roles),
      user.passwordHash ?? null,
      user.disabled ? 1 : 0,
      user.sessionsFrom,
      user.createdAt,
      user.updatedAt,
      this.generations.next()
    )
  }
}

const toUser = (row: Record<string, SQLOutputValue>): StoredUser => ({
  name: textOf(row["name"]),
  roles: namesOf(row["roles"]),
  passwordHash: textOrNone(row["password_hash"]),
  disabled: numberOf(row["disabled"]) === 1,
  sessionsFrom: numberOf(row["sessions_from"]),
  createdAt: numberOf(row["created_at"]),
  updatedAt: numberOf(row["updated_at"])
})
