/**
 * Logins and their refresh tokens, and access tokens that were revoked one by one; within a transaction of
 * IdentityTables, no Effect here.
 *
 * A login keeps the hash of its refresh token and of the one before: the token is good once; the one before is good a
 * little longer, as long as its successor was never shown (the answer was lost), and then gets another successor in the
 * place of that. Every other token of the login has been used long ago, so whoever shows it has stolen it, or holds what a
 * thief has used: the login ends. That it is a token of this login at all is for the caller to know, by its signature.
 *
 * A login that has ended is remembered until the last access token of it has expired: `ended_until`. Bounds: `sessionsMax`
 * that live and `endingsMax` that have ended, of one user.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { endingsMax, sessionsMax } from "../../identity/bounds.ts"
import type { NewSession, Rotated, Rotation } from "../../identity/IdentityStore.ts"
import { bytesOf, numberOf, numberOrNone, textOf } from "../columns.ts"
import type { Generations } from "./Generations.ts"

export class SessionTable {
  private readonly generations: Generations
  private readonly one: StatementSync
  private readonly insert: StatementSync
  private readonly surplus: StatementSync
  private readonly rotated: StatementSync
  private readonly ended: StatementSync
  private readonly endedOf: StatementSync
  private readonly revoked: StatementSync
  private readonly endings: StatementSync
  private readonly living: StatementSync
  private readonly forgotten: StatementSync
  private readonly endedIds: StatementSync
  private readonly revokedIds: StatementSync
  private readonly pruned: StatementSync
  private readonly prunedRevoked: StatementSync

  constructor(db: DatabaseSync, generations: Generations) {
    this.generations = generations
    this.one = db.prepare(
      `SELECT user, refresh_hash, used_hash, used_at, expires_at, ended_until FROM sessions WHERE id = ?`
    )
    this.insert = db.prepare(`INSERT INTO sessions VALUES (?1, ?2, ?3, NULL, NULL, ?4, ?5, ?6, ?7)`)
    this.surplus = db.prepare(
      `SELECT id, expires_at FROM sessions WHERE user = ? AND ended_until IS NULL
       ORDER BY created_at DESC, id LIMIT -1 OFFSET ${sessionsMax - 1}`
    )
    this.rotated = db.prepare(
      `UPDATE sessions SET refresh_hash = ?2, used_hash = ?3, used_at = ?4, expires_at = ?5 WHERE id = ?1`
    )
    this.ended = db.prepare(
      `UPDATE sessions SET ended_until = max(?2, coalesce(ended_until, 0)), generation = ?3 WHERE id = ?1`
    )
    this.endedOf = db.prepare(
      `UPDATE sessions SET ended_until = expires_at, generation = ?2 WHERE user = ?1 AND ended_until IS NULL`
    )
    this.revoked = db.prepare(
      `INSERT INTO revoked VALUES (?1, ?2, ?3)
       ON CONFLICT (jti) DO UPDATE SET until = max(until, excluded.until), generation = excluded.generation`
    )
    this.endings = db.prepare(`SELECT count(*) AS n FROM sessions WHERE user = ? AND ended_until IS NOT NULL`)
    this.living = db.prepare(
      `SELECT min(created_at) AS oldest, max(created_at) AS newest FROM sessions WHERE user = ? AND ended_until IS NULL`
    )
    this.forgotten = db.prepare(`DELETE FROM sessions WHERE user = ?1 AND created_at < ?2 RETURNING id, ended_until`)
    this.endedIds = db.prepare(`SELECT id FROM sessions WHERE ended_until IS NOT NULL AND generation > ?`)
    this.revokedIds = db.prepare(`SELECT jti FROM revoked WHERE generation > ?`)
    this.pruned = db.prepare(
      `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE coalesce(ended_until, expires_at) < ?1 LIMIT ?2)
       RETURNING id, ended_until`
    )
    this.prunedRevoked = db.prepare(
      `DELETE FROM revoked WHERE jti IN (SELECT jti FROM revoked WHERE until < ?1 LIMIT ?2) RETURNING jti`
    )
  }

  /** Of a user that is gone or disabled meanwhile it has ended already. */
  start({ createdAt, expiresAt, id, refreshHash, user }: NewSession, isEnabled: boolean): void {
    const oldest = this.surplus.all(user)
    const generation = isEnabled && oldest.length === 0 ? 0 : this.generations.next()
    for (const row of oldest) this.ended.run(textOf(row["id"]), numberOf(row["expires_at"]), generation)
    this.insert.run(id, user, refreshHash, createdAt, expiresAt, isEnabled ? null : expiresAt, generation)
  }

  /**
   * Keeps what is remembered of a user's ended logins within `endingsMax`: the time before which all logins of the user
   * have ended, so that none of those has to be remembered by itself; undefined where there are few. Who logs in and out
   * a thousand times beside one login that lives on loses that one.
   */
  boundEndings({ createdAt, user }: Pick<NewSession, "createdAt" | "user">): number | undefined {
    if (!this.hasMany(user)) return undefined
    const { newest, oldest } = this.living.get(user) ?? {}
    const from = numberOrNone(oldest) ?? createdAt + 1
    this.forget(user, from)
    if (!this.hasMany(user)) return from
    const last = numberOrNone(newest) ?? createdAt + 1
    this.forget(user, last)
    return last
  }

  private hasMany(user: string): boolean {
    return numberOf(this.endings.get(user)?.["n"]) > endingsMax
  }

  private forget(user: string, before: number): void {
    for (const row of this.forgotten.all(user, before)) {
      if (row["ended_until"] !== null) this.generations.gone("session", textOf(row["id"]))
    }
  }

  rotate(rotation: Rotation, isEnabled: (user: string) => boolean): Rotated {
    const { expiresAt, graceMs, next, now, session, shown } = rotation
    const row = this.one.get(session)
    if (row === undefined || row["ended_until"] !== null || numberOf(row["expires_at"]) <= now)
      return { _tag: "unknown" }
    const user = textOf(row["user"])
    if (!isEnabled(user)) return { _tag: "unknown" }
    if (same(bytesOf(row["refresh_hash"]), shown)) {
      this.rotated.run(session, next, shown, now, expiresAt)
      return { _tag: "rotated", user }
    }
    const usedAt = numberOrNone(row["used_at"])
    // The clock may have stepped back since.
    if (usedAt !== undefined && same(bytesOf(row["used_hash"]), shown) && Math.abs(now - usedAt) < graceMs) {
      this.rotated.run(session, next, shown, usedAt, expiresAt)
      return { _tag: "rotated", user }
    }
    this.ended.run(session, numberOf(row["expires_at"]), this.generations.next())
    return { _tag: "reused", user }
  }

  end(id: string, until: number): void {
    this.ended.run(id, until, this.generations.next())
  }

  endAllOf(user: string): void {
    this.endedOf.run(user, this.generations.next())
  }

  revoke(jti: string, until: number): void {
    this.revoked.run(jti, until, this.generations.next())
  }

  endedSince(generation: number): ReadonlyArray<string> {
    return this.endedIds.all(generation).map((row) => textOf(row["id"]))
  }

  revokedSince(generation: number): ReadonlyArray<string> {
    return this.revokedIds.all(generation).map((row) => textOf(row["jti"]))
  }

  /** How many were removed. */
  prune(now: number, max: number): number {
    const sessions = this.pruned.all(now, max)
    const tokens = this.prunedRevoked.all(now, max)
    const ended = sessions.filter((row) => row["ended_until"] !== null)
    for (const row of ended) this.generations.gone("session", textOf(row["id"]))
    for (const row of tokens) this.generations.gone("access", textOf(row["jti"]))
    return sessions.length + tokens.length
  }
}

/** Of hashes of what is random: how long it takes tells nothing. */
const same = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0
