import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import { createHash } from "node:crypto"
import { writeFile } from "node:fs/promises"
import type { Worker } from "node:worker_threads"
import type { CommandSpec } from "../../../src/services/commands/Spawner.ts"
import * as SpawnerWorker from "../../../src/services/commands/SpawnerWorker.ts"
import { exited, finished, makeLeash, script, temporaryFolder } from "./support.ts"

type OnWorker = (worker: Worker) => void

/** The two ways to start a command: posix_spawn where it can, else Node. */
const quickly = (onWorker?: OnWorker) => SpawnerWorker.make(onWorker, true)
const byNode = (onWorker?: OnWorker) => SpawnerWorker.make(onWorker, false)
const ways = [
  ["posix_spawn", quickly],
  ["Node", byNode]
] as const

const startWith = Effect.fnUntraced(function* (make: typeof quickly, spec: CommandSpec) {
  const spawner = yield* make()
  return yield* spawner.spawn(spec)
})

const sha256 = (text: string | Uint8Array) => createHash("sha256").update(text).digest("hex")

const repeatedSha256 = (text: string, times: number) => {
  const hash = createHash("sha256")
  for (let n = 0; n < times; n++) hash.update(text)
  return hash.digest("hex")
}

describe.each(ways)("started by %s", (_way, make) => {
  const start = (spec: CommandSpec) => startWith(make, spec)
  const run = (spec: CommandSpec) => Effect.flatMap(start(spec), finished)

  describe("a command", () => {
    it.live("gives its exit code and both streams apart", () =>
      Effect.gen(function* () {
        const { exit, output } = yield* run(script("echo out; echo err >&2; exit 3"))
        assert.deepStrictEqual(exit, exited(3))
        assert.deepStrictEqual(output, {
          stdout: { head: "out\n", tail: "", bytes: 4, sha256: sha256("out\n"), truncated: false },
          stderr: { head: "err\n", tail: "", bytes: 4, sha256: sha256("err\n"), truncated: false }
        })
      })
    )

    it.live("may die of a signal", () =>
      Effect.gen(function* () {
        const { exit } = yield* run(script("kill -9 $$"))
        assert.deepStrictEqual(exit, { _tag: "Signaled", signal: "SIGKILL" })
      })
    )

    it.live("has only the environment it is given, its directory, and nothing to read", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        const { output } = yield* run(script("/usr/bin/env | sort; pwd; wc -c", { env: { A: "1 2" }, cwd: folder }))
        assert.strictEqual(output.stdout.head, `A=1 2\nPWD=${folder}\n${folder}\n0\n`)
      })
    )

    it.live("may open its output by name", () =>
      Effect.gen(function* () {
        const { exit, output } = yield* run(script("echo out >/dev/stdout && echo err >/dev/stderr"))
        assert.deepStrictEqual(exit, exited(0))
        assert.deepStrictEqual([output.stdout.head, output.stderr.head], ["out\n", "err\n"])
      })
    )

    it.live("is given socket pairs where no pipe can be made", () =>
      Effect.gen(function* () {
        const before = process.env["TMPDIR"]
        yield* Effect.acquireRelease(
          Effect.sync(() => {
            process.env["TMPDIR"] = "/nowhere"
          }),
          () =>
            Effect.sync(() => {
              if (before === undefined) delete process.env["TMPDIR"]
              else process.env["TMPDIR"] = before
            })
        )
        const { exit, output } = yield* run(script("echo out; echo err >&2; exit 1"))
        assert.deepStrictEqual(exit, exited(1))
        assert.deepStrictEqual([output.stdout.head, output.stderr.head], ["out\n", "err\n"])
      })
    )

    it.live("may flood: memory is bounded, count and hash are of all", () =>
      Effect.gen(function* () {
        const bytes = 200_000_000
        const spec = script(`yes | head -c ${bytes}`, { headBytes: 10, tailBytes: 7 })
        const before = process.memoryUsage().rss
        const { output } = yield* run(spec)
        const grown = process.memoryUsage().rss - before
        assert.deepStrictEqual(output.stdout, {
          head: "y\ny\ny\ny\ny\n",
          tail: "\ny\ny\ny\n",
          bytes,
          sha256: repeatedSha256("y\n".repeat(500_000), 200),
          truncated: true
        })
        // What it grows by is the thread itself and what the collector of garbage has left.
        assert.isBelow(grown, bytes / 2)
      })
    )

    it.live("may write binary: the text is valid, the hash is of the bytes", () =>
      Effect.gen(function* () {
        const { output } = yield* run(script("printf '\\377\\000\\342\\202'"))
        assert.strictEqual(output.stdout.head, "\uFFFD\0\uFFFD")
        assert.strictEqual(output.stdout.sha256, sha256(Uint8Array.from([0xff, 0, 0xe2, 0x82])))
        assert.strictEqual(output.stdout.bytes, 4)
      })
    )

    it.live("has a group of its own that ends with it", () =>
      Effect.gen(function* () {
        const command = yield* start(script("sleep 60 & sleep 60 & echo up; wait"))
        assert.isTrue(yield* command.signalGroup(0))
        assert.isTrue(yield* command.signalGroup("SIGKILL"))
        // Both streams are closed only once every member that held them is dead.
        const { exit } = yield* finished(command)
        assert.deepStrictEqual(exit, { _tag: "Signaled", signal: "SIGKILL" })
      })
    )

    it.live("is never signalled once its group is empty", () =>
      Effect.gen(function* () {
        const command = yield* start(script("exit 0"))
        yield* finished(command)
        assert.isFalse(yield* command.signalGroup(0))
        assert.isFalse(yield* command.signalGroup("SIGKILL"))
      })
    )

    it.live("can leave processes that go on writing after the output was taken", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        // The one left behind waits for a line, writes more than a pipe holds, and says whether it could.
        const text = `mkfifo ${folder}/go ${folder}/done
        (read line <${folder}/go; head -c 300000 /dev/zero; echo "wrote $?" >${folder}/done) &
        echo hi`
        const command = yield* start(script(text))
        assert.deepStrictEqual(yield* command.exit, exited(0))
        yield* command.closeOutput
        assert.strictEqual((yield* command.output).stdout.head, "hi\n")
        assert.isTrue(yield* command.signalGroup(0))
        const other = yield* run(script(`echo go >${folder}/go; cat ${folder}/done`))
        assert.strictEqual(other.output.stdout.head, "wrote 0\n")
      })
    )

    it.live("is killed with all it started when its scope closes", () =>
      Effect.gen(function* () {
        const spawner = yield* make()
        const leash = yield* makeLeash
        const scope = yield* Scope.make()
        const text = `trap '' TERM; exec 9>${leash.path}; sleep 60 & sleep 60 & wait`
        const command = yield* Scope.provide(spawner.spawn(script(text)), scope)
        const { gone } = yield* leash.connected
        yield* Scope.close(scope, Exit.void)
        assert.isFalse(yield* command.signalGroup(0))
        yield* gone
      })
    )
  })

  describe("a command that cannot be started", () => {
    const failure = (spec: CommandSpec) => Effect.flip(start(spec))

    it.live("names the program and the reason", () =>
      Effect.gen(function* () {
        const folder = yield* temporaryFolder
        yield* Effect.promise(() => writeFile(`${folder}/text`, "not a program", { mode: 0o644 }))
        yield* Effect.promise(() => writeFile(`${folder}/orphan`, "#!/no/interpreter\n", { mode: 0o755 }))

        const missing = yield* failure(script("", { argv: ["/no/such/program"] }))
        assert.strictEqual(missing.reason, "not-found")
        assert.strictEqual(
          missing.message,
          "cannot start /no/such/program: no such program, or its interpreter is missing (spawn /no/such/program ENOENT)"
        )
        assert.strictEqual((yield* failure(script("", { argv: [`${folder}/text`] }))).reason, "not-permitted")
        assert.strictEqual((yield* failure(script("", { argv: [`${folder}/orphan`] }))).reason, "not-found")
        assert.strictEqual((yield* failure(script("", { cwd: "/no/such/folder" }))).reason, "bad-directory")
        assert.strictEqual((yield* failure(script("", { cwd: `${folder}/text` }))).reason, "bad-directory")
        assert.strictEqual((yield* failure(script("a\0b"))).reason, "invalid")
        assert.strictEqual((yield* failure(script("x".repeat(4_000_000)))).reason, "arguments-too-long")
      })
    )
  })

  describe("the thread", () => {
    it.live("takes commands in flight with it when it dies, and is started anew", () =>
      Effect.gen(function* () {
        const workers: Array<Worker> = []
        const spawner = yield* make((worker) => workers.push(worker))
        const leash = yield* makeLeash
        const command = yield* spawner.spawn(script(`exec 9>${leash.path}; sleep 60 & wait`))
        const { gone } = yield* leash.connected
        const [first] = workers
        yield* Effect.promise(() => first?.terminate() ?? Promise.resolve(0))

        const lost = yield* Effect.flip(command.exit)
        assert.strictEqual(lost.message, `lost track of /bin/sh (process ${command.pid}): its thread was ended`)
        assert.strictEqual((yield* Effect.flip(command.output))._tag, "CommandLost")
        assert.isFalse(yield* command.signalGroup("SIGTERM"))
        yield* gone
        const { exit } = yield* Effect.flatMap(spawner.spawn(script("exit 4")), finished)
        assert.deepStrictEqual(exit, exited(4))
        assert.strictEqual(workers.length, 2)
      })
    )

    it.live("leaves no child behind that it started and did not report", () =>
      Effect.gen(function* () {
        const deaf = yield* Deferred.make<Worker>()
        const spawner = yield* make((worker) => {
          worker.removeAllListeners("message")
          Deferred.doneUnsafe(deaf, Effect.succeed(worker))
        })
        const leash = yield* makeLeash
        const text = `exec 9>${leash.path}; sleep 60 & wait`
        const fiber = yield* Effect.forkChild(Effect.flip(spawner.spawn(script(text))))
        const { gone } = yield* leash.connected
        const worker = yield* Deferred.await(deaf)
        yield* Effect.promise(() => worker.terminate())
        assert.strictEqual((yield* Fiber.join(fiber)).reason, "spawner-died")
        yield* gone
      })
    )

    it.live("starts with the first command, not before", () =>
      Effect.gen(function* () {
        const started = yield* Deferred.make<Worker>()
        const spawner = yield* make((worker) => Deferred.doneUnsafe(started, Effect.succeed(worker)))
        assert.isFalse(yield* Deferred.isDone(started))
        yield* Effect.flatMap(spawner.spawn(script("exit 0")), finished)
        assert.isTrue(yield* Deferred.isDone(started))
      })
    )

    it.live("serves many commands at once", () =>
      Effect.gen(function* () {
        const spawner = yield* make()
        const codes = yield* Effect.forEach(
          Array.from({ length: 50 }, (_, n) => n),
          (n) => Effect.scoped(Effect.flatMap(spawner.spawn(script(`echo ${n}; exit ${n}`)), finished)),
          { concurrency: 20 }
        )
        codes.forEach(({ exit, output }, n) => {
          assert.deepStrictEqual(exit, exited(n))
          assert.strictEqual(output.stdout.head, `${n}\n`)
        })
      })
    )
  })
})

