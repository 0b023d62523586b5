/**
 * Boots a machine under systemd-nspawn and ends it. Its disk is the shared tree below a layer in memory, mounted in a
 * namespace that nspawn alone is in. It ends with the process that booted it, however that ends: unshare is killed then
 * (`--pdeathsig`), with it the first process of a namespace of processes, and with that all others. nspawn alone would leave
 * its machine running.
 * Control groups are made by hand, or asked for where this machine has a systemd; what a killed test left of them is
 * removed at the next boot. A boot that is not done after `bootPatience` fails with the machine's console.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { type ChildProcess, spawn } from "node:child_process"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { mkdir, mkdtemp, readdir, rm, rmdir, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { type CommandResult, execute } from "../../system/support.ts"
import { controlGroups, isSystemdHere } from "./machine.ts"
import { prepared } from "./rootFileSystem.ts"

export interface MachineOptions {
  /** Read-only in the guest: its path there, and the file or folder of this machine. */
  readonly binds?: Readonly<Record<string, string>>
}

export interface Machine {
  readonly name: string
  /** Where this machine finds a control group of the guest. */
  readonly group: (there: string) => string
  /** Of this machine: what is in it lives in the guest's namespaces. */
  readonly leader: () => number
  readonly console: () => string
  /** Boots it anew; its disk stays as it is. */
  readonly reboot: Effect.Effect<void, BootFailed>
}

export class BootFailed extends Schema.TaggedError<BootFailed>()("BootFailed", { message: Schema.String }) {}

/** Three seconds on an idle machine. */
const bootPatience = Duration.seconds(60)
const glance = Duration.millis(50)

/** Five seconds; what is left then is removed at another boot. */
const groupLooks = 100

/** Of a console that somebody floods, the newest part tells more. */
const consoleMax = 64 * 1024

/** What a guest may write to its disk, in memory: two packages with a Node each, and their logs. */
const diskSize = "3g"

const prefix = "systemapi-guest-"
let booted = 0

/** What nspawn ends with when its machine asks to be booted anew, and whoever started it is to do that (`--keep-unit`). */
const rebootCode = 133

/** Arguments: name, shared tree, folder for the mounts, control groups, and then those of nspawn. */
const launcher = `
  set -eu
  name=$1 tree=$2 place=$3 groups=$4; shift 4
  for group in $groups; do echo $$ >"$group/$name/cgroup.procs"; done
  mount -t tmpfs -o size=${diskSize},mode=0755 systemapi-guest "$place"
  mkdir "$place/upper" "$place/work" "$place/root"
  mount -t overlay -o "lowerdir=$tree,upperdir=$place/upper,workdir=$place/work" systemapi-guest "$place/root"
  while
    code=0
    systemd-nspawn --directory="$place/root" "$@" || code=$?
    test "$code" = ${rebootCode}
  do :; done
  exit "$code"
`

/**
 * No machined is asked (`register`), which is not everywhere. What the guest's systemd needs to enforce as on a machine:
 * BPF for the rules on devices and addresses, and raising limits.
 */
const nspawnOptions = [
  "--quiet",
  "--settings=no",
  "--boot",
  "--console=pipe",
  "--private-network",
  "--hostname=guest",
  "--register=no",
  "--keep-unit",
  "--link-journal=no",
  "--resolv-conf=off",
  "--timezone=off",
  "--capability=CAP_SYS_RESOURCE",
  "--system-call-filter=bpf",
  "--rlimit=RLIMIT_NOFILE=1024:524288"
]

const isAlive = (pid: number): boolean => existsSync(`/proc/${pid}`)

/** Groups hold files that cannot be removed, and go with their folder; one with a process in it cannot. */
const removeEmptyGroups = async (folder: string): Promise<void> => {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    if (entry.isDirectory()) await removeEmptyGroups(join(folder, entry.name))
  }
  await rmdir(folder).catch(() => undefined)
}

/** Kills what is in it; the kernel takes a moment for that. */
const removeGroup = async (group: string): Promise<void> => {
  const kill = join(group, "cgroup.kill")
  if (existsSync(kill)) await writeFile(kill, "1").catch(() => undefined)
  for (let look = 0; existsSync(group) && look < groupLooks; look++) {
    await removeEmptyGroups(group)
    if (existsSync(group)) await delay(Duration.toMillis(glance))
  }
}

/** Of processes that are gone. */
const removeStaleGroups = async (groups: ReadonlyArray<string>): Promise<void> => {
  for (const place of groups) {
    for (const name of readdirSync(place)) {
      const owner = name.startsWith(prefix) ? Number(name.slice(prefix.length).split("-")[0]) : Number.NaN
      if (Number.isInteger(owner) && !isAlive(owner)) await removeGroup(join(place, name))
    }
  }
}

const readOr = (path: string): string => {
  try {
    return readFileSync(path, "latin1")
  } catch {
    return ""
  }
}

/** The guest's PID 1: below unshare, its shell and nspawn, and with the number 1 in the innermost namespace. */
const leaderOf = (launcher: number): number | undefined =>
  childrenOf(launcher)
    .flatMap(childrenOf)
    .flatMap(childrenOf)
    .find((child) => /^NSpid:.*\t1$/mu.test(readOr(`/proc/${child}/status`)))

const childrenOf = (pid: number): ReadonlyArray<number> =>
  readOr(`/proc/${pid}/task/${pid}/children`)
    .split(" ")
    .filter((child) => child !== "")
    .map(Number)

