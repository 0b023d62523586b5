/**
 * The Debian package of this checkout: made once, by one process at a time, where it is older than what it is made of; and a
 * guest that has it installed, with ways to speak to its daemon.
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import { buildOnce, home } from "../../system/build.ts"
import type { Answer } from "../../system/client.ts"
import { Guest, type GuestShape } from "./Guest.ts"
import type { BootFailed } from "./nspawn.ts"

const run = promisify(execFile)

const lock = join(tmpdir(), `systemapi-package-${createHash("sha256").update(home).digest("hex").slice(0, 16)}.lock`)

/** Prints where it is. */
const script = `
  newest() { ls -t dist/systemapi_*.deb 2>/dev/null | head -n 1; }
  deb=$(newest)
  if test -z "$deb" ||
    test -n "$(find bin packaging scripts src CHANGELOG.md README.md package.json systemapi-config.toml -newer "$deb" -print -quit)"
  then
    "$0" scripts/package.ts >&2
    deb=$(newest)
  fi
  printf %s "$deb"
`

/** The one that is shipped. */
export const packaged: Effect.Effect<string> = Effect.andThen(
  buildOnce,
  Effect.promise(async () => {
    const { stdout } = await run("flock", [lock, "sh", "-euc", script, process.execPath], { cwd: home })
    return join(home, stdout)
  })
)

/** Another version of the same, in a folder of the caller's. */
export const packagedAs = (version: string, folder: string): Effect.Effect<string> =>
  Effect.andThen(
    buildOnce,
    Effect.promise(async () => {
      const args = ["scripts/package.ts", "--quick", "--version", version, "--output", folder]
      await run(process.execPath, args, { cwd: home })
      const { stdout } = await run("sh", ["-c", 'printf %s "$1"/systemapi_"$2"_*.deb', "sh", folder, version])
      return stdout
    })
  )

/** Where the package lies in the guest. */
export const there = "/mnt/systemapi.deb"

export const install = ["apt-get", "install", "--yes", "--quiet", "--option=Dpkg::Options::=--force-confold"]

/** A guest in which the package lies, and is not installed yet. */
export const delivered: Layer.Layer<Guest, BootFailed> = Layer.unwrap(
  Effect.map(packaged, (deb) => Guest.layer({ binds: { [there]: deb } }))
)

/** A guest in which the package has been installed, and its service runs. */
export const installed: Layer.Layer<Guest, BootFailed> = Layer.effect(
  Guest,
  Effect.tap(Guest, (guest) => guest.must(...install, there))
).pipe(Layer.provide(delivered))

/** Asks as root, who needs no password at this socket. */
export const ask = (guest: GuestShape, path: string, ...args: ReadonlyArray<string>): Effect.Effect<Answer> =>
  guest.curl("--unix-socket", guest.path("/run/systemapi/systemapi.sock"), ...args, `http://localhost${path}`)

/** Changes the unit, and puts the change in force. */
export const dropIn = (guest: GuestShape, ...lines: ReadonlyArray<string>): Effect.Effect<void> =>
  Effect.gen(function* () {
    yield* guest.write("/etc/systemd/system/systemapi.service.d/test.conf", `${lines.join("\n")}\n`)
    yield* guest.must("systemctl", "daemon-reload")
    yield* guest.must("systemctl", "restart", "systemapi.service")
  })

/** Adds lines to the configuration; a restart or a reload is the caller's. */
export const configure = (guest: GuestShape, lines: string): Effect.Effect<string> =>
  guest.sh('printf "%s\\n" "$1" >>/etc/systemapi/systemapi-config.toml', lines)
