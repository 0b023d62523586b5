/**
 * The root file system that all guests share, read-only: a minimal Debian of the same suite as this machine, made by
 * debootstrap once per suite and list of packages, in about a minute. It is made under another name and renamed when it is
 * whole; of several who want it at once one makes it (flock), and the others wait.
 *
 * Where the packages come from is what this machine's apt is told: mirror and proxy. Fails with the end of debootstrap's log.
 */
import { execFile, spawn } from "node:child_process"
import { createHash } from "node:crypto"
import { once } from "node:events"
import { existsSync } from "node:fs"
import { mkdir, open, readFile, rename, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"

const run = promisify(execFile)

/** On a disk, not in memory: 200 MB that outlast the tests. */
export const place = process.env["SYSTEMAPI_GUEST_DIR"] ?? "/var/tmp/systemapi-guest"

/**
 * Besides what is essential: what a machine booted by systemd has anyway, what our package depends on, and polkit, which
 * decides who may control units. It needs libpam-systemd by another name, which debootstrap does not see through.
 */
const packages = [
  "dbus",
  "libnss-systemd",
  "libpam-systemd",
  "polkitd",
  "systemd",
  "systemd-sysv",
  "libatomic1",
  "libstdc++6"
]

/** The end of debootstrap's log, where it says what was wrong. */
const tailLength = 2000

const suite = async (): Promise<string> => {
  const found = /^VERSION_CODENAME="?([a-z]+)"?$/mu.exec(await readFile("/etc/os-release", "utf8"))?.[1]
  if (found === undefined) throw new Error("/etc/os-release names no suite: guests are made on Debian and its like")
  return found
}

/** Changes with what is done to the tree once it is there (`finish`). */
const recipe = 1

export const rootFileSystem = async (): Promise<string> => {
  const name = await suite()
  const kind = createHash("sha256")
    .update(`${recipe} ${packages.join(" ")}`)
    .digest("hex")
    .slice(0, 8)
  return join(place, `${name}-${kind}`)
}

const mirror = async (name: string): Promise<string> => {
  const format = "$(RELEASE) $(COMPONENT) $(REPO_URI)"
  const { stdout } = await run("apt-get", ["indextargets", "--format", format, "Created-By: Packages"])
  for (const line of stdout.split("\n")) {
    const [release, component, uri] = line.split(" ")
    if (release === name && component === "main" && uri !== undefined) return uri
  }
  throw new Error(`apt knows no source of ${name}, component main: \`apt-get update\`?`)
}

const proxy = async (): Promise<Record<string, string>> => {
  const { stdout } = await run("apt-config", ["shell", "proxy", "Acquire::http::Proxy"])
  const uri = /^proxy='(.+)'$/mu.exec(stdout)?.[1]
  return uri === undefined ? {} : { http_proxy: uri }
}

/** No mounts are left: debootstrap has the new tree's /proc and /sys for a while, and may be ended in it. */
const drop = async (tree: string): Promise<void> => {
  for (const name of ["proc", "sys"]) {
    await run("umount", ["--recursive", "--quiet", join(tree, name)]).catch(() => undefined)
  }
  await rm(tree, { recursive: true, force: true })
}

const finish = async (tree: string): Promise<void> => {
  await rm(join(tree, "var/cache/apt/archives"), { recursive: true, force: true })
  await rm(join(tree, "var/lib/apt/lists"), { recursive: true, force: true })
  // Empty: each boot is the first one of a machine of its own.
  await writeFile(join(tree, "etc/machine-id"), "")
  await writeFile(join(tree, "etc/hostname"), "guest\n")
  await writeFile(join(tree, "etc/hosts"), "127.0.0.1 localhost guest\n::1 localhost\n")
}

const debootstrap = async (tree: string, log: string): Promise<void> => {
  const name = await suite()
  const args = ["--variant=minbase", `--include=${packages.join(",")}`, name, tree, await mirror(name)]
  const env = { ...process.env, ...(await proxy()) }
  const file = await open(log, "w")
  try {
    const child = spawn("debootstrap", args, { env, stdio: ["ignore", file.fd, file.fd] })
    const [code] = await once(child, "close")
    if (code === 0) return
  } finally {
    await file.close()
  }
  throw new Error(`debootstrap failed, its log is ${log}:\n${(await readFile(log, "utf8")).slice(-tailLength)}`)
}

/** Makes the tree; whoever calls holds the lock. */
export const make = async (tree: string): Promise<void> => {
  if (existsSync(tree)) return
  const unfinished = `${tree}.unfinished`
  await drop(unfinished)
  try {
    await debootstrap(unfinished, `${tree}.log`)
    await finish(unfinished)
    await rename(unfinished, tree)
  } catch (error) {
    await drop(unfinished)
    throw error
  }
}

/** Returns once the tree is there, whoever makes it: in a process of its own, which holds the lock as long as it lives. */
export const prepared = async (): Promise<string> => {
  const tree = await rootFileSystem()
  if (existsSync(tree)) return tree
  await mkdir(place, { recursive: true, mode: 0o755 })
  const script = fileURLToPath(new URL("prepare.ts", import.meta.url))
  await run("flock", [join(place, "lock"), process.execPath, script, "--locked"])
  return tree
}
