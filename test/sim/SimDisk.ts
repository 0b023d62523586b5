/**
 * The disk that uploads and the secret are written to, and what of it survives: bytes are sure once their file was
 * synced, names once their folder was. At a crash the rest is in any state a journaling file system may leave it in:
 * of the changes of names the first ones happened, of a file's unsynced bytes all, none or a part are there.
 */
import { dirname } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Disk, DiskError, type Entry, type OpenFile } from "../../src/services/files/Disk.ts"
import type { Random } from "./Random.ts"
import type { Trace } from "./Trace.ts"
import type { Process, World } from "./World.ts"

export type DiskOperation = "create" | "write" | "sync" | "chmod" | "rename" | "remove" | "syncFolder" | "read"

interface Inode {
  readonly id: number
  mode: number
  modifiedMs: number
  bytes: Buffer
  /** What is on the medium for sure. */
  synced: Buffer
}

interface NameChange {
  readonly path: string
  readonly inode: Inode | undefined
}

const codes = { ENOSPC: "no space left on device", EIO: "i/o error" } as const

export class SimDisk {
  /** No room: what is written fails, half-way. */
  full = false
  slownessMs = 2
  /** Told of every change of names, for whoever watches a file. */
  onChange: (path: string) => void = () => {}
  private readonly failing = new Map<DiskOperation, number>()
  private names = new Map<string, Inode>()
  private sure = new Map<string, Inode>()
  private unsure: Array<NameChange> = []
  private inodes = 0
  private readonly world: World
  private readonly random: Random
  private readonly trace: Trace

  constructor(world: World, random: Random, trace: Trace) {
    this.world = world
    this.random = random
    this.trace = trace
  }

  /** The next operations of this kind fail. */
  fail(operation: DiskOperation, times: number): void {
    this.failing.set(operation, times)
  }

  heal(): void {
    this.full = false
    this.failing.clear()
    this.slownessMs = 2
  }

  /** Puts a file in place, as if it had been there for long. */
  put(path: string, text: string, mode: number): void {
    const inode: Inode = { ...this.makeInode(mode), bytes: Buffer.from(text), synced: Buffer.from(text) }
    this.names.set(path, inode)
    this.sure.set(path, inode)
  }

  contentOf(path: string): string | undefined {
    return this.names.get(path)?.bytes.toString("latin1")
  }

  paths(): ReadonlyArray<string> {
    return [...this.names.keys()]
  }

  crash(): void {
    const happened = this.random.below(this.unsure.length + 1)
    if (this.unsure.length > 0) this.trace.count("crash while names are not synced")
    for (const change of this.unsure.slice(0, happened)) apply(this.sure, change)
    this.unsure = []
    for (const inode of new Set(this.sure.values())) {
      if (inode.synced.equals(inode.bytes)) continue
      this.trace.count("crash while bytes are not synced")
      const kept = this.random.chance(0.5) ? this.random.below(inode.bytes.length + 1) : inode.bytes.length
      inode.bytes = this.random.chance(0.5) ? inode.synced : Buffer.from(inode.bytes.subarray(0, kept))
      inode.synced = inode.bytes
    }
    this.names = new Map(this.sure)
  }

  layer(owner: Process): Layer.Layer<Disk> {
    return Layer.succeed(
      Disk,
      Disk.of({
        create: (path) => this.create(path, owner),
        openDevice: (path) => Effect.fail(errorOf("open", path, "EIO")),
        openFifo: (path) => Effect.fail(errorOf("open", path, "EIO")),
        readFile: (path) => this.run("read", path, owner, () => this.existing("read", path).bytes),
        stat: (path) => this.run("read", path, owner, () => entryOf(this.names.get(path))),
        lstat: (path) => this.run("read", path, owner, () => entryOf(this.names.get(path))),
        readLink: (path) => Effect.fail(errorOf("readlink", path, "EIO")),
        rename: (from, to) =>
          this.run("rename", to, owner, () => {
            const inode = this.existing("rename", from)
            this.change({ path: from, inode: undefined }, { path: to, inode })
          }),
        remove: (path) =>
          this.run("remove", path, owner, () => {
            this.existing("remove", path)
            this.change({ path, inode: undefined })
          }),
        names: (folder, match, max) =>
          this.run("read", folder, owner, () =>
            this.paths()
              .filter((path) => dirname(path) === folder)
              .map((path) => path.slice(folder.length + 1))
              .filter((name) => match.test(name))
              .slice(0, max)
          ),
        syncFolder: (folder) => this.run("syncFolder", folder, owner, () => this.syncNames())
      })
    )
  }

