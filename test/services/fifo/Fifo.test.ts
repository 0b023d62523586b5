import * as fs from "node:fs/promises"
import { createServer } from "node:net"
import { dirname } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Queue from "effect/Queue"
import * as Scope from "effect/Scope"
import { asidePathOf } from "../../../src/services/fifo/AsideFile.ts"
import { Fifo } from "../../../src/services/fifo/Fifo.ts"
import { shell, startShell, temporaryPath } from "./support.ts"

const promise = <A>(work: () => Promise<A>) => Effect.promise(work)
const modeOf = (path: string) => promise(async () => (await fs.stat(path)).mode & 0o7777)
const isFifo = (path: string) => promise(async () => (await fs.stat(path)).isFIFO())
const exists = (path: string) =>
  promise(() =>
    fs.lstat(path).then(
      () => true,
      () => false
    )
  )

const umask = (mask: number) =>
  Effect.acquireRelease(
    Effect.sync(() => process.umask(mask)),
    (before) => Effect.sync(() => process.umask(before))
  )

const fifo = Effect.provide(Fifo, Fifo.layer)

const failureOf = (path: string) =>
  Effect.flatMap(fifo, ({ place }) => Effect.map(Effect.flip(place(path, 0o666)), (error) => error.message))

describe("placing a FIFO", () => {
  for (const mode of [0o666, 0o620, 0o600]) {
    it.live(`makes one with mode ${mode.toString(8)} whatever the umask`, () =>
      Effect.gen(function* () {
        const { place } = yield* fifo
        const path = yield* temporaryPath
        yield* umask(0o077)
        assert.strictEqual(yield* place(path, mode), "placed")
        assert.isTrue(yield* isFifo(path))
        assert.strictEqual(yield* modeOf(path), mode)
      })
    )
  }

  it.live("takes a path as it is, however it begins and whatever is in it", () =>
    Effect.gen(function* () {
      const { place } = yield* fifo
      const path = `${yield* temporaryPath} -- $(x); "é"`
      yield* place(path, 0o666)
      assert.isTrue(yield* isFifo(path))
      const before = process.cwd()
      yield* Effect.acquireRelease(
        Effect.sync(() => process.chdir(dirname(path))),
        () => Effect.sync(() => process.chdir(before))
      )
      yield* place("-m", 0o640)
      assert.strictEqual(yield* modeOf("./-m"), 0o640)
    })
  )

  it.live("uses one that is there as it is, behind a link too", () =>
    Effect.gen(function* () {
      const { identity, place } = yield* fifo
      const path = yield* temporaryPath
      yield* place(path, 0o600)
      const before = yield* identity(path)
      assert.strictEqual(yield* place(path, 0o666), "placed")
      assert.strictEqual(yield* identity(path), before)
      assert.strictEqual(yield* modeOf(path), 0o600)
      yield* promise(() => fs.symlink(path, `${path}.link`))
      assert.strictEqual(yield* place(`${path}.link`, 0o666), "placed")
    })
  )

  it.live("puts a regular file aside, but never over one that waits there", () =>
    Effect.gen(function* () {
      const { place } = yield* fifo
      const path = yield* temporaryPath
      yield* promise(() => fs.writeFile(path, "early\n"))
      assert.strictEqual(yield* place(path, 0o666), "placed")
      assert.isTrue(yield* isFifo(path))
      yield* promise(() => fs.rm(path))
      yield* promise(() => fs.writeFile(path, "later\n"))
      assert.strictEqual(yield* place(path, 0o666), "aside-in-use")
      assert.strictEqual(yield* promise(() => fs.readFile(asidePathOf(path), "utf8")), "early\n")
      assert.strictEqual(yield* promise(() => fs.readFile(path, "utf8")), "later\n")
    })
  )

  it.live("refuses what is no FIFO and no file, naming path and kind, and leaves it alone", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      yield* promise(() => fs.mkdir(path))
      assert.strictEqual(yield* failureOf(path), `FIFO ${path}: a directory is in its place`)

      const socket = `${path}.socket`
      const server = createServer()
      yield* promise(() => new Promise<void>((resolve) => server.listen(socket, resolve)))
      yield* Effect.addFinalizer(() => Effect.sync(() => server.close()))
      assert.strictEqual(yield* failureOf(socket), `FIFO ${socket}: a socket is in its place`)

      const dangling = `${path}.dangling`
      yield* promise(() => fs.symlink("/nowhere/at/all", dangling))
      assert.strictEqual(yield* failureOf(dangling), `FIFO ${dangling}: a symbolic link to nothing is in its place`)

      const linked = `${path}.linked`
      yield* promise(() => fs.writeFile(`${path}.file`, "not yours\n"))
      yield* promise(() => fs.symlink(`${path}.file`, linked))
      assert.strictEqual(yield* failureOf(linked), `FIFO ${linked}: a symbolic link to a regular file is in its place`)
      assert.isTrue(yield* exists(`${path}.file`))

      assert.strictEqual(yield* failureOf("/dev/null"), "FIFO /dev/null: a character device is in its place")
    })
  )

  it.live("says why it cannot make one", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      assert.strictEqual(
        yield* failureOf(`${path}/missing/fifo`),
        `FIFO ${path}/missing/fifo: cannot make it: no such file or directory`
      )
      yield* promise(() => fs.writeFile(path, ""))
      assert.strictEqual(yield* failureOf(`${path}/x`), `FIFO ${path}/x: cannot look at it: not a directory`)
    })
  )
})

