import { spawn } from "node:child_process"
import { once } from "node:events"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"

/** What a program that logs through ProcessLog writes to standard error. */
const stderrOf = (argument: string) =>
  Effect.promise(async () => {
    const program = fileURLToPath(new URL("logger.ts", import.meta.url))
    const child = spawn(process.execPath, [program, argument], { stdio: ["ignore", "ignore", "pipe"] })
    let text = ""
    child.stderr.setEncoding("utf8").on("data", (chunk: string) => {
      text += chunk
    })
    const [code] = await once(child, "close")
    assert.strictEqual(code, 0, text)
    return text.split("\n").slice(0, -1)
  })

/** Without the time, which differs. */
const timeless = (lines: ReadonlyArray<string>) => lines.map((line) => line.replace(/^\S+Z /u, ""))

describe("the process log", () => {
  it.live("takes Effect's lines and the requests' from the level on that is set, and changes while it runs", () =>
    Effect.gen(function* () {
      const lines = yield* stderrOf("text")
      const [told, failed, request, changed] = timeless(lines)
      assert.strictEqual(told, 'INFO  told actor=Test detail="and more"')
      assert.match(failed ?? "", /^WARN {2}failed cause="Error: because/u)
      assert.strictEqual(request, "INFO  GET /livez 200 ms=0.5 request_id=a")
      assert.strictEqual(changed, "DEBUG shown after the change")
      assert.strictEqual(lines.length, 5)
      assert.deepInclude(JSON.parse(lines[4] ?? ""), { level: "info", message: "as JSON", odd: "10" })
    })
  )
})
