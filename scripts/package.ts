/**
 * `node scripts/package.ts`: makes `dist/systemapi_VERSION_ARCH.deb` of what the build has left in dist/, with dpkg-deb and
 * nothing else of Debian's. `make package` builds first.
 *
 *   --version V    instead of that of package.json, with the revision -1
 *   --output DIR   instead of dist
 *   --quick        not compressed: for tests, which install it once and throw it away
 *
 * The same dist/, Node and dpkg make the same bytes: times are SOURCE_DATE_EPOCH or that of the last commit, owners are
 * root, names are sorted. The runtime loses its symbols where there is a `strip` (a fifth of it). It is the very Node that has
 * compiled the bundle, so that the compiled form is taken.
 */
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import {
  chmod,
  copyFile,
  lutimes,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile
} from "node:fs/promises"
import { tmpdir } from "node:os"
import { dirname, join, relative } from "node:path"
import { parseArgs, promisify } from "node:util"
import { gzipSync } from "node:zlib"
import { version as ownVersion } from "../src/cli/version.ts"
import { jsonSchema } from "../src/services/config/ConfigSchema.ts"
import { commandPage } from "./package/commandPage.ts"
import { commandLine, completions } from "./package/completions.ts"
import { configPage } from "./package/configPage.ts"
import { changelog, control, copyright, type Release } from "./package/texts.ts"

const run = promisify(execFile)
const root = join(import.meta.dirname, "..")

const { values: options } = parseArgs({
  options: {
    version: { type: "string" },
    output: { type: "string", default: join(root, "dist") },
    quick: { type: "boolean", default: false }
  }
})

/** Debian's names of the machines that Node is shipped for. */
const architectures: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" }

/**
 * A third of the time that xz takes to make, and a tenth to unpack, which is most of what an installation takes; 4 MB more.
 * Debian's dpkg reads it since 12, Ubuntu's since 21.10.
 */
const compression = ["-Zzstd", "-z10", "--no-uniform-compression"]

const architecture = architectures[process.arch]
if (process.platform !== "linux" || architecture === undefined) {
  throw new Error(`packages are made on Linux, for ${Object.values(architectures).join(" and ")}`)
}

const commitTime = async (): Promise<number> => {
  const { stdout } = await run("git", ["-C", root, "log", "-1", "--format=%ct"]).catch(() => ({ stdout: "" }))
  return stdout === "" ? Math.floor((await stat(join(root, "CHANGELOG.md"))).mtimeMs / 1000) : Number(stdout)
}

const environment = process.env
const release: Release = {
  version: options.version ?? `${ownVersion()}-1`,
  architecture,
  // The names that Debian's tools read.
  maintainer: `${environment["DEBFULLNAME"] ?? "systemapi"} <${environment["DEBEMAIL"] ?? "systemapi@localhost.localdomain"}>`,
  time: Number(environment["SOURCE_DATE_EPOCH"] ?? (await commitTime()))
}
const day = new Date(release.time * 1000).toISOString().slice(0, 10)

const tree = await mkdtemp(join(tmpdir(), "systemapi-package-"))

const put = async (path: string, content: string | Uint8Array, mode = 0o644): Promise<void> => {
  const file = join(tree, path)
  await mkdir(dirname(file), { recursive: true, mode: 0o755 })
  await writeFile(file, content)
  await chmod(file, mode)
}

const copy = async (from: string, to: string, mode?: number): Promise<void> =>
  put(to, await readFile(join(root, from)), mode)

/** Without the name and time that gzip would add. */
const zipped = (text: string): Uint8Array => gzipSync(text, { level: 9 })

const putRuntime = async (): Promise<void> => {
  const file = join(tree, "usr/lib/systemapi/node")
  await mkdir(dirname(file), { recursive: true })
  await copyFile(process.execPath, file)
  await chmod(file, 0o755)
  await run("strip", [file]).catch(() => console.warn("package: no strip here, so Node keeps its symbols"))
}

const putBundle = async (): Promise<void> => {
  for (const name of await readdir(join(root, "dist"))) {
    if (!name.endsWith(".deb")) await copy(join("dist", name), join("usr/lib/systemapi/dist", name))
  }
  await copy("bin/systemapi", "usr/lib/systemapi/bin/systemapi", 0o755)
  await mkdir(join(tree, "usr/bin"), { recursive: true })
  await symlink("../lib/systemapi/bin/systemapi", join(tree, "usr/bin/systemapi"))
}