describe("an open FIFO", () => {
  const open = Effect.gen(function* () {
    const service = yield* fifo
    const path = yield* temporaryPath
    yield* service.place(path, 0o666)
    const scope = yield* Scope.fork(yield* Effect.scope)
    const chunks = yield* Queue.unbounded<string>()
    const take = { more: true }
    const opened = service.open(path, (bytes) => {
      Queue.offerUnsafe(chunks, bytes.toString())
      return take.more
    })
    const { identity, resume } = yield* Effect.provideService(opened, Scope.Scope, scope)
    return { path, identity, resume, take, chunks, close: Scope.close(scope, Exit.void) }
  })

  it.live("is read across writers that come and go", () =>
    Effect.gen(function* () {
      const { chunks, path, resume } = yield* open
      resume()
      for (const word of ["one", "two", "three"]) {
        assert.strictEqual(yield* shell(`echo ${word} > "$1"`, path), 0)
        assert.strictEqual(yield* Queue.take(chunks), `${word}\n`)
      }
    })
  )

  it.live("has the identity of what is at its path, until that is another one", () =>
    Effect.gen(function* () {
      const service = yield* fifo
      const { identity, path } = yield* open
      assert.strictEqual(yield* service.identity(path), identity)
      yield* shell('mkfifo "$1.new"; mv "$1.new" "$1"', path)
      assert.notStrictEqual(yield* service.identity(path), identity)
      yield* promise(() => fs.rm(path))
      assert.isUndefined(yield* service.identity(path))
    })
  )

  it.live("was one when it was opened: a file that took its place is not read", () =>
    Effect.gen(function* () {
      const service = yield* fifo
      const path = yield* temporaryPath
      yield* promise(() => fs.writeFile(path, "file"))
      const failure = yield* Effect.flip(service.open(path, () => true))
      assert.strictEqual(failure.message, `FIFO ${path}: cannot open it: it is not a FIFO any more`)
    })
  )

  it.live("is not read before it is told to, nor after its receiver said stop", () =>
    Effect.gen(function* () {
      const { chunks, path, resume, take } = yield* open
      take.more = false
      yield* shell('echo a > "$1"', path)
      assert.strictEqual(yield* Queue.size(chunks), 0)
      resume()
      assert.strictEqual(yield* Queue.take(chunks), "a\n")
      yield* shell('echo b > "$1"; echo c > "$1"', path)
      assert.strictEqual(yield* Queue.size(chunks), 0)
      resume()
      assert.strictEqual(yield* Queue.take(chunks), "b\nc\n")
    })
  )

  it.live("makes its writers wait while nobody reads it", () =>
    Effect.gen(function* () {
      const { chunks, path, resume, take } = yield* open
      const writer = yield* startShell('head -c 300000 /dev/zero > "$1"', path)
      take.more = false
      resume()
      let length = (yield* Queue.take(chunks)).length
      assert.isNull(writer.process.exitCode)
      take.more = true
      resume()
      while (length < 300_000) length += (yield* Queue.take(chunks)).length
      assert.strictEqual(yield* writer.ended, 0)
    })
  )

  it.live("gives what is left in it when it is closed, and writers then fail", () =>
    Effect.gen(function* () {
      const { chunks, close, path, resume, take } = yield* open
      yield* shell('mkfifo "$1.go"', path)
      const held = yield* startShell('exec 3>"$1"; echo ready >&3; read go < "$1.go"; echo late >&3', path)
      take.more = false
      resume()
      assert.strictEqual(yield* Queue.take(chunks), "ready\n")
      yield* shell('echo left > "$1"', path)
      yield* close
      assert.deepStrictEqual(yield* Queue.takeAll(chunks), ["left\n"])
      yield* shell('echo > "$1.go"', path)
      assert.include(["SIGPIPE", 1, 2], yield* held.ended)
    })
  )

  it.live("closes though a writer never stops", () =>
    Effect.gen(function* () {
      const { chunks, close, path, resume, take } = yield* open
      const writer = yield* startShell('exec yes > "$1"', path)
      take.more = false
      resume()
      yield* Queue.take(chunks)
      yield* close
      const drained = (yield* Queue.clear(chunks)).reduce((sum, chunk) => sum + chunk.length, 0)
      assert.isAtMost(drained, 1024 * 1024 + 65_536)
      assert.include(["SIGPIPE", 1], yield* writer.ended)
    })
  )
})

describe("a file put aside", () => {
  const open = (path: string) => Effect.flatMap(fifo, ({ openAside }) => openAside(path))

  it.live("is read to its end, and on when it has grown, and is gone when removed", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      assert.isUndefined(yield* open(path))
      yield* promise(() => fs.writeFile(asidePathOf(path), "x".repeat(100_000)))
      const file = yield* open(path)
      if (file === undefined) return assert.fail("nothing there")
      const read = Effect.map(file.read, (bytes) => bytes.length)
      assert.deepStrictEqual([yield* read, yield* read, yield* read], [65_536, 34_464, 0])
      yield* promise(() => fs.appendFile(asidePathOf(path), "more"))
      assert.deepStrictEqual([yield* read, yield* read], [4, 0])
      yield* file.remove
      assert.isFalse(yield* exists(asidePathOf(path)))
    })
  )

  it.live("is nothing but a regular file: no link is followed, no FIFO waited for", () =>
    Effect.gen(function* () {
      const path = yield* temporaryPath
      const aside = asidePathOf(path)
      yield* promise(() => fs.writeFile(`${path}.secret`, "secret\n"))
      yield* promise(() => fs.symlink(`${path}.secret`, aside))
      assert.include((yield* Effect.flip(open(path))).message, `cannot open ${aside}: too many symbolic links`)
      yield* promise(() => fs.rm(aside))
      yield* Effect.flatMap(fifo, ({ place }) => place(aside, 0o600))
      assert.strictEqual((yield* Effect.flip(open(path))).message, `FIFO ${path}: ${aside} is not a regular file`)
    })
  )
})
