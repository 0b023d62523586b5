/**
 * Service tokens, within a transaction of IdentityTables; no Effect here. One that is revoked or has expired is kept for
 * `endedKeptMs`, for whoever asks what it was.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite"
import { tokensMax } from "../../identity/bounds.ts"
import type { ServiceToken } from "../../identity/IdentityStore.ts"
import { bytesOf, namesOf, numberOf, numberOrNone, textOf, textOrNone } from "../columns.ts"
import type { Generations } from "./Generations.ts"

export const endedKeptMs = 7 * 86_400_000

const columns = "id, name, owner, permissions, hash, created_at, expires_at, last_used_at, revoked_at"

/** When it ended or will; null: it does not. */
const end = "min(coalesce(revoked_at, expires_at), coalesce(expires_at, revoked_at))"

export class TokenTable {
  private readonly generations: Generations
  private readonly count: StatementSync
  private readonly insert: StatementSync
  private readonly revoked: StatementSync
  private readonly revokedOf: StatementSync
  private readonly touched: StatementSync
  private readonly changed: StatementSync
  private readonly pruned: StatementSync

  constructor(db: DatabaseSync, generations: Generations) {
    this.generations = generations
    this.count = db.prepare(`SELECT count(*) AS n FROM tokens`)
    this.insert = db.prepare(
      `INSERT INTO tokens (${columns}, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)`
    )
    this.revoked = db.prepare(`UPDATE tokens SET revoked_at = coalesce(revoked_at, ?2), generation = ?3 WHERE id = ?1`)
    this.revokedOf = db.prepare(
      `UPDATE tokens SET revoked_at = ?2, generation = ?3 WHERE owner = ?1 AND revoked_at IS NULL`
    )
    this.touched = db.prepare(
      `UPDATE tokens SET last_used_at = ?2, generation = ?3 WHERE id = ?1 AND coalesce(last_used_at, 0) < ?2`
    )
    this.changed = db.prepare(`SELECT ${columns} FROM tokens WHERE generation > ?`)
    this.pruned = db.prepare(
      `DELETE FROM tokens WHERE id IN (SELECT id FROM tokens WHERE ${end} < ?1 LIMIT ?2) RETURNING id`
    )
  }

  create(token: ServiceToken): "many" | null {
    if (numberOf(this.count.get()?.["n"]) >= tokensMax) return "many"
    this.insert.run(
      token.id,
      token.name,
      token.owner ?? null,
      JSON.stringify(token.permissions),
      token.hash,
      token.createdAt,
      token.expiresAt ?? null,
      token.lastUsedAt ?? null,
      token.revokedAt ?? null,
      this.generations.next()
    )
    return null
  }

  /** Whether there is such a token; one that was revoked stays so. */
  revoke(id: string, now: number): boolean {
    return this.revoked.run(id, now, this.generations.next()).changes > 0
  }

  revokeOf(owner: string, now: number): void {
    this.revokedOf.run(owner, now, this.generations.next())
  }

  touch(lastUsed: ReadonlyMap<string, number>): void {
    const generation = this.generations.next()
    for (const [id, at] of lastUsed) this.touched.run(id, at, generation)
  }

  since(generation: number): ReadonlyArray<ServiceToken> {
    return this.changed.all(generation).map(toToken)
  }

  /** How many were removed. */
  prune(now: number, max: number): number {
    const ids = this.pruned.all(now - endedKeptMs, max)
    for (const { id } of ids) this.generations.gone("token", textOf(id))
    return ids.length
  }
}

const toToken = (row: Record<string, SQLOutputValue>): ServiceToken => ({
  id: textOf(row["id"]),
  name: textOf(row["name"]),
  owner: textOrNone(row["owner"]),
  permissions: namesOf(row["permissions"]),
  hash: bytesOf(row["hash"]),
  createdAt: numberOf(row["created_at"]),
  expiresAt: numberOrNone(row["expires_at"]),
  lastUsedAt: numberOrNone(row["last_used_at"]),
  revokedAt: numberOrNone(row["revoked_at"])
})
