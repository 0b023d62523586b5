/** The mounts of `/proc/self/mountinfo` (proc_pid_mountinfo(5)): which of them are disks, and which one a path is on. */

export interface Mount {
  /** `8:1`: the file system, however often it is mounted. */
  readonly device: string
  readonly target: string
  readonly type: string
  /** `/dev/sda1`, `server:/export`. */
  readonly source: string
  readonly readOnly: boolean
}

/** A machine with more tells of the first of them. */
const mountsMax = 4096

export const parseMounts = (text: string): ReadonlyArray<Mount> =>
  text.split("\n", mountsMax).flatMap((line) => {
    const [before = "", after] = line.split(" - ", 2)
    if (after === undefined) return []
    const [, , device, , target, options] = before.split(" ")
    const [type, source, superOptions = ""] = after.split(" ")
    if (device === undefined || target === undefined || type === undefined || source === undefined) return []
    if (!target.startsWith("/")) return []
    const readOnly = isReadOnly(options ?? "") || isReadOnly(superOptions)
    return [{ device, target: unescaped(target), type, source: unescaped(source), readOnly }]
  })

const isReadOnly = (options: string): boolean => options.split(",").includes("ro")

/** Blanks, tabs, newlines and backslashes are written as `\040`. */
const unescaped = (text: string): string =>
  text.replace(/\\([0-3][0-7]{2})/gu, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)))

/** The kernel's own, which lie on no disk: what they show has no size. */
const kernelTypes: ReadonlySet<string> = new Set([
  "autofs",
  "binder",
  "binfmt_misc",
  "bpf",
  "cgroup",
  "cgroup2",
  "configfs",
  "debugfs",
  "devpts",
  "devtmpfs",
  "efivarfs",
  "fusectl",
  "hugetlbfs",
  "mqueue",
  "nsfs",
  "proc",
  "pstore",
  "resctrl",
  "rpc_pipefs",
  "securityfs",
  "selinuxfs",
  "sysfs",
  "tracefs"
])

/** Files in memory: they have sizes, but are no disks. */
const memoryTypes: ReadonlySet<string> = new Set(["ramfs", "tmpfs"])

/** Whether what lies on it is never counted. */
export const isVirtual = ({ type }: Mount): boolean => kernelTypes.has(type)

/**
 * The disks: each file system once, where it is mounted nearest to the root. A container's root is an overlay; the overlays
 * of other containers are shapes of a disk that is told of already.
 */
export const disksOf = (mounts: ReadonlyArray<Mount>): ReadonlyArray<Mount> => {
  const visible = topmost(mounts)
  const byDevice = new Map<string, Mount>()
  for (const mount of visible) {
    if (isVirtual(mount) || memoryTypes.has(mount.type)) continue
    if (mount.type === "overlay" && mount.target !== "/") continue
    const known = byDevice.get(mount.device)
    if (known === undefined || mount.target.length < known.target.length) byDevice.set(mount.device, mount)
  }
  return [...byDevice.values()]
}

/** What is mounted over another is what is seen. */
const topmost = (mounts: ReadonlyArray<Mount>): ReadonlyArray<Mount> => [
  ...new Map(mounts.map((mount) => [mount.target, mount])).values()
]

export const isWithin = (folder: string, path: string): boolean =>
  folder === "/" || path === folder || path.startsWith(`${folder}/`)

/** The one that an absolute path without links is on. */
export const mountOf = (mounts: ReadonlyArray<Mount>, path: string): Mount | undefined =>
  topmost(mounts)
    .filter(({ target }) => isWithin(target, path))
    .reduce<Mount | undefined>(
      (best, mount) => (best === undefined || mount.target.length >= best.target.length ? mount : best),
      undefined
    )

/** Those below a folder whose content is never counted. */
export const virtualBelow = (mounts: ReadonlyArray<Mount>, path: string): ReadonlyArray<Mount> =>
  topmost(mounts).filter((mount) => isVirtual(mount) && mount.target !== path && isWithin(path, mount.target))

/** Asked last: a server that is gone never answers. */
const remote = /^(?:nfs|nfs4|cifs|smb3|smbfs|9p|afs|ceph|glusterfs|lustre|beegfs|fuse(?:\..*)?)$/u

export const isRemote = ({ type }: Pick<Mount, "type">): boolean => remote.test(type)
