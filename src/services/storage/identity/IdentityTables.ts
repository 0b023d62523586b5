/**
 * What can be done to the identity file, each in one transaction, and what has changed in it since one looked last. Runs
 * in the storage worker, in commands at the console and in tests; no Effect here.
 *
 * Several processes write the file: each transaction takes the write lock before it reads what it depends on. One that
 * changes nothing is rolled back, and costs no fsync.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite"
import { ApprovalTable } from "./ApprovalTable.ts"
import { numberOf } from "../columns.ts"
import type { IdentityCommand, IdentityRequest, IdentityValue, ViewChanges } from "./commands.ts"
import { Generations } from "./Generations.ts"
import { KeyTable } from "./KeyTable.ts"
import { NoteTable } from "./NoteTable.ts"
import { SessionTable } from "./SessionTable.ts"
import { TokenTable } from "./TokenTable.ts"
import { UserTable } from "./UserTable.ts"

/** Rows of a table that one `prune` removes: some milliseconds of the store's thread. */
const pruneRowsMax = 1000

export class IdentityTables {
  private readonly db: DatabaseSync
  private readonly generations: Generations
  private readonly users: UserTable
  private readonly tokens: TokenTable
  private readonly sessions: SessionTable
  private readonly keys: KeyTable
  private readonly approvals: ApprovalTable
  private readonly notes: NoteTable
  private readonly changes: StatementSync

  constructor(db: DatabaseSync) {
    this.db = db
    this.generations = new Generations(db)
    this.users = new UserTable(db, this.generations)
    this.tokens = new TokenTable(db, this.generations)
    this.sessions = new SessionTable(db, this.generations)
    this.keys = new KeyTable(db, this.generations)
    this.approvals = new ApprovalTable(db, this.generations)
    this.notes = new NoteTable(db)
    this.changes = db.prepare(`SELECT total_changes() AS n`)
  }

  perform({ command, note }: Omit<IdentityRequest, "known">): IdentityValue {
    switch (command.tag) {
      case "refresh":
        return done
      case "notes":
        return { tag: "notes", notes: this.notes.read() }
      default:
        return this.change(command, note)
    }
  }

  /** What has changed since that generation; undefined: nothing. Without one it is everything. */
  since(known: number | undefined): ViewChanges | undefined {
    this.db.exec("BEGIN")
    try {
      const { forgotten, generation } = this.generations.read()
      if (known === generation) return undefined
      const whole = known === undefined || known < forgotten
      const from = whole ? -1 : known
      return {
        generation,
        whole,
        gone: whole ? [] : this.generations.goneSince(from),
        users: this.users.since(from),
        tokens: this.tokens.since(from),
        keys: this.keys.since(from),
        endedSessions: this.sessions.endedSince(from),
        revokedTokens: this.sessions.revokedSince(from),
        approvals: this.approvals.since(from)
      }
    } finally {
      this.rollback()
    }
  }

  private change(command: Change, note: string | undefined): IdentityValue {
    this.db.exec("BEGIN IMMEDIATE")
    try {
      const before = this.changed()
      this.generations.begin()
      const value = this.apply(command)
      if (this.changed() === before) {
        this.rollback()
        return value
      }
      this.generations.end()
      if (note !== undefined) this.notes.add(note)
      this.db.exec("COMMIT")
      return value
    } catch (error) {
      this.rollback()
      throw error
    }
  }

  private apply(command: Change): IdentityValue {
    switch (command.tag) {
      case "create-user":
        return { tag: "made", refusal: this.users.create(command.user) }
      case "change-user": {
        const { change, name, now } = command
        const user = this.users.change(name, change, now)
        if (user !== null && change.endSessions) this.sessions.endAllOf(name)
        return { tag: "user", user }
      }
      case "delete-user": {
        const found = this.users.delete(command.name)
        if (found) {
          this.sessions.endAllOf(command.name)
          this.tokens.revokeOf(command.name, command.now)
        }
        return { tag: "found", found }
      }
      case "create-token":
        return { tag: "made", refusal: this.tokens.create(command.token) }
      case "revoke-token":
        return { tag: "found", found: this.tokens.revoke(command.id, command.now) }
      case "touch-tokens":
        this.tokens.touch(command.lastUsed)
        return done
      case "start-session": {
        const { session } = command
        this.sessions.start(session, this.users.isEnabled(session.user))
        const from = this.sessions.boundEndings(session)
        if (from !== undefined) this.users.endedBefore(session.user, from)
        return done
      }
      case "rotate":
        return { tag: "rotated", rotated: this.sessions.rotate(command.rotation, (user) => this.users.isEnabled(user)) }
      case "end-session":
        this.sessions.end(command.id, command.until)
        return done
      case "revoke-access":
        this.sessions.revoke(command.jti, command.until)
        return done
      case "add-key":
        this.keys.add(command.key, command.overlapUntil)
        return done
      case "create-approval":
        return { tag: "made", refusal: this.approvals.create(command.approval) }
      case "decide-approval": {
        const { by, id, now, state } = command
        return { tag: "approval", approval: this.approvals.decide(id, state, by, now) }
      }
      case "use-approval":
        return { tag: "found", found: this.approvals.use(command.id, command.now) }
      case "prune":
        return { tag: "pruned", more: this.prune(command.now) }
      case "forget-notes":
        this.notes.forget(command.through)
        return done
    }
  }

  private prune(now: number): boolean {
    this.keys.prune(now)
    this.approvals.prune(now)
    const tokens = this.tokens.prune(now, pruneRowsMax)
    const sessions = this.sessions.prune(now, pruneRowsMax)
    this.generations.prune()
    return tokens >= pruneRowsMax || sessions >= pruneRowsMax
  }

  private changed(): number {
    return numberOf(this.changes.get()?.["n"])
  }

  private rollback(): void {
    // SQLite has rolled back by itself after a full disk or an I/O error; a second ROLLBACK would hide the first error.
    if (this.db.isTransaction) this.db.exec("ROLLBACK")
  }
}

type Change = Exclude<IdentityCommand, { readonly tag: "refresh" | "notes" }>

const done: IdentityValue = { tag: "done" }
