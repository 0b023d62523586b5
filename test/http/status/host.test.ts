/** The host over HTTP: parameters as the original's clients send them, sizes as they read them, and who may end it. */
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { makeHostHandlers } from "../../../src/http/status/hostHandlers.ts"
import { humanSize } from "../../../src/http/status/humanSize.ts"
import { nobody } from "../../../src/services/auth/Authenticator.ts"
import type { DiskQuestion } from "../../../src/services/disk/DiskSpace.ts"
import { HostTimeout } from "../../../src/services/host/Host.ts"
import { parseMounts } from "../../../src/services/host/mounts.ts"
import { PermissionSet } from "../../../src/services/identity/Permission.ts"
import { ToolMissing } from "../../../src/services/tools/Tool.ts"
import { admitted, type Options, user } from "../edge/support.ts"
import { changeableConfig, hostEdge } from "./support.ts"

const make = Effect.fnUntraced(function* (toml: string, options: Partial<Options> = {}) {
  const { change, config } = yield* changeableConfig(toml)
  const counted: Array<DiskQuestion> = []
  const off: Array<string | undefined> = []
  const handlers = makeHostHandlers({
    clock: yield* Clock.Clock,
    config,
    disk: {
      count: (question) =>
        Effect.sync(() => {
          counted.push(question)
          const folders = ["/tmp/a", "/tmp/b", "/tmp/a/c", "/tmp/a/d"].map((path, n) => ({
            path,
            bytes: 400 - 100 * n,
            depth: n < 2 ? 1 : 2
          }))
          const value = { folders, totalBytes: 1600, truncated: false, partial: true }
          return { value, readAt: 0, ageMs: 12, stale: false, error: undefined }
        })
    },
    host: {
      read: Effect.fail(new HostTimeout()),
      mounts: Effect.succeed(parseMounts("1 1 8:1 / / rw - ext4 /dev/sda1 rw\n")),
      spaces: () => Effect.succeed([])
    },
    power: {
      off: (who) =>
        Effect.suspend(() => {
          off.push(who)
          return who === "bob" ? Effect.fail(new ToolMissing({ binary: "systemctl" })) : Effect.void
        })
    }
  })
  return { ...(yield* hostEdge(handlers, options)), change, counted, off }
})

describe("GET /disk/space", () => {
  const roots = '[disk]\nroots = ["/tmp"]\n'

  it.live("takes what FastAPI takes, and refuses the rest as it does", () =>
    Effect.gen(function* () {
      const { ask, counted } = yield* make(roots)
      const asked = Effect.fnUntraced(function* (query: string) {
        const { status, text } = yield* ask(`/disk/space?path=/tmp${query}`)
        return [status, JSON.parse(text)] as const
      })
      for (const [query, question] of [
        ["", { depth: 1, cross: false }],
        ["&max_depth=5", { depth: 1, cross: false }],
        ["&diagnostic=TRUE", { depth: 3, cross: false }],
        ["&diagnostic=on&max_depth=10&cross_filesystems=1", { depth: 10, cross: true }],
        ["&diagnostic=off&cross_filesystems=No", { depth: 1, cross: false }]
      ] as const) {
        assert.strictEqual((yield* asked(query))[0], 200, query)
        assert.deepStrictEqual(counted.at(-1), { path: "/tmp", ...question }, query)
      }
      const integer = "Input should be a valid integer, unable to parse string as an integer"
      for (const [query, name, msg, type] of [
        ["&max_depth=0", "max_depth", "Input should be greater than or equal to 1", "greater_than_equal"],
        ["&max_depth=11", "max_depth", "Input should be less than or equal to 10", "less_than_equal"],
        ["&max_depth=", "max_depth", integer, "int_parsing"],
        ["&max_depth=1e1", "max_depth", integer, "int_parsing"],
        ["&max_depth=99999999999999999999", "max_depth", integer, "int_parsing"],
        ["&top_n=-1", "top_n", "Input should be greater than or equal to 1", "greater_than_equal"],
        ["&top_n=101", "top_n", "Input should be less than or equal to 100", "less_than_equal"],
        ["&diagnostic=", "diagnostic", "Input should be a valid boolean, unable to interpret input", "bool_parsing"]
      ] as const) {
        assert.deepStrictEqual(yield* asked(query), [422, { detail: [{ loc: ["query", name], msg, type }] }], query)
      }
    })
  )

  it.live("shows the largest at each depth, as many as are asked for", () =>
    Effect.gen(function* () {
      const { ask } = yield* make(roots)
      const body = JSON.parse((yield* ask("/disk/space?path=/tmp&diagnostic=1&top_n=1")).text)
      assert.deepStrictEqual(
        body.directories.map(({ depth, name, percentage }: Readonly<Record<string, unknown>>) => [
          name,
          depth,
          percentage
        ]),
        [
          ["a", 1, 25],
          ["c", 2, 12.5]
        ]
      )
      assert.deepInclude(body, { total_size_human: "1.6 KB", partial: true, age_ms: 12, stale: false })
    })
  )

  it.live("is on record where it was refused, once", () =>
    Effect.gen(function* () {
      const { ask, counted, entries } = yield* make(roots)
      assert.strictEqual((yield* ask("/disk/space?path=/etc")).status, 403)
      assert.deepStrictEqual(counted, [])
      assert.deepStrictEqual(
        entries.map(({ detail, outcome }) => [outcome, detail]),
        [["refused", "path not allowed"]]
      )
    })
  )
})

