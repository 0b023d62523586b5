/**
 * Node's own modules that a start does without, loaded when something of theirs is first used: together they take as long
 * to load as all code of the daemon. Imports hoist, so source code cannot say this of a library's imports, nor of its own
 * without becoming asynchronous where it uses them.
 *
 * What stands in for a module has the same names, each a getter. A name that the Node which runs it lacks is undefined, as
 * it is in the module itself.
 */
import type { Plugin } from "esbuild"
import { createRequire } from "node:module"

/** TLS and HTTP/2 where a listener speaks them, compression and the rest where somebody asks for it. */
const modules = ["child_process", "http2", "https", "inspector/promises", "readline", "tls", "vm", "zlib"]

const namespace = "on-demand"

const identifier = /^[A-Za-z_$][\w$]*$/u

const standIn = (name: string, names: ReadonlyArray<string>): string => `
let loaded
const load = () => (loaded ??= process.getBuiltinModule("node:${name}"))
module.exports = {
${names.map((key) => `  get ${key}() { return load().${key} },`).join("\n")}
}`

export const onDemand: Plugin = {
  name: namespace,
  setup(build) {
    const require = createRequire(import.meta.url)
    build.onResolve({ filter: new RegExp(`^(?:node:)?(?:${modules.join("|")})$`) }, ({ path }) => ({
      path: path.replace("node:", ""),
      namespace
    }))
    build.onLoad({ filter: /./, namespace }, ({ path }) => {
      const whole: object = require(`node:${path}`)
      return {
        contents: standIn(
          path,
          Object.keys(whole).filter((key) => identifier.test(key))
        ),
        loader: "js"
      }
    })
  }
}
