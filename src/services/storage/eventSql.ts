/**
 * The statements that read events, one for each combination of filters. Runs in the storage worker; no Effect here.
 *
 * Bounds: a range has up to five levels, sixteen terms and a filter for each field of an audit entry, so the statements
 * that are kept number some hundreds in practice.
 */
import type { DatabaseSync, SQLOutputValue, StatementSync } from "node:sqlite"
import type { ScanRange, WireRow } from "./protocol.ts"

/** Index of `audit` in `levels`; part of the file format. */
export const auditLevel = 4

/** What readers are shown. */
export const shown = `level <> ${auditLevel}`

export class EventSelects {
  private readonly db: DatabaseSync
  private readonly statements = new Map<string, StatementSync>()

  constructor(db: DatabaseSync) {
    this.db = db
  }

  /** The events of the range between these seqs that match. */
  *rows(range: ScanRange, from: number, to: number): Generator<WireRow> {
    const conditions = ["seq BETWEEN ? AND ?"]
    const values: Array<string | number | bigint> = [from, to]
    const where = (condition: string, ...given: ReadonlyArray<string | number | bigint>) => {
      conditions.push(condition)
      values.push(...given)
    }
    if (range.levels === null) where(shown)
    // As the index over audit entries says it, so that it serves.
    else if (isAuditOnly(range)) where(`level = ${auditLevel}`)
    else where(`level IN (${range.levels.map(() => "?").join()})`, ...range.levels)
    if (range.since !== null) where("received_at >= ?", range.since)
    if (range.until !== null) where("received_at < ?", range.until)
    if (range.source !== null) where("source = ?", range.source)
    if (range.who !== null) where("who = ?", range.who)
    // Not LIKE: it ends at the first NUL of a message.
    for (const term of range.terms) where(`instr(lower(message), ?) > 0`, term)
    for (const { isPrefix, name, text } of range.fields) {
      // Fields are kept as JSON.stringify writes them: what has not this text need not be parsed, which takes ten times as long.
      const written = `${JSON.stringify(name)}:${JSON.stringify(text).slice(0, -1)}`
      const is = isPrefix ? "substr(fields ->> ?, 1, length(?)) = ?" : "fields ->> ? = ?"
      const given = isPrefix ? [name, text, text] : [name, text]
      where(`CASE WHEN instr(fields, ?) > 0 THEN ${is} ELSE 0 END`, written, ...given)
    }
    const sql = `SELECT seq, received_at / 1000000000 AS s, received_at % 1000000000 AS ns, source, who, level, message, fields
      FROM events ${isAuditOnly(range) ? "INDEXED BY events_audit" : ""}
      WHERE ${conditions.join(" AND ")} ORDER BY seq ${range.newestFirst ? "DESC" : "ASC"} LIMIT ?`
    for (const row of this.prepared(sql).iterate(...values, range.limit)) yield toRow(row)
  }

  private prepared(sql: string): StatementSync {
    let statement = this.statements.get(sql)
    if (statement === undefined) {
      statement = this.db.prepare(sql)
      // Rows without names: a third of what reading one costs.
      statement.setReturnArrays(true)
      this.statements.set(sql, statement)
    }
    return statement
  }
}

export const isAuditOnly = ({ levels }: ScanRange): boolean => levels?.length === 1 && levels[0] === auditLevel

export const hasFilters = (range: ScanRange): boolean =>
  range.since !== null ||
  range.until !== null ||
  range.source !== null ||
  range.levels !== null ||
  range.who !== null ||
  range.terms.length > 0 ||
  range.fields.length > 0

/** The columns of `rows`, in its order. */
const toRow = (row: Record<number, SQLOutputValue>): WireRow => [
  Number(row[0]),
  Number(row[1]),
  Number(row[2]),
  String(row[3]),
  textOrNull(row[4]),
  Number(row[5]),
  String(row[6]),
  textOrNull(row[7])
]

const textOrNull = (value: SQLOutputValue | undefined): string | null => (typeof value === "string" ? value : null)

/** Before and after all times that SQLite can hold: a clock may stand before 1970. */
export const earliest = -(2n ** 63n)
export const latest = 2n ** 63n - 1n