/** The environment of a login of root, and nothing of ours. */
const environment = [
  "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
  "HOME=/root",
  "LANG=C.UTF-8",
  "TERM=dumb"
]

/** Runs a program of the guest, in it. */
export const enter = (
  leader: number,
  command: ReadonlyArray<string>,
  stdin?: string | Uint8Array
): Effect.Effect<CommandResult> =>
  execute(
    "nsenter",
    // The folder is changed by env, in the guest: nsenter's would be this machine's.
    [`--target=${leader}`, "--all", "--", "env", "-i", "--chdir=/", ...environment, ...command],
    stdin === undefined ? {} : { stdin }
  )

/** The guest's root among the unified control groups: its PID 1 is in `init.scope` below it. */
const groupOf = (leader: number): string => {
  const [unified = "/sys/fs/cgroup"] = controlGroups()
  const path = /^0::(.*)$/mu.exec(readOr(`/proc/${leader}/cgroup`))?.[1] ?? "/"
  return join(unified, path.replace(/\/init\.scope$/u, ""))
}

interface Running {
  readonly child: ChildProcess
  readonly pid: number
  readonly console: () => string
  readonly hasEnded: () => boolean
  readonly ended: Promise<void>
}

const launch = (name: string, tree: string, place: string, groups: string, options: MachineOptions): Running => {
  const binds = Object.entries(options.binds ?? {}).map(([there, here]) => `--bind-ro=${here}:${there}`)
  const scope = ["systemd-run", "--scope", "--quiet", "--collect", "--property=Delegate=yes", `--unit=${name}`, "--"]
  const whole = [
    "--pdeathsig=KILL",
    "--",
    ...(isSystemdHere() ? scope : []),
    "unshare",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child=KILL",
    "--mount-proc",
    "--",
    "sh",
    "-c",
    launcher,
    "sh",
    name,
    tree,
    place,
    isSystemdHere() ? "" : groups,
    `--machine=${name}`,
    ...nspawnOptions,
    ...binds
  ]
  const env = { ...process.env, SYSTEMD_NSPAWN_UNIFIED_HIERARCHY: "1" }
  const child = spawn("setpriv", whole, { env, stdio: ["ignore", "pipe", "pipe"] })
  let said = ""
  const listen = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-consoleMax)
  }
  child.stdout.on("data", listen)
  child.stderr.on("data", listen)
  let hasEnded = false
  const ended = new Promise<void>((resolve) => {
    const end = (): void => {
      hasEnded = true
      resolve()
    }
    child.once("exit", end)
    child.once("error", (error) => {
      said += error.message
      end()
    })
  })
  return { child, pid: child.pid ?? 0, console: () => said, hasEnded: () => hasEnded, ended }
}

/** Up: systemd says so, with or without a unit that failed; but for the leader of an earlier boot. */
const awaitUp = (running: Running, before?: number): Effect.Effect<number, BootFailed> => {
  const look: Effect.Effect<number, BootFailed> = Effect.gen(function* () {
    if (running.hasEnded()) return yield* new BootFailed({ message: `systemd-nspawn ended: ${running.console()}` })
    const leader = leaderOf(running.pid)
    if (leader !== undefined && leader !== before) {
      const { out } = yield* enter(leader, ["systemctl", "is-system-running"])
      if (out === "running\n" || out === "degraded\n") return leader
    }
    yield* Effect.sleep(glance)
    return yield* look
  })
  return Effect.timeoutOrElse(look, {
    duration: bootPatience,
    orElse: () => Effect.fail(new BootFailed({ message: `the guest is not up: ${running.console()}` }))
  })
}

const end = async (running: Running, place: string, groups: ReadonlyArray<string>): Promise<void> => {
  const leader = leaderOf(running.pid)
  if (leader !== undefined) process.kill(leader, "SIGKILL")
  running.child.kill("SIGKILL")
  await running.ended
  for (const group of groups) await removeGroup(group)
  await rm(place, { recursive: true, force: true })
  // nspawn makes it for each machine, and leaves it when it is killed.
  await rm(join("/run/systemd/nspawn/propagate", nameIn(running)), { recursive: true, force: true })
}

const nameIn = ({ child }: Running): string =>
  child.spawnargs.find((argument) => argument.startsWith("--machine="))?.slice("--machine=".length) ?? ""

/** Returns once the guest is up; ends it with the scope. */
export const boot = Effect.fn("guest.boot")(function* (
  options: MachineOptions
): Effect.fn.Return<Machine, BootFailed, Scope.Scope> {
  const tree = yield* Effect.promise(prepared)
  const name = `${prefix}${process.pid}-${++booted}`
  const places = isSystemdHere() ? [] : controlGroups()
  const groups = places.map((at) => join(at, name))
  const running = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      await removeStaleGroups(places)
      for (const group of groups) await mkdir(group)
      const place = await mkdtemp(join(tmpdir(), prefix))
      return { place, ...launch(name, tree, place, places.join(" "), options) }
    }),
    (started) => Effect.promise(() => end(started, started.place, groups))
  )
  let leader = yield* awaitUp(running)
  return {
    name,
    group: (there) => join(groupOf(leader), there),
    leader: () => leader,
    console: running.console,
    reboot: Effect.gen(function* () {
      const before = leader
      yield* enter(before, ["systemctl", "reboot"])
      leader = yield* awaitUp(running, before)
    })
  }
})
