/** The host as a whole, over a machine of texts whose clock the test turns; and servers that never answer. */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import { hangingMax, makeSpaces, spaceDeadlineMs } from "../../../src/services/host/filesystems.ts"
import { Host } from "../../../src/services/host/Host.ts"
import { hostFiles, type HostFiles, type Space } from "../../../src/services/host/HostFiles.ts"
import { parseMounts } from "../../../src/services/host/mounts.ts"

const space: Space = { blockSize: 4096, blocks: 1000, free: 400, available: 300, inodes: 50, inodesFree: 20 }

interface Machine {
  readonly texts: Map<string, string>
  readonly files: HostFiles
  readonly reads: () => number
}

const machine = (given: Readonly<Record<string, string>>, there: ReadonlyArray<string> = []): Machine => {
  const texts = new Map(Object.entries(given))
  let reads = 0
  return {
    texts,
    reads: () => reads,
    files: {
      text: (path) =>
        Effect.sync(() => {
          reads += 1
          return texts.get(path)
        }),
      names: () => Effect.succeed(["sda", "loop0"]),
      exists: (path) => Effect.succeed(there.includes(path)),
      space: () => Effect.succeed(space)
    }
  }
}

const stat = (user: number, idle: number) => `cpu  ${user} 0 0 ${idle} 0 0 0 0 0 0\ncpu0 1 1 1 1\nbtime 1700000000\n`

describe("the host", () => {
  it.effect("is looked at twice the first time, so that there is a figure of what is now", () =>
    Effect.gen(function* () {
      const { files, reads, texts } = machine(
        {
          "/proc/stat": stat(100, 100),
          "/proc/meminfo": "MemTotal: 100 kB\nMemFree: 50 kB\nMemAvailable: 75 kB\n",
          "/proc/self/mountinfo": "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n23 22 0:20 / /proc rw - proc proc rw\n",
          "/proc/diskstats": " 8 0 sda 1 0 2 0 3 0 4 0 0 5 5\n 7 0 loop0 1 0 2 0 3 0 4 0 0 5 5\n",
          "/proc/net/dev": "none0: 1 0 0 0 0 0 0 0 2 0 0 0 0 0 0 0\n",
          "/proc/sys/kernel/random/boot_id": "67dd3833-1a07-4c59-bf3d-1a227b7dac58\n",
          "/proc/cpuinfo": "model name : Some CPU\nflags : hypervisor\n",
          "/usr/lib/os-release": "ID=some\n",
          "/sys/class/net/none0/operstate": "up\n"
        },
        ["/sys/class/misc/sev-guest"]
      )
      yield* Effect.gen(function* () {
        const host = yield* Host
        const first = yield* Effect.forkChild(host.read, { startImmediately: true })
        // The code that reads it is loaded at first use, by a promise that the test clock knows nothing of.
        yield* waitFor(() => reads() === 1)
        texts.set("/proc/stat", stat(130, 110))
        yield* TestClock.adjust("100 millis")
        const { value } = yield* Fiber.join(first)
        assert.deepStrictEqual(value.cpu, {
          model: "Some CPU",
          count: 1,
          usage_percent: 75,
          user_percent: 75,
          system_percent: 0,
          iowait_percent: 0,
          steal_percent: 0,
          interval_ms: 100
        })
        assert.deepStrictEqual(value.boot, {
          id: "67dd3833-1a07-4c59-bf3d-1a227b7dac58",
          time: "2023-11-14T22:13:20.000Z",
          uptime_seconds: null
        })
        assert.deepStrictEqual(
          [value.memory?.used_percent, value.swap, value.load, value.os?.id],
          [25, null, null, "some"]
        )
        assert.deepStrictEqual(value.tee, { kind: "sev-snp", evidence: "/sys/class/misc/sev-guest", reports: false })
        assert.deepStrictEqual(value.filesystems, [
          {
            source: "/dev/sda1",
            target: "/",
            type: "ext4",
            read_only: false,
            total_bytes: 4_096_000,
            used_bytes: 2_457_600,
            available_bytes: 1_228_800,
            used_percent: 66.7,
            inodes_total: 50,
            inodes_free: 20
          }
        ])
        assert.deepStrictEqual(
          value.block_devices.map(({ name }) => name),
          ["sda"]
        )
        assert.deepInclude(value.interfaces[0], { name: "none0", state: "up", mac: null, tx_bytes: 2 })

        const before = reads()
        yield* host.read
        assert.strictEqual(reads(), before, "within a second nothing is read again")
        texts.set("/proc/stat", stat(140, 140))
        yield* TestClock.adjust("2 seconds")
        const next = yield* host.read
        assert.deepInclude(next.value.cpu, { usage_percent: 25, interval_ms: 2000 })
      }).pipe(Effect.provide(Host.layer(files)))
    })
  )

  it.live("of a machine that tells nothing is null everywhere, and no error", () =>
    Effect.gen(function* () {
      const silent: HostFiles = {
        text: () => Effect.undefined,
        names: () => Effect.succeed([]),
        exists: () => Effect.succeed(false),
        space: () => Effect.undefined
      }
      const { value } = yield* Effect.provide(
        Effect.flatMap(Host, ({ read }) => read),
        Host.layer(silent)
      )
      assert.deepStrictEqual(
        [value.memory, value.swap, value.load, value.os, value.pressure, value.machine, value.tee.kind],
        [
          null,
          null,
          null,
          null,
          { cpu: null, memory: null, io: null },
          { vendor: null, product: null, virtualization: null, container: null },
          "none"
        ]
      )
      assert.deepStrictEqual([value.filesystems, value.block_devices, value.interfaces], [[], [], []])
      assert.isNull(value.cpu.usage_percent)
    })
  )

  it.live("is this machine without being told of another", () =>
    Effect.gen(function* () {
      const { value } = yield* Effect.provide(
        Effect.flatMap(Host, ({ read }) => read),
        Host.layer()
      )
      assert.isAbove(value.memory?.total_bytes ?? 0, 0)
      assert.isAbove(value.cpu.count ?? 0, 0)
      assert.include(
        value.interfaces.map(({ name }) => name),
        "lo"
      )
      const { available } = (yield* hostFiles.space("/")) ?? space
      assert.isAbove(available, 0)
      assert.strictEqual(yield* hostFiles.text("/proc/self/status", 5), "Name:")
      assert.strictEqual(yield* hostFiles.text("/nowhere"), undefined)
      assert.deepStrictEqual(yield* hostFiles.names("/nowhere", 5), [])
      assert.strictEqual((yield* hostFiles.names("/proc", 5)).length, 5)
    })
  )
})

