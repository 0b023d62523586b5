/** Real processes, as a killed daemon leaves them: nobody's children, in groups and sessions of their own. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Context from "effect/Context"
import * as Layer from "effect/Layer"
import { spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { readFileSync } from "node:fs"
import { readFile } from "node:fs/promises"
import * as LinuxProcesses from "../../../../src/services/operations/leftovers/LinuxProcesses.ts"
import { operationVariable, Processes } from "../../../../src/services/operations/leftovers/Processes.ts"
import { parseStat } from "../../../../src/services/operations/leftovers/procfs.ts"

const processes = Effect.map(Layer.build(LinuxProcesses.layer), (context) => Context.get(context, Processes))

/** One that has ended stays in the table as long as nobody asks how. */
const isAlive = (pid: number): boolean => {
  try {
    const { state } = parseStat(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? { state: "X" }
    return state !== "Z" && state !== "X"
  } catch {
    return false
  }
}

/**
 * Runs in a group of its own, and says which processes it is made of: itself, then those that it names. Whatever of it
 * lives on at the end of the test gets KILL.
 */
const started = (script: string, operation: string | undefined) =>
  Effect.acquireRelease(
    Effect.callback<ReadonlyArray<number>>((resume) => {
      const env = {
        PATH: process.env["PATH"] ?? "",
        ...(operation === undefined ? {} : { [operationVariable]: operation })
      }
      const child = spawn("sh", ["-c", script], { detached: true, env, stdio: ["ignore", "pipe", "ignore"] })
      child.stdout.once("data", (line: Buffer) => {
        const others = line.toString().trim().split(" ").filter(Boolean).map(Number)
        resume(Effect.succeed([child.pid ?? 0, ...others]))
      })
    }),
    (pids) =>
      Effect.sync(() => {
        for (const pid of pids) if (isAlive(pid)) process.kill(pid, "SIGKILL")
      })
  )

/** One in the group, and one in a session of its own. */
const family = `sleep 600 & a=$!; setsid sleep 600 & echo $a $!; wait`

describe("what a killed daemon has left", () => {
  it.live("is found by the operation's id in its environment, wherever it has gone, and ended", () =>
    Effect.gen(function* () {
      const { endLeftovers } = yield* processes
      const [mine, other] = [randomUUID(), randomUUID()]
      const pids = yield* started(family, mine)
      const others = yield* started(family, other)
      assert.strictEqual(pids.length, 3)
      const [ended, ...more] = yield* endLeftovers([{ operation: mine, process: null }])
      assert.deepStrictEqual([more, ended?.operation, ended?.left], [[], mine, []])
      assert.sameMembers([...(ended?.pids ?? [])], [...pids])
      assert.deepStrictEqual(pids.map(isAlive).slice(1), [false, false])
      assert.deepStrictEqual(others.map(isAlive), [true, true, true])
      assert.deepStrictEqual(yield* endLeftovers([{ operation: mine, process: null }]), [])
    })
  )

  it.live("is found by its mark where its environment says nothing, with its group", () =>
    Effect.gen(function* () {
      const { endLeftovers, mark } = yield* processes
      const pids = yield* started(`sleep 600 & echo $!; wait`, undefined)
      const known = yield* mark(pids[0] ?? 0)
      const [ended] = yield* endLeftovers([{ operation: "one", process: known }])
      assert.sameMembers([...(ended?.pids ?? [])], [...pids])
      assert.isFalse(isAlive(pids[1] ?? 0))
    })
  )

  it.live("gets KILL where it ignores TERM", () =>
    Effect.gen(function* () {
      const { endLeftovers } = yield* processes
      const id = randomUUID()
      const pids = yield* started(`trap "" TERM; sleep 600 & echo $!; while true; do sleep 1; done`, id)
      const [ended] = yield* endLeftovers([{ operation: id, process: null }])
      assert.includeMembers([...(ended?.pids ?? [])], [...pids])
      assert.deepStrictEqual(ended?.left, [])
      assert.isFalse(isAlive(pids[1] ?? 0))
    })
  )

  it.live("is left alone where its number is somebody else's by now", () =>
    Effect.gen(function* () {
      const { endLeftovers, mark } = yield* processes
      const [pid = 0] = yield* started(`echo; exec sleep 600`, undefined)
      const known = yield* mark(pid)
      if (known === null) return assert.fail("it is there")
      const reused = { ...known, startTicks: String(Number(known.startTicks) - 1) }
      const lastBoot = { ...known, bootId: randomUUID() }
      for (const process of [reused, lastBoot]) {
        assert.deepStrictEqual(yield* endLeftovers([{ operation: "one", process }]), [])
      }
      assert.isTrue(isAlive(pid))
      assert.strictEqual((yield* endLeftovers([{ operation: "one", process: known }])).length, 1)
    })
  )

  it.live("is nothing where nothing is suspected, or the process is gone", () =>
    Effect.gen(function* () {
      const { endLeftovers, mark } = yield* processes
      assert.deepStrictEqual(yield* endLeftovers([]), [])
      assert.isNull(yield* mark(2 ** 22 + 1))
    })
  )
})

describe("/proc/PID/stat", () => {
  it("is read whatever a program calls itself", () => {
    const fields = `S 1 77 77 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2`
    for (const name of ["sh", "a b", ") S 1 2", "(x)", "\n"]) {
      const stat = parseStat(`42 (${name}) ${fields}\n`)
      assert.deepStrictEqual(stat, { pid: 42, state: "S", group: 77, startTicks: "987654" })
    }
    assert.isUndefined(parseStat(""))
    assert.isUndefined(parseStat("42 (sh) S 1"))
  })

  it.live("tells the start of this very process", () =>
    Effect.gen(function* () {
      const { mark } = yield* processes
      const text = yield* Effect.promise(() => readFile("/proc/self/stat", "latin1"))
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
      assert.strictEqual((yield* mark(process.pid))?.startTicks, fields[19])
    })
  )
})
