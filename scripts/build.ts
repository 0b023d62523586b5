/**
 * Builds what is installed on a machine, into `dist/`, which starts without node_modules: `systemapi.js` and the bundle
 * it runs, text (`systemapi.main.js`) and compiled (`systemapi.main.bin`), and one file per worker. The folder is emptied
 * first, so nothing of an older build stays.
 *
 * CommonJS, because Node starts it sooner than an ES module and can be given its compiled form. Identifiers keep their
 * names: errors, spans and stack traces show them.
 */
import { build, type BuildOptions, type PluginBuild } from "esbuild"
import { execFile } from "node:child_process"
import { createHash } from "node:crypto"
import { globSync } from "node:fs"
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises"
import { basename, join } from "node:path"
import { promisify } from "node:util"
import { onDemand } from "./onDemand.ts"

const root = join(import.meta.dirname, "..")
const out = join(root, "dist")
const main = join(out, "systemapi.main.js")

const manifest: unknown = JSON.parse(await readFile(join(root, "package.json"), "utf8"))
const version =
  typeof manifest === "object" && manifest !== null && "version" in manifest ? String(manifest.version) : "unknown"

const workers: Record<string, string> = {}
for (const worker of globSync("src/services/**/*.worker.ts", { cwd: root })) {
  const name = basename(worker, ".ts")
  if (workers[name] !== undefined) throw new Error(`two workers are named ${name}: ${workers[name]} and ${worker}`)
  workers[name] = join(root, worker)
}

const options = {
  absWorkingDir: root,
  outdir: out,
  bundle: true,
  platform: "node",
  format: "cjs",
  target: "node24",
  // One byte for each character in memory, where one that is not ASCII makes it two for all of them.
  charset: "ascii",
  minifySyntax: true,
  minifyWhitespace: true,
  // An uncaught error prints the line it came from: lines must stay lines.
  lineLimit: 160,
  legalComments: "external",
  logLevel: "warning"
} satisfies BuildOptions

/** src/start.ts calls it; a module is strict, and so is what is made of one. */
/** A library that few starts need, in a file of its own: what is in the bundle is read and looked through at every start. */
const apart = {
  name: "apart",
  setup: (build: PluginBuild) =>
    build.onResolve({ filter: /^jose$/ }, ({ kind }) =>
      kind === "dynamic-import" ? { path: "./jose.js", external: true } : undefined
    )
}

const asFunction = {
  banner: {
    js: '(function(require,__filename){"use strict";const __url=require("node:url").pathToFileURL(__filename).href;'
  },
  footer: { js: "})" },
  plugins: [onDemand, apart],
  // A script that is run as the bundle is cannot import; it can require.
  supported: { "dynamic-import": false },
  define: { SYSTEMAPI_VERSION: JSON.stringify(version), "import.meta.url": "__url" }
} satisfies BuildOptions

await rm(out, { recursive: true, force: true })
await Promise.all([
  build({ ...options, entryPoints: { "systemapi.main": join(root, "src/main.ts") }, ...asFunction }),
  build({ ...options, entryPoints: { ...workers, jose: "jose" } })
])
// The checkout's package.json calls every file beneath it a module.
await writeFile(join(out, "package.json"), '{ "type": "commonjs" }\n')

const bundle = await readFile(main, "utf8")
await writeFile(main, `// ${createHash("sha256").update(bundle).digest("hex")}\n${bundle}`)
await promisify(execFile)(process.execPath, [join(root, "scripts/compile.ts"), out])
// Last: where it lies, the build is whole.
await build({ ...options, entryPoints: { systemapi: join(root, "src/start.ts") } })

for (const name of (await readdir(out)).sort()) {
  console.log(`dist/${name}  ${((await stat(join(out, name))).size / 1024).toFixed(0)} KiB`)
}