  private create(path: string, owner: Process): Effect.Effect<OpenFile, DiskError, Scope.Scope> {
    const made = this.run("create", path, owner, () => {
      const inode = this.makeInode(0o600)
      this.change({ path, inode })
      return inode
    })
    return Effect.map(
      Effect.acquireRelease(made, () => Effect.void),
      (inode) => ({
        write: (bytes) => this.write(inode, path, bytes, owner),
        chown: () => this.run("chmod", path, owner, () => {}),
        chmod: (mode) =>
          this.run("chmod", path, owner, () => {
            inode.mode = mode
          }),
        sync: this.run("sync", path, owner, () => {
          inode.synced = inode.bytes
        })
      })
    )
  }

  private write(inode: Inode, path: string, bytes: Uint8Array, owner: Process): Effect.Effect<void, DiskError> {
    const add = (part: Uint8Array) => {
      inode.bytes = Buffer.concat([inode.bytes, part])
      inode.modifiedMs = this.world.wallMs
      this.onChange(path)
    }
    return this.run("write", path, owner, () => add(bytes)).pipe(
      // What a write that fails has written by then is there.
      Effect.tapError(() => Effect.sync(() => add(bytes.subarray(0, this.random.below(bytes.length + 1)))))
    )
  }

  /** An operation that was begun is waited for, and takes its time. */
  private run<A>(operation: DiskOperation, path: string, owner: Process, work: () => A): Effect.Effect<A, DiskError> {
    return Effect.uninterruptible(
      Effect.callback((resume) => {
        const act = () => {
          const code = this.faultOf(operation)
          if (code === undefined)
            return resume(Effect.try({ try: work, catch: (cause) => asDiskError(cause, operation, path) }))
          this.trace.count(`disk ${operation} failed`)
          resume(Effect.fail(errorOf(operation, path, code)))
        }
        this.world.after(this.random.next() * this.slownessMs, act, owner)
      })
    )
  }

  private faultOf(operation: DiskOperation): keyof typeof codes | undefined {
    if (this.full && (operation === "write" || operation === "create")) return "ENOSPC"
    const left = this.failing.get(operation) ?? 0
    if (left === 0) return undefined
    this.failing.set(operation, left - 1)
    return "EIO"
  }

  private existing(operation: string, path: string): Inode {
    const inode = this.names.get(path)
    if (inode === undefined) throw errorOf(operation, path, "EIO")
    return inode
  }

  private change(...changes: ReadonlyArray<NameChange>): void {
    for (const change of changes) {
      apply(this.names, change)
      this.unsure.push(change)
      this.onChange(change.path)
    }
  }

  private syncNames(): void {
    for (const change of this.unsure) apply(this.sure, change)
    this.unsure = []
  }

  private makeInode(mode: number): Inode {
    this.inodes += 1
    const none = Buffer.alloc(0)
    return { id: this.inodes, mode, modifiedMs: this.world.wallMs, bytes: none, synced: none }
  }
}

const apply = (names: Map<string, Inode>, { inode, path }: NameChange): void => {
  if (inode === undefined) names.delete(path)
  else names.set(path, inode)
}

const entryOf = (inode: Inode | undefined): Entry | undefined =>
  inode === undefined
    ? undefined
    : { kind: "file", mode: inode.mode, uid: 0, gid: 0, modifiedMs: inode.modifiedMs, stamp: `${inode.id}` }

const errorOf = (operation: string, path: string, code: keyof typeof codes): DiskError =>
  new DiskError({ operation, path, code, reason: codes[code] })

const asDiskError = (cause: unknown, operation: string, path: string): DiskError =>
  cause instanceof DiskError ? cause : new DiskError({ operation, path, code: "EIO", reason: String(cause) })
