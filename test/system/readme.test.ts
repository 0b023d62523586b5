/** The README's console blocks, run in order against the sample configuration: each line answers what it says it does. */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { copyFile, readFile } from "node:fs/promises"
import { join } from "node:path"
import { home } from "./build.ts"
import { execute, start } from "./support.ts"

interface Step {
  readonly command: string
  readonly output: string
}

const steps = (markdown: string): ReadonlyArray<Step> =>
  [...markdown.matchAll(/```console\n([\s\S]*?)```/gu)].flatMap(([, block = ""]) =>
    block
      .split(/^\$ /mu)
      .slice(1)
      .map((step) => {
        const end = step.indexOf("\n")
        return { command: step.slice(0, end), output: step.slice(end + 1) }
      })
  )

/** Times differ from run to run; nothing else does. */
const timeless = (text: string): string =>
  text.replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{9})?Z/gu, (time) => (time.length > 20 ? "TIME.NANOS" : "TIME"))

it.live("the README's commands answer as printed", () =>
  Effect.scoped(
    Effect.gen(function* () {
      const sample = yield* Effect.promise(() => readFile(join(home, "systemapi-config.toml"), "utf8"))
      const readme = yield* Effect.promise(() => readFile(join(home, "README.md"), "utf8"))
      const config = sample
        .replace('"127.0.0.1:3535"', '"127.0.0.1:0"')
        .replace('"/tmp/testfile.txt"', '"testfile.txt"')
      const daemon = yield* start({ config })
      yield* Effect.promise(() => copyFile(join(home, "README.md"), join(daemon.folder, "README.md")))
      const all = steps(readme)
      assert.isAbove(all.length, 15)
      for (const { command, output } of all) {
        const here = command.replaceAll("localhost:3535", `localhost:${daemon.port}`)
        const answer = yield* execute("sh", ["-c", here.replaceAll("curl ", "curl -s ")], { cwd: daemon.folder })
        assert.strictEqual(timeless(answer.out.replace(/([^\n])$/u, "$1\n")), timeless(output), command)
      }
    })
  )
)
