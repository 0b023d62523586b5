/**
 * How full the file systems are. A server that is gone lets statfs(2) wait for ever, in one of the few threads of the pool:
 * each file system is asked by itself with a deadline, one after the other and those of the network last; one that does not
 * answer is left out and not asked again until it has, and no more than `hangingMax` of the threads are ever lost to servers.
 */
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { Filesystem } from "./HostState.ts"
import type { HostFiles, Space } from "./HostFiles.ts"
import { isRemote, type Mount } from "./mounts.ts"
import { percent } from "./procFiles.ts"

/** Of the four threads of Node's pool, through which all files are read and written. */
export const hangingMax = 2

/** A disk may have one more: it answers, but for one that is broken. */
const hangingMaxOfAll = hangingMax + 1

/** A disk answers within microseconds, a server within some milliseconds. */
export const spaceDeadlineMs = 250

/** A machine with more tells of the first of them. */
const filesystemsMax = 128

/** One of them for the whole daemon: it knows which file systems hang. What it asks belongs to the scope. */
export const makeSpaces = Effect.fnUntraced(function* (files: Pick<HostFiles, "space">) {
  const scope = yield* Scope.Scope
  const inFlight = new Set<string>()
  const oneAfterTheOther = Semaphore.makeUnsafe(1).withPermits(1)

  const spaceOf = (mount: Mount): Effect.Effect<Space | undefined> =>
    Effect.suspend(() => {
      const { target } = mount
      const most = isRemote(mount) ? hangingMax : hangingMaxOfAll
      if (inFlight.has(target) || inFlight.size >= most) return Effect.undefined
      inFlight.add(target)
      const asked = Effect.ensuring(
        files.space(target),
        Effect.sync(() => inFlight.delete(target))
      )
      // Goes on until the kernel has answered, however long somebody waits for it.
      return Effect.flatMap(Effect.forkIn(asked, scope, { startImmediately: true }), (fiber) =>
        Effect.timeoutOrElse(Fiber.join(fiber), { duration: spaceDeadlineMs, orElse: () => Effect.undefined })
      )
    })

  return (mounts: ReadonlyArray<Mount>): Effect.Effect<ReadonlyArray<Filesystem>> =>
    Effect.map(
      oneAfterTheOther(
        Effect.forEach(nearestFirst(mounts).slice(0, filesystemsMax), (mount) =>
          Effect.map(spaceOf(mount), (space) => (space === undefined ? [] : filesystemOf(mount, space)))
        )
      ),
      (found) => found.flat().sort((a, b) => (a.target < b.target ? -1 : 1))
    )
})

const nearestFirst = (mounts: ReadonlyArray<Mount>): ReadonlyArray<Mount> => [
  ...mounts.filter((mount) => !isRemote(mount)),
  ...mounts.filter(isRemote)
]

/** None of what has no size. */
const filesystemOf = (mount: Mount, space: Space): ReadonlyArray<Filesystem> => {
  const { available, blockSize, blocks, free, inodes, inodesFree } = space
  if (!(blocks > 0)) return []
  const used = Math.max(0, blocks - free)
  return [
    {
      source: mount.source,
      target: mount.target,
      type: mount.type,
      read_only: mount.readOnly,
      total_bytes: blocks * blockSize,
      used_bytes: used * blockSize,
      available_bytes: available * blockSize,
      used_percent: percent(used, used + available),
      inodes_total: inodes,
      inodes_free: inodesFree
    }
  ]
}
