/**
 * `node scripts/compile.ts FOLDER`: makes the compiled form of `FOLDER/systemapi.main.js`, which src/start.ts runs.
 *
 * V8 compiles a function when it is called first. So the daemon is started here, in this process, on a temporary folder,
 * and what it has compiled once it has answered is written down: what a start needs, and nothing else.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { get } from "node:http"
import { tmpdir } from "node:os"
import { join, resolve } from "node:path"
import { setTimeout as delay } from "node:timers/promises"
import { Script } from "node:vm"

const dist = resolve(process.argv[2] ?? "dist")
const file = join(dist, "systemapi.main.js")
const source = readFileSync(file, "latin1")

const folder = mkdtempSync(join(tmpdir(), "systemapi-compile-"))
process.on("exit", () => rmSync(folder, { recursive: true, force: true }))
const socket = join(folder, "socket")
const config = join(folder, "config.toml")
writeFileSync(
  config,
  `[general]
listen_addr = "unix:${socket}"
pipe_file = "${join(folder, "pipe")}"
[store]
directory = "${join(folder, "store")}"
[actions]
echo = "echo"
`
)

const answers = (path: string): Promise<boolean> =>
  new Promise((done) => {
    get({ socketPath: socket, path }, (response) => {
      response.resume().on("end", () => done(response.statusCode === 200))
    }).on("error", () => done(false))
  })

const giveUpMs = 60_000
const lookEveryMs = 10

process.argv = [process.execPath, join(dist, "systemapi.js"), "--config", config]
const script = new Script(source, { filename: file })
script.runInThisContext()(createRequire(file), file)
for (const path of ["/readyz", "/livez"]) {
  while (!(await answers(path))) {
    if (performance.now() > giveUpMs) throw new Error(`the daemon that was built never answered ${path}`)
    await delay(lookEveryMs)
  }
}
const identity = source.slice(0, source.indexOf("\n") + 1)
writeFileSync(join(dist, "systemapi.main.bin"), Buffer.concat([Buffer.from(identity), script.createCachedData()]))
process.kill(process.pid, "SIGTERM")
