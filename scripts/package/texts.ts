/** What a Debian package says of itself: the control file, the changelog and who has the rights to what is in it. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import * as Schema from "effect/Schema"

export interface Release {
  readonly version: string
  readonly architecture: string
  readonly maintainer: string
  /** Seconds since 1970. */
  readonly time: number
}

/**
 * The libraries that Node says it needs (`ldd`, `objdump -T`), and what the service uses: systemctl asks the state of units
 * over D-Bus, and polkit decides what it may have done to them.
 */
const depends = [
  "libatomic1",
  "libc6 (>= 2.28)",
  "libgcc-s1 (>= 3.3)",
  "libstdc++6 (>= 5.2)",
  "systemd (>= 247)",
  "default-dbus-system-bus | dbus-system-bus",
  "init-system-helpers (>= 1.54)"
]

const description = `event log, actions and state of a machine, over HTTP
 One daemon for machines nobody may log into. Services write events into it
 through a FIFO or over HTTP, and it keeps every one that it has acknowledged.
 Operators read them, run actions that the configuration lists, upload
 configuration files and see which unit has failed and why.
 .
 It runs as a user of its own, sandboxed, and brings the Node.js that it
 was built with.`

export const control = ({ architecture, maintainer, version }: Release, installedKib: number): string =>
  [
    "Package: systemapi",
    `Version: ${version}`,
    `Architecture: ${architecture}`,
    `Maintainer: ${maintainer}`,
    `Installed-Size: ${installedKib}`,
    `Depends: ${depends.join(", ")}`,
    "Recommends: polkitd",
    "Section: admin",
    "Priority: optional",
    `Description: ${description}`,
    ""
  ].join("\n")

/** As Debian writes it: `Sun, 22 Nov 2026 14:00:00 +0000`. */
const debianDate = (time: number): string => new Date(time * 1000).toUTCString().replace("GMT", "+0000")

/** Debian's changelogs have lines of at most 80 characters. */
const widthMax = 80

const wrapped = (point: string, first: string, others: string): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = first
  for (const word of point.split(/\s+/u).filter((part) => part !== "")) {
    if (line.trim() !== "" && line !== first && line.length + 1 + word.length > widthMax) {
      lines.push(line)
      line = others
    }
    line += line.endsWith(" ") ? word : ` ${word}`
  }
  return [...lines, line]
}

/** The newest part of CHANGELOG.md, whose points become those of Debian's. */
export const changelog = (markdown: string, { maintainer, time, version }: Release): string => {
  const [, newest = ""] = markdown.split(/^## .*$/mu)
  const points = newest
    .split(/^- /mu)
    .slice(1)
    .flatMap((point) => wrapped(point, "  * ", "    "))
  const head = `systemapi (${version}) unstable; urgency=medium`
  return [head, "", ...points, "", ` -- ${maintainer}  ${debianDate(time)}`, ""].join("\n")
}

const Lock = Schema.fromJsonString(
  Schema.Struct({
    packages: Schema.Record(
      Schema.String,
      Schema.Struct({
        dev: Schema.optionalKey(Schema.Boolean),
        version: Schema.optionalKey(Schema.String),
        license: Schema.optionalKey(Schema.String)
      })
    )
  })
)

/** As the field of a control file: no line of it is empty, and each begins with a space. */
const field = (words: string): string =>
  words
    .trimEnd()
    .split("\n")
    .map((line) => ` ${line.trimEnd() === "" ? "." : line.trimEnd()}`)
    .join("\n")

const readFirst = async (folder: string, names: ReadonlyArray<string>): Promise<string | undefined> => {
  for (const name of names) {
    const found = await readFile(join(folder, name), "utf8").catch(() => undefined)
    if (found !== undefined) return found
  }
  return undefined
}

/** Machine-readable, and whole: the licences of all that is in the bundle and of the runtime, by the lock file. */
export const copyright = async (root: string, runtime: string): Promise<string> => {
  const { packages } = Schema.decodeSync(Lock)(await readFile(join(root, "package-lock.json"), "utf8"))
  const parts: Array<string> = []
  for (const [path, { dev, license, version }] of Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1))) {
    const isRuntime = path.endsWith(`/${runtime}`)
    if (path === "" || dev === true || (path.includes("node_modules/node-linux-") && !isRuntime)) continue
    const full = await readFirst(join(root, path), ["LICENSE", "LICENSE.md", "LICENSE.txt", "license"])
    // Of what is for other machines nothing has been installed, and nothing is in the package.
    if (full === undefined) continue
    const name = path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)
    const files = isRuntime ? "usr/lib/systemapi/node" : "usr/lib/systemapi/dist/*"
    const rights = [...full.matchAll(/^\W*(Copyright\b.*)$/gimu)].map(([, line = ""]) => line.trim())
    parts.push(
      [
        `Files: ${files}`,
        `Copyright: ${[...new Set(rights)].slice(0, 1)[0] ?? `the authors of ${name}`}`,
        `License: ${license ?? "see-below"}-${name.replaceAll(/[^A-Za-z0-9.]+/gu, "-").replace(/^-/u, "")}`,
        `${field(`${name} ${version ?? ""}\n\n${full}`)}`
      ].join("\n")
    )
  }
  const head = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: systemapi"
  const own = "Files: *\nCopyright: the authors of systemapi\nLicense: MIT"
  return `${[head, own, ...parts, `License: MIT\n${field(mit)}`].join("\n\n")}\n`
}

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.`