const putService = async (): Promise<void> => {
  await copy("packaging/systemapi.service", "usr/lib/systemd/system/systemapi.service")
  await copy("packaging/systemapi.socket", "usr/lib/systemd/system/systemapi.socket")
  await copy("packaging/sysusers.conf", "usr/lib/sysusers.d/systemapi.conf")
  await copy("packaging/tmpfiles.conf", "usr/lib/tmpfiles.d/systemapi.conf")
  await copy("packaging/systemapi-config.toml", "etc/systemapi/systemapi-config.toml")
}

const putDocuments = async (): Promise<void> => {
  const command = commandLine()
  await put("usr/share/man/man1/systemapi.1.gz", zipped(commandPage(command, day, release.version)))
  const configuration = configPage(jsonSchema(), day, release.version)
  await put("usr/share/man/man5/systemapi-config.toml.5.gz", zipped(configuration))
  await put("usr/share/bash-completion/completions/systemapi", completions("bash", command))
  await put("usr/share/zsh/vendor-completions/_systemapi", completions("zsh", command))
  await put("usr/share/fish/vendor_completions.d/systemapi.fish", completions("fish", command))

  const doc = "usr/share/doc/systemapi"
  await put(`${doc}/copyright`, await copyright(root, `node-linux-${process.arch}`))
  const changes = await readFile(join(root, "CHANGELOG.md"), "utf8")
  await put(`${doc}/changelog.Debian.gz`, zipped(changelog(changes, release)))
  await copy("README.md", `${doc}/README.md`)
  await copy("systemapi-config.toml", `${doc}/examples/systemapi-config.toml`)
  for (const name of await readdir(join(root, "packaging/examples"))) {
    await copy(join("packaging/examples", name), `${doc}/examples/${name}`)
  }
  await copy("packaging/debian/lintian-overrides", "usr/share/lintian/overrides/systemapi")
}

interface Entry {
  readonly path: string
  readonly kind: "file" | "folder" | "link"
}

const entries = async (): Promise<ReadonlyArray<Entry>> => {
  const found = await readdir(tree, { recursive: true, withFileTypes: true })
  return found
    .map((entry): Entry => ({
      path: relative(tree, join(entry.parentPath, entry.name)),
      kind: entry.isDirectory() ? "folder" : entry.isSymbolicLink() ? "link" : "file"
    }))
    .sort((a, b) => (a.path < b.path ? -1 : 1))
}

/** What dpkg reads: the control file, which files are the administrator's, sums, and the scripts. */
const putControl = async (): Promise<void> => {
  let bytes = 0
  const sums: Array<string> = []
  for (const { kind, path } of await entries()) {
    if (kind !== "file") continue
    const content = await readFile(join(tree, path))
    bytes += content.length
    if (!path.startsWith("etc/")) sums.push(`${createHash("md5").update(content).digest("hex")}  ${path}\n`)
  }
  await put("DEBIAN/control", control(release, Math.ceil(bytes / 1024)))
  await put("DEBIAN/md5sums", sums.join(""))
  await put("DEBIAN/conffiles", "/etc/systemapi/systemapi-config.toml\n")
  for (const name of ["postinst", "prerm", "postrm"]) await copy(`packaging/debian/${name}`, `DEBIAN/${name}`, 0o755)
}

/** Whatever the umask of whoever makes it, and whenever. */
const settle = async (): Promise<void> => {
  for (const { kind, path } of [...(await entries()), { path: "", kind: "folder" as const }]) {
    const file = join(tree, path)
    if (kind === "folder") await chmod(file, 0o755)
    await (kind === "link" ? lutimes : utimes)(file, release.time, release.time)
  }
}

try {
  await Promise.all([putRuntime(), putBundle(), putService(), putDocuments()])
  await putControl()
  await settle()
  await mkdir(options.output, { recursive: true })
  const file = join(options.output, `systemapi_${release.version}_${architecture}.deb`)
  const how = options.quick ? ["-Znone"] : compression
  await run("dpkg-deb", ["--root-owner-group", ...how, "--build", tree, file], {
    env: { ...environment, SOURCE_DATE_EPOCH: String(release.time) }
  })
  console.log(`${relative(root, file)}  ${((await stat(file)).size / 1024 / 1024).toFixed(1)} MiB`)
} finally {
  await rm(tree, { recursive: true, force: true })
}
