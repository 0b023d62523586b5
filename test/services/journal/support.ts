/** A journalctl of the test's own, first in PATH, run by the real executor; and entries as it writes them. */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { readFile, writeFile } from "node:fs/promises"
import * as CommandExecutor from "../../../src/actors/CommandExecutor.ts"
import { Supervisor } from "../../../src/actors/kernel/Supervisor.ts"
import { Executor } from "../../../src/services/commands/Executor.ts"
import * as SpawnerWorker from "../../../src/services/commands/SpawnerWorker.ts"
import { makeJournalctl } from "../../../src/services/journal/journalctl.ts"
import { temporaryFolder } from "../commands/support.ts"

const boot = "92d7e188fd754b638aaaed418b327987"

/** Where it is in the journal; its time is `n` seconds after some moment. */
export const cursorOf = (n: number): string =>
  `s=f54ac79b33a840f0ab3fb9ff211da3db;i=${n.toString(16)};b=${boot};m=1;t=${timeOf(n).toString(16)};x=21acfe0fe251ae1e`

export const timeOf = (n: number): number => 1_700_000_000_000_000 + n * 1_000_000

/** A line of `--output=json`. */
export const lineOf = (n: number, fields: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    MESSAGE: `message ${n}`,
    PRIORITY: "6",
    _HOSTNAME: "guest",
    _PID: "45",
    _SYSTEMD_UNIT: "demo.service",
    SYSLOG_IDENTIFIER: "demo",
    __CURSOR: cursorOf(n),
    __REALTIME_TIMESTAMP: String(timeOf(n)),
    __MONOTONIC_TIMESTAMP: "1",
    _BOOT_ID: boot,
    ...fields
  })

const path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

/**
 * `text` is what it does, in sh; it finds `lines` as the file `$0.lines`. What it was given is read by `given`. PATH is the
 * process's own, so tests in one file run one after the other.
 */
export const fakeJournalctl = Effect.fnUntraced(function* (text: string, lines: ReadonlyArray<string> = []) {
  const folder = yield* temporaryFolder
  const program = `${folder}/journalctl`
  yield* Effect.promise(async () => {
    await writeFile(`${program}.lines`, lines.map((line) => `${line}\n`).join(""))
    await writeFile(program, `#!/bin/sh\nfor one; do echo "$one"; done >"$0.given"\n${text}\n`, { mode: 0o755 })
  })
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const before = process.env["PATH"]
      process.env["PATH"] = `${folder}:${path}`
      return before
    }),
    (before) =>
      Effect.sync(() => {
        process.env["PATH"] = before
      })
  )
  return {
    program,
    given: Effect.promise(async () => (await readFile(`${program}.given`, "utf8")).trimEnd().split("\n"))
  }
})

export const executor = Effect.gen(function* () {
  const layer = Layer.provideMerge(CommandExecutor.layer, Layer.merge(Supervisor.layer, SpawnerWorker.layerWorker))
  return Context.get(yield* Layer.build(layer), Executor)
})

export const journal = Effect.map(executor, (one) => makeJournalctl(one, () => Duration.seconds(10)))