describe("a command cannot tell which way it was started:", () => {
  /** Without the numbers that are another's for every process and every pipe, and without times. */
  const comparable = (text: string) =>
    text.replaceAll(/^.* (\d+ -> )/gmu, "$1").replaceAll(/(pipe:\[|\/proc\/)\d+/gu, "$1N")

  /** Signals 32 to 34 belong to the C library: libuv leaves them ignored where they were, posix_spawn must not. */
  const ofTheLibrary = 7n << 31n
  const withoutInherited = (text: string) =>
    text.replace(/(?<=^SigIgn: )[\da-f]+/mu, (mask) =>
      (BigInt(`0x${mask}`) & ~ofTheLibrary).toString(16).padStart(mask.length, "0")
    )

  /** libuv looks up a program that has no slash. */
  const both = Effect.fnUntraced(function* (text: string, options: Partial<CommandSpec>) {
    const spawner = yield* quickly()
    const run = (shell: string) => {
      const spec = script(text, { argv: [shell, "-c", text, "name", "a b", ""], ...options })
      return Effect.scoped(Effect.flatMap(spawner.spawn(spec), finished))
    }
    return { quick: yield* run("/bin/sh"), slow: yield* run("sh") }
  })

  it.live.each([
    ["environment", "/usr/bin/env"],
    ["parameters", 'printf \'%s|\' "$0" "$@"'],
    [
      "file descriptors",
      "ls -l /proc/self/fd; for n in 0 1 2; do { read -r _; read -r _ flags; } </proc/self/fdinfo/$n; echo $flags; done"
    ],
    [
      "user, groups, capabilities and signals",
      // Read by the shell itself: while it starts another program, it blocks signals.
      'while read -r key value; do case $key in Uid:|Gid:|Groups:|Cap*|NoNew*|Sig[BIC]*|Shd*|Threads:|Cpus*) echo "$key $value";; esac; done </proc/$$/status'
    ],
    ["limits and mask", "ulimit -a; umask; cat /proc/$$/oom_score_adj /proc/$$/cgroup"],
    [
      "parent, group, session, terminal",
      "read -r pid _ _ parent group session tty rest </proc/$$/stat; echo $parent $((group - pid)) $((session - pid)) $tty"
    ],
    ["folder", "pwd; ls -l /proc/$$/cwd | sed 's/.* -> //'"]
  ] as const)("%s", ([, text]) =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const env = { PATH: "/usr/bin:/bin", Z: "1", A: "\u{1F600} é", B: "", "not-a-name": "x", HALF: "\uD800" }
      const { quick, slow } = yield* both(text, { env, cwd: folder })
      assert.strictEqual(comparable(quick.output.stdout.head), withoutInherited(comparable(slow.output.stdout.head)))
      assert.deepStrictEqual([quick.exit, slow.exit], [exited(0), exited(0)])
      assert.isAbove(quick.output.stdout.bytes, 1)
      assert.deepStrictEqual([quick.output.stderr.head, slow.output.stderr.head], ["", ""])
    })
  )
})

