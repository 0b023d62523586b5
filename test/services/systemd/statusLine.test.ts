import { assert, describe, it } from "@effect/vitest"
import { statusLine } from "../../../src/services/systemd/statusLine.ts"

const quiet = { problems: [], listeners: ["http://127.0.0.1:3535"], running: 0, waiting: 0 }

describe("the line of systemctl status", () => {
  it("says where it listens, and nothing of what there is none of", () => {
    assert.strictEqual(statusLine(quiet), "listening on http://127.0.0.1:3535")
  })

  it("says what is wrong first, and how much there is to do last", () => {
    const busy = { ...quiet, problems: ["the disk is full", "pipe:a waits"], running: 1, waiting: 2 }
    assert.strictEqual(
      statusLine(busy),
      "degraded: the disk is full (and 1 more); listening on http://127.0.0.1:3535; 1 command at work; 2 commands waiting"
    )
  })

  it("names no more than three addresses", () => {
    assert.strictEqual(
      statusLine({ ...quiet, listeners: ["a", "b", "c", "d", "e"] }),
      "listening on a, b, c and 2 more"
    )
  })
})
