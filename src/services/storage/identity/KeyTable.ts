/**
 * Keys that sign tokens, within a transaction of IdentityTables; no Effect here. The newest of an algorithm signs; daemons
 * that share the file may differ in their algorithm, so a key retires those of its own alone.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite"
import { keysMax } from "../../identity/bounds.ts"
import type { SigningKey } from "../../identity/IdentityStore.ts"
import { numberOf, numberOrNone, textOf } from "../columns.ts"
import type { StoredKey } from "./commands.ts"
import type { Generations } from "./Generations.ts"

const columns = "kid, alg, jwk, created_at, retired_at, expires_at"

export class KeyTable {
  private readonly generations: Generations
  private readonly retire: StatementSync
  private readonly insert: StatementSync
  private readonly surplus: StatementSync
  private readonly pruned: StatementSync
  private readonly changed: StatementSync

  constructor(db: DatabaseSync, generations: Generations) {
    this.generations = generations
    this.retire = db.prepare(
      `UPDATE keys SET retired_at = ?2, expires_at = ?3, generation = ?4 WHERE alg = ?1 AND retired_at IS NULL`
    )
    this.insert = db.prepare(`INSERT INTO keys (${columns}, generation) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)`)
    this.surplus = db.prepare(
      `DELETE FROM keys WHERE number IN (SELECT number FROM keys ORDER BY retired_at IS NULL DESC, number DESC LIMIT -1 OFFSET ${keysMax})
       RETURNING kid`
    )
    this.pruned = db.prepare(`DELETE FROM keys WHERE expires_at < ?1 RETURNING kid`)
    this.changed = db.prepare(`SELECT ${columns} FROM keys WHERE generation > ? ORDER BY number`)
  }

  add(key: StoredKey, overlapUntil: number): void {
    const generation = this.generations.next()
    this.retire.run(key.alg, key.createdAt, overlapUntil, generation)
    const { alg, createdAt, expiresAt, jwk, kid, retiredAt } = key
    this.insert.run(kid, alg, jwk, createdAt, retiredAt ?? null, expiresAt ?? null, generation)
    this.tell(this.surplus.all())
  }

  /** Oldest first. */
  since(generation: number): ReadonlyArray<StoredKey> {
    return this.changed.all(generation).map(toKey)
  }

  prune(now: number): void {
    this.tell(this.pruned.all(now))
  }

  private tell(removed: ReadonlyArray<Record<string, SQLOutputValue>>): void {
    for (const { kid } of removed) this.generations.gone("key", textOf(kid))
  }
}

const toKey = (row: Record<string, SQLOutputValue>): StoredKey => ({
  kid: textOf(row["kid"]),
  alg: algOf(textOf(row["alg"])),
  jwk: textOf(row["jwk"]),
  createdAt: numberOf(row["created_at"]),
  retiredAt: numberOrNone(row["retired_at"]),
  expiresAt: numberOrNone(row["expires_at"])
})

const algOf = (text: string): SigningKey["alg"] => {
  if (text === "HS256" || text === "EdDSA") return text
  throw new Error(`the identity file has a key for an unknown algorithm, ${text}`)
}
