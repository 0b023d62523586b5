/**
 * Builds what is installed on a machine: `dist/systemapi.js` and one file per worker beside it. They hold every
 * dependency and start without node_modules; the folder is emptied first, so nothing of an older build stays.
 *
 * Identifiers keep their names: errors, spans and stack traces show them.
 */
import { build } from "esbuild"
import { globSync } from "node:fs"
import { readFile, rm, stat } from "node:fs/promises"
import { basename, join } from "node:path"

const root = join(import.meta.dirname, "..")
const out = join(root, "dist")

const manifest: unknown = JSON.parse(await readFile(join(root, "package.json"), "utf8"))
const version =
  typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown"

/** Dependencies in CommonJS call `require`, which an ES module does not have. */
const requireForCommonJs = [
  'import { createRequire as __createRequire } from "node:module"',
  "const require = __createRequire(import.meta.url)"
].join("\n")

const entries: Record<string, string> = { systemapi: join(root, "src/main.ts") }
for (const worker of globSync("src/services/**/*.worker.ts", { cwd: root })) {
  const name = basename(worker, ".ts")
  if (entries[name] !== undefined) throw new Error(`two workers are named ${name}: ${entries[name]} and ${worker}`)
  entries[name] = join(root, worker)
}

await rm(out, { recursive: true, force: true })
await build({
  absWorkingDir: root,
  entryPoints: entries,
  outdir: out,
  bundle: true,
  platform: "node",
  format: "esm",
  target: "node24",
  minifySyntax: true,
  minifyWhitespace: true,
  // An uncaught error prints the line it came from: lines must stay lines.
  lineLimit: 160,
  legalComments: "external",
  banner: { js: requireForCommonJs },
  define: { SYSTEMAPI_VERSION: JSON.stringify(version) },
  logLevel: "warning"
})

for (const name of Object.keys(entries)) {
  const file = join(out, `${name}.js`)
  console.log(`dist/${name}.js  ${((await stat(file)).size / 1024).toFixed(0)} KiB`)
}
