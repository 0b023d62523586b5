/**
 * The identity file as this thread knows it: the snapshot that requests are checked against, and whether it still holds.
 *
 * It holds as long as the file's WAL index says what it said before the snapshot was read (WalIndex), and the file at the
 * path is the one that was read. The latter takes a second look, so it is taken ten times a second: nothing but an
 * operator's hand replaces a file. Where neither can be told the snapshot does not hold, whatever it says.
 *
 * The maps of a snapshot are the ones of the next, changed in place: it is what is known, not a copy of what was.
 */
import { statSync } from "node:fs"
import * as Redacted from "effect/Redacted"
import type { Approval, ServiceToken, SigningKey, Snapshot, User } from "../../identity/IdentityStore.ts"
import type { FileIdentity } from "../KeptFile.ts"
import type { Known, StoredKey, StoredUser, ViewChanges, ViewKind, ViewUpdate } from "./commands.ts"
import { WalIndex } from "./WalIndex.ts"

const placeLookMs = 100

export class IdentityView {
  private readonly path: string
  private readonly now: () => number
  private readonly users = new Map<string, User>()
  private readonly tokens = new Map<string, ServiceToken>()
  private readonly keys = new Map<string, SigningKey>()
  private readonly endedSessions = new Set<string>()
  private readonly revokedTokens = new Set<string>()
  private readonly approvals = new Map<string, Approval>()
  /** Another array only when there are other keys: who makes them ready for use looks at that. */
  private keyList: ReadonlyArray<SigningKey> = []
  private snapshot: Snapshot
  /** 0: none. */
  private connection = 0
  private generation = 0
  private index: WalIndex | undefined
  /** What the index said before the snapshot was read. */
  private header: Int32Array | undefined
  private alone = false
  private file: FileIdentity | undefined
  private lookedAt = 0

  /** `now`: the wall clock, in milliseconds. */
  constructor(path: string, now: () => number) {
    this.path = path
    this.now = now
    this.snapshot = this.renewed()
  }

  /** The snapshot, where it is known to hold. */
  current(): Snapshot | undefined {
    if (this.alone) return this.snapshot
    const { header, index } = this
    if (header === undefined || index === undefined || !index.is(header)) return undefined
    return this.isInPlace() ? this.snapshot : undefined
  }

  /** What there is no need to tell it. */
  get known(): Known {
    return { connection: this.connection, generation: this.generation, index: this.index?.descriptor ?? -1 }
  }

  /** The snapshot as it was left by the last update. */
  get latest(): Snapshot {
    return this.snapshot
  }

  /** In the order in which they were made. */
  apply({ changes, connection, file, index }: ViewUpdate): void {
    const isNew = connection !== this.connection
    if (isNew) {
      this.connection = connection
      this.file = file
      if (file !== undefined) this.reindex()
    }
    this.alone = file === undefined
    this.header = index === undefined || isNew ? undefined : new Int32Array(index.buffer, index.byteOffset)
    if (changes !== undefined) this.change(changes)
  }

  /** Nothing holds until the file has been asked again. */
  doubt(): void {
    this.alone = false
    this.header = undefined
  }

  /** The connection has been closed: nothing holds until there is another. */
  lost(): void {
    this.doubt()
    this.connection = 0
    this.index?.close()
    this.index = undefined
  }

  private change(changes: ViewChanges): void {
    this.generation = changes.generation
    if (changes.whole) for (const held of Object.values(this.held())) held.clear()
    for (const [kind, id] of changes.gone) this.held()[kind].delete(id)
    for (const user of changes.users) this.users.set(user.name, toUser(user))
    for (const token of changes.tokens) this.tokens.set(token.id, token)
    for (const key of changes.keys) this.keys.set(key.kid, toKey(key))
    for (const id of changes.endedSessions) this.endedSessions.add(id)
    for (const jti of changes.revokedTokens) this.revokedTokens.add(jti)
    for (const approval of changes.approvals) this.approvals.set(approval.id, approval)
    const haveKeysChanged = changes.whole || changes.keys.length > 0 || changes.gone.some(([kind]) => kind === "key")
    if (haveKeysChanged) this.keyList = [...this.keys.values()]
    this.snapshot = this.renewed()
  }

  private held(): Readonly<Record<ViewKind, Map<string, unknown> | Set<string>>> {
    return {
      user: this.users,
      token: this.tokens,
      key: this.keys,
      session: this.endedSessions,
      access: this.revokedTokens,
      approval: this.approvals
    }
  }

  /** Another object after each change, for whoever keeps what follows from one. */
  private renewed(): Snapshot {
    const { approvals, endedSessions, keyList: keys, revokedTokens, tokens, users } = this
    return { users, tokens, keys, endedSessions, revokedTokens, approvals }
  }

  /** A file that is still in use must not be closed: closing it would give up SQLite's locks on it. */
  private reindex(): void {
    if (this.index?.isInPlace() === true) return
    this.index?.close()
    this.index = undefined
    try {
      this.index = new WalIndex(this.path)
    } catch {
      // Then nothing holds, and each use asks the file itself: slow, and right.
    }
  }

  private isInPlace(): boolean {
    const tick = Math.floor(this.now() / placeLookMs)
    if (tick === this.lookedAt) return true
    const there = statSync(this.path, { throwIfNoEntry: false })
    if (there?.ino !== this.file?.ino || there?.dev !== this.file?.dev) return false
    this.lookedAt = tick
    return true
  }
}

const toUser = (user: StoredUser): User => ({
  ...user,
  passwordHash: user.passwordHash === undefined ? undefined : Redacted.make(user.passwordHash)
})

const toKey = (key: StoredKey): SigningKey => ({ ...key, jwk: Redacted.make(key.jwk) })