/** Looks between the turns of the event loop: promises that no clock knows are what is waited for. */
const waitFor = (holds: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() =>
    holds()
      ? Effect.void
      : Effect.andThen(
          Effect.callback<void>((resume) => {
            setImmediate(() => resume(Effect.void))
          }),
          waitFor(holds)
        )
  )

describe("file systems whose servers are gone", () => {
  const mounts = parseMounts(
    ["/dead1 nfs", "/dead2 nfs4", "/dead3 cifs", "/disk ext4"]
      .map((each, n) => `1 1 0:${n} / ${each.split(" ")[0]} rw - ${each.split(" ")[1]} source${n} rw`)
      .join("\n")
  )

  it.effect("hold nobody up, cost two threads at most, and are told again once they answer", () =>
    Effect.gen(function* () {
      const asked: Array<string> = []
      const answers = new Map<string, Deferred.Deferred<void>>()
      let hanging = 0
      let most = 0
      const ask = yield* makeSpaces({
        space: (path) =>
          Effect.gen(function* () {
            asked.push(path)
            if (!path.startsWith("/dead")) return space
            const answered = Deferred.makeUnsafe<void>()
            answers.set(path, answered)
            hanging += 1
            most = Math.max(most, hanging)
            yield* Deferred.await(answered)
            hanging -= 1
            return space
          })
      })
      const look = Effect.fnUntraced(function* () {
        const fiber = yield* Effect.forkChild(ask(mounts), { startImmediately: true })
        yield* TestClock.adjust(hangingMax * spaceDeadlineMs)
        return (yield* Fiber.join(fiber)).map(({ target }) => target)
      })
      assert.deepStrictEqual(yield* look(), ["/disk"], "the disk is asked first")
      assert.deepStrictEqual(asked, ["/disk", "/dead1", "/dead2"])
      // No thread is left for servers; the disk is asked all the same.
      assert.deepStrictEqual(yield* look(), ["/disk"])
      assert.deepStrictEqual(asked.slice(3), ["/disk"])
      const [one] = answers.values()
      if (one !== undefined) yield* Deferred.succeed(one, undefined)
      assert.deepStrictEqual(yield* look(), ["/disk"])
      assert.deepStrictEqual(asked.slice(4), ["/disk", "/dead1"], "what hangs still is not asked again")
      for (const answer of answers.values()) yield* Deferred.succeed(answer, undefined)
      assert.strictEqual(most, hangingMax)
    })
  )
})
