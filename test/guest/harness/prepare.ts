/**
 * `node test/guest/harness/prepare.ts`: installs what booting a guest takes (Debian's packages, as root) and makes the root
 * file system that all guests share. Nothing to do where both are there. `--locked`: only the latter, by whoever holds the lock.
 */
import { execFileSync } from "node:child_process"
import { missingTools, tools, whyNoGuest } from "./machine.ts"
import { make, prepared, rootFileSystem } from "./rootFileSystem.ts"

const install = (): void => {
  const packages = new Set(missingTools().map((tool) => tools[tool] ?? tool))
  if (packages.size === 0 || process.getuid?.() !== 0) return
  console.log(`Installing ${[...packages].join(", ")}`)
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" }
  execFileSync("apt-get", ["update", "-qq"], { env, stdio: ["ignore", "ignore", "inherit"] })
  execFileSync("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], {
    env,
    stdio: ["ignore", "ignore", "inherit"]
  })
}

if (process.argv[2] === "--locked") {
  await make(await rootFileSystem())
} else {
  install()
  const why = whyNoGuest()
  if (why !== undefined) throw new Error(`this machine boots no guest: ${why}`)
  console.log(`Guests have their root file system from ${await prepared()}`)
}
