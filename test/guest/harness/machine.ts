/**
 * Whether this machine can run a guest, and in words why not: tests that need one are skipped with these words, or fail
 * with them where SYSTEMAPI_GUEST says "required". Looks only; `prepare.ts` installs what is missing.
 */
import { accessSync, constants, existsSync, readFileSync } from "node:fs"
import { delimiter, join } from "node:path"

export const isRequired = process.env["SYSTEMAPI_GUEST"] === "required"

/** Programs of the machine that a guest takes, and the Debian packages they come in. */
export const tools: Readonly<Record<string, string>> = {
  "systemd-nspawn": "systemd-container",
  debootstrap: "debootstrap",
  "dpkg-deb": "dpkg",
  flock: "util-linux",
  nsenter: "util-linux",
  setpriv: "util-linux",
  unshare: "util-linux"
}

/** Not every PATH names the folders of programs that are root's. */
const folders = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin", "/sbin"]

const has = (program: string): boolean => folders.some((folder) => existsSync(join(folder, program)))

export const missingTools = (): ReadonlyArray<string> => Object.keys(tools).filter((tool) => !has(tool))

/**
 * Where control groups are made for a guest: the unified hierarchy first, and the old one named systemd where a machine
 * has both. A service manager wants each of them to itself.
 */
export const controlGroups = (): ReadonlyArray<string> => {
  const found: Array<string> = []
  let hasUnified = false
  for (const line of readFileSync("/proc/self/mounts", "utf8").split("\n")) {
    const [, place = "", kind, options = ""] = line.split(" ")
    if (kind === "cgroup2" && !hasUnified) {
      hasUnified = true
      found.unshift(place)
    }
    if (kind === "cgroup" && options.split(",").includes("name=systemd")) found.push(place)
  }
  return hasUnified ? found : []
}

const isWritable = (folder: string): boolean => {
  try {
    accessSync(folder, constants.W_OK)
    return true
  } catch {
    return false
  }
}

/** `undefined`: it can. */
export const whyNoGuest = (): string | undefined => {
  if (process.platform !== "linux") return "a guest takes Linux"
  if (process.getuid?.() !== 0) return "a guest takes root"
  const missing = missingTools()
  if (missing.length > 0) return `not installed: ${missing.join(", ")}; \`make test-guest\` installs them`
  const groups = controlGroups()
  if (groups.length === 0) return "no unified hierarchy of control groups is mounted"
  const closed = groups.find((place) => !isWritable(place))
  return closed === undefined ? undefined : `control groups cannot be made in ${closed}`
}

/** A machine whose own PID 1 is systemd gives the guest a scope, instead of finding a group it does not know. */
export const isSystemdHere = (): boolean => existsSync("/run/systemd/system")