describe("POST /system/shutdown", () => {
  const on = "[status]\nshutdown = true\n"
  const shutdown = { method: "POST" }

  it.effect("is off unless the configuration says otherwise, and a reload takes it up", () =>
    Effect.gen(function* () {
      const { ask, change, off } = yield* make("")
      const refused = yield* ask("/system/shutdown", shutdown)
      assert.deepStrictEqual([refused.status, refused.text], [403, '{"detail":"shutdown is not enabled"}\n'])
      assert.deepStrictEqual(off, [])
      yield* change(on)
      const { status, text } = yield* ask("/system/shutdown", shutdown)
      assert.deepStrictEqual(
        [status, JSON.parse(text)],
        [
          200,
          { status: "initiated", message: "System shutdown initiated", timestamp: "1970-01-01T00:00:00.000000+00:00" }
        ]
      )
      assert.deepStrictEqual(off, ["ann"])
    })
  )

  it.effect("is for nobody without credentials, whatever rights nobody has", () =>
    Effect.gen(function* () {
      const everything = nobody(new PermissionSet(["*"]), ["admin"])
      const { ask, off } = yield* make(on, { outcome: admitted(everything), surface: { providers: ["none"] } })
      const { status, text } = yield* ask("/system/shutdown", shutdown)
      assert.deepStrictEqual([status, text], [403, '{"detail":"shutdown needs credentials"}\n'])
      const { ask: askAsReader } = yield* make(on, { outcome: admitted(user("carl", "host:read")) })
      assert.strictEqual((yield* askAsReader("/system/shutdown", shutdown)).status, 403)
      assert.deepStrictEqual(off, [])
    })
  )

  it.effect("tells what failed, in the original's words", () =>
    Effect.gen(function* () {
      const { ask } = yield* make(on, { outcome: admitted(user("bob", "host:shutdown")) })
      const { status, text } = yield* ask("/system/shutdown", shutdown)
      assert.deepStrictEqual([status, text], [503, '{"detail":{"error":"missing_binary","binary":"systemctl"}}\n'])
    })
  )
})

describe("GET /api/v1/host", () => {
  it.effect("is 504 where the kernel did not answer", () =>
    Effect.gen(function* () {
      const { ask } = yield* make("")
      const { status, text } = yield* ask("/api/v1/host")
      assert.deepStrictEqual([status, text], [504, '{"detail":"the state of the host could not be read in time"}\n'])
    })
  )
})

describe("sizes", () => {
  it("go in steps of 1024, with one decimal, and never show 1024.0", () => {
    const mebibyte = 1024 ** 2
    assert.deepStrictEqual(
      [0, 1023, 1024, 1536, 1024 * 1023.96, 1.5 * 1024 * mebibyte, 1024 ** 4, 1024 ** 5, 5000 * 1024 ** 5].map(
        humanSize
      ),
      ["0.0 B", "1023.0 B", "1.0 KB", "1.5 KB", "1.0 MB", "1.5 GB", "1.0 TB", "1.0 PB", "5000.0 PB"]
    )
  })
})
