/** The table of faults in README.md names tests that exist, by file and title. */
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"

const home = join(import.meta.dirname, "../..")
const named = /`(test\/\S+\.test\.ts)`: "([^"]+)" \|$/u

it("every fault in the table has a test of the title that is named", async () => {
  const table = await readFile(join(import.meta.dirname, "README.md"), "utf8")
  const rows = table.split("\n").filter((line) => /^\| (?!fault |---)/u.test(line))
  assert.isAbove(rows.length, 60)
  for (const row of rows) {
    const [, file = "", title = ""] = named.exec(row) ?? assert.fail(`no test is named: ${row}`)
    const text = await readFile(join(home, file), "utf8")
    assert.isTrue(text.includes(`"${title}"`) || text.includes(`\`${title}`), `${file} has no test "${title}"`)
  }
})
