import { assert, describe, it } from "@effect/vitest"
import { withoutSecret } from "../../src/cli/hideSecret.ts"

describe("a command line that is shown", () => {
  it.each([
    [["--jwt-secret", "s", "--port", "1"], "--jwt-secret *** --port 1"],
    [["-jwt-secret=a=b\nc", "serve"], "-jwt-secret=*** serve"],
    [["--jwt-secret"], "--jwt-secret"],
    [["--jwt-secret-path", "x"], "--jwt-secret-path x"]
  ])("of %j has no secret", (argv, shown) => assert.strictEqual(withoutSecret(argv).join(" "), shown))
})
