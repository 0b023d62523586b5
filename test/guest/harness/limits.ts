/**
 * Little memory, processor time and few tasks for a service of a guest: by its unit, where the guest's systemd has the
 * controllers for that; on a machine that has them in hierarchies of their own, which no guest is given, by groups there,
 * until the scope closes. What is started for the service later is under them as well, for it is a child.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { existsSync } from "node:fs"
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { dropIn } from "./debianPackage.ts"
import type { GuestShape } from "./Guest.ts"

export interface Limits {
  readonly memoryBytes?: number
  /** Of one processor. */
  readonly processorPercent?: number
  readonly tasks?: number
}

/** What the scheduler counts in, in microseconds. */
const period = 100_000

interface Limit {
  readonly controller: string
  readonly file: string
  readonly value: number
  readonly line: string
}

const limitsOf = ({ memoryBytes, processorPercent, tasks }: Limits): ReadonlyArray<Limit> => [
  ...(memoryBytes === undefined
    ? []
    : [{ controller: "memory", file: "memory.limit_in_bytes", value: memoryBytes, line: `MemoryMax=${memoryBytes}` }]),
  ...(processorPercent === undefined
    ? []
    : [
        {
          controller: "cpu",
          file: "cpu.cfs_quota_us",
          value: (processorPercent / 100) * period,
          line: `CPUQuota=${processorPercent}%`
        }
      ]),
  ...(tasks === undefined ? [] : [{ controller: "pids", file: "pids.max", value: tasks, line: `TasksMax=${tasks}` }])
]

const hierarchies = "/sys/fs/cgroup"

/** Restarts the service under these limits, with these lines more in its unit; which of them nothing can enforce here. */
export const startLimited = Effect.fnUntraced(function* (
  guest: GuestShape,
  limits: Limits,
  ...lines: ReadonlyArray<string>
): Effect.fn.Return<ReadonlyArray<string>, never, Scope.Scope> {
  const wanted = limitsOf(limits)
  yield* dropIn(guest, "[Service]", ...lines, ...wanted.map(({ line }) => line))
  const has = (yield* guest.must("cat", "/sys/fs/cgroup/cgroup.controllers")).trim().split(" ")
  const left: Array<string> = []
  for (const { controller, file, value } of wanted) {
    if (has.includes(controller)) continue
    const parent = join(hierarchies, controller)
    if (!existsSync(join(parent, "cgroup.procs"))) left.push(controller)
    else yield* limited(guest, parent, file, value)
  }
  return left
})

const pidsIn = async (group: string): Promise<ReadonlyArray<string>> =>
  (await readFile(join(group, "cgroup.procs"), "utf8")).split("\n").filter((line) => line !== "")

/** Those that have ended meanwhile cannot be moved. */
const move = async (pids: ReadonlyArray<string>, to: string): Promise<void> => {
  for (const pid of pids) await writeFile(join(to, "cgroup.procs"), pid).catch(() => undefined)
}

const limited = (
  guest: GuestShape,
  parent: string,
  file: string,
  value: number
): Effect.Effect<void, never, Scope.Scope> => {
  const group = join(parent, guest.name)
  const make = async (): Promise<void> => {
    const pids = await pidsIn(guest.group("system.slice/systemapi.service"))
    await mkdir(group)
    await writeFile(join(group, file), String(value))
    await move(pids, group)
  }
  const remove = async (): Promise<void> => {
    await move(await pidsIn(group), parent)
    await rmdir(group)
  }
  return Effect.asVoid(Effect.acquireRelease(Effect.promise(make), () => Effect.promise(remove)))
}
