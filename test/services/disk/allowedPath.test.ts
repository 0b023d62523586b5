/** Which folders may be asked about, on a real disk with links that lead everywhere. */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { mkdir, symlink, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { allowedFolder } from "../../../src/services/disk/allowedPath.ts"
import { temporaryFolder } from "../../harness/temporaryFolder.ts"

const tree = Effect.gen(function* () {
  const base = yield* temporaryFolder
  yield* Effect.promise(async () => {
    await mkdir(join(base, "root/inner/deep"), { recursive: true })
    await mkdir(join(base, "rootx"))
    await mkdir(join(base, "secret/there"), { recursive: true })
    await writeFile(join(base, "root/file"), "")
    await symlink("inner", join(base, "root/within"))
    await symlink(join(base, "secret"), join(base, "root/out"))
    await symlink(join(base, "nowhere"), join(base, "root/dangling"))
    await symlink("loop", join(base, "root/loop"))
    await symlink(join(base, "root"), join(base, "alias"))
  })
  return base
})

const told = (roots: ReadonlyArray<string>, path: string) =>
  Effect.match(allowedFolder(roots, path), { onFailure: ({ why }) => `no: ${why}`, onSuccess: (name) => name })

describe("the folders that may be asked about", () => {
  it.live("are those in a root, by their canonical names", () =>
    Effect.gen(function* () {
      const base = yield* tree
      const ask = (path: string) => told([join(base, "root")], join(base, path))
      assert.strictEqual(yield* ask("root"), join(base, "root"))
      assert.strictEqual(yield* told([`${base}/root/`], `${base}//root/./inner//`), join(base, "root/inner"))
      assert.strictEqual(yield* ask("root/within/deep"), join(base, "root/inner/deep"))
      assert.strictEqual(yield* ask("root/nothing"), "no: missing")
      assert.strictEqual(yield* ask("root/inner/nothing/at/all"), "no: missing")
      assert.strictEqual(yield* ask("root/file"), "no: not-a-folder")
      assert.strictEqual(yield* ask("root/file/below"), "no: not-a-folder")
      // Also by the name that the root was given, and by any that leads into it.
      assert.strictEqual(yield* told([join(base, "alias")], join(base, "alias/inner")), join(base, "root/inner"))
      assert.strictEqual(yield* told([join(base, "alias")], join(base, "root/inner")), join(base, "root/inner"))
    })
  )

  it.live("are no others, and nobody learns whether there is something", () =>
    Effect.gen(function* () {
      const base = yield* tree
      const refused = [
        "secret",
        "secret/nothing",
        "rootx",
        "root/../secret",
        "root/../nothing",
        "root/out",
        "root/out/there",
        "root/out/nothing",
        "root/out/nothing/below",
        "root/dangling",
        "root/dangling/below",
        "root/loop"
      ]
      for (const path of refused) {
        assert.strictEqual(yield* told([join(base, "root")], `${base}/${path}`), "no: not-allowed", path)
      }
      for (const path of ["", "root", "./root", "/a\0b", `/${"a".repeat(5000)}`]) {
        assert.strictEqual(yield* told(["/"], path), "no: not-allowed", path.slice(0, 20))
      }
      assert.strictEqual(yield* told([], "/"), "no: not-allowed")
      assert.strictEqual(yield* told([join(base, "gone")], join(base, "gone")), "no: not-allowed")
    })
  )

  it.live("look at nothing outside of the roots", () =>
    Effect.gen(function* () {
      const looked: Array<string> = []
      const noting =
        <A>(answer: A) =>
        (path: string) => {
          looked.push(path)
          return Promise.resolve(answer)
        }
      const files = {
        realpath: (path: string) => noting(path)(path),
        isFolder: noting(true),
        isLink: noting(false)
      }
      yield* Effect.exit(allowedFolder(["/srv"], "/etc/shadow", files))
      assert.deepStrictEqual(looked, ["/srv"])
    })
  )
})