describe("a command started by posix_spawn", () => {
  const run = (spec: CommandSpec) => Effect.flatMap(startWith(quickly, spec), finished)

  it.live("may close its output long before it ends", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      const spawner = yield* quickly()
      const gate = `${folder}/gate`
      yield* Effect.flatMap(spawner.spawn(script(`mkfifo ${gate}`)), finished)
      const command = yield* spawner.spawn(script(`echo hi; exec >&- 2>&-; read line <${gate}; exit 5`))
      assert.strictEqual((yield* command.output).stdout.head, "hi\n")
      assert.isTrue(yield* command.signalGroup(0))
      yield* Effect.flatMap(spawner.spawn(script(`echo >${gate}`)), finished)
      assert.deepStrictEqual(yield* command.exit, exited(5))
    })
  )

  it.live("may be a file without an interpreter, or lie in its own folder", () =>
    Effect.gen(function* () {
      const folder = yield* temporaryFolder
      yield* Effect.promise(() => writeFile(`${folder}/plain`, "echo plain $1", { mode: 0o755 }))
      const { output } = yield* run(script("", { argv: ["./plain", "x"], cwd: folder }))
      assert.strictEqual(output.stdout.head, "plain x\n")
    })
  )

  it.live("may have more arguments and environment than fit the quick way", () =>
    Effect.gen(function* () {
      const long = "x".repeat(100_000)
      const { output } = yield* run(script("echo ${#A} ${#B} ${#C}", { env: { A: long, B: long, C: long } }))
      assert.strictEqual(output.stdout.head, "100000 100000 100000\n")
    })
  )

  it.live("leaves no zombie, whoever waits for it", () =>
    Effect.gen(function* () {
      const spawner = yield* quickly()
      const scope = yield* Scope.make()
      const command = yield* Scope.provide(spawner.spawn(script("sleep 60")), scope)
      yield* Scope.close(scope, Exit.void)
      // The next command's end is reported after the first was reaped.
      const isThere = `test -e /proc/${command.pid}`
      yield* Effect.repeat(Effect.flatMap(spawner.spawn(script(isThere)), finished), {
        until: ({ exit }) => exit._tag === "Exited" && exit.code === 1
      })
    })
  )
})
