import * as NodeFileSystem from "@effect/platform-node/NodeFileSystem"
import { assert, describe, layer } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import { chooseShell } from "../../../src/services/commands/Shell.ts"

const folderWith = Effect.fnUntraced(function* (name: string, mode: number) {
  const fs = yield* FileSystem.FileSystem
  const folder = yield* fs.makeTempDirectoryScoped()
  yield* fs.writeFileString(`${folder}/${name}`, "#!/bin/sh\n")
  yield* fs.chmod(`${folder}/${name}`, mode)
  return folder
})

describe("chooseShell", () => {
  layer(NodeFileSystem.layer)((it) => {
    it.effect("takes ash, else sh, when none is asked for", () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const expected = (yield* fs.exists("/bin/ash")) ? "/bin/ash" : "/bin/sh"
        assert.strictEqual(yield* chooseShell(undefined, ""), expected)
        assert.strictEqual(yield* chooseShell("", ""), expected)
      })
    )

    it.effect("takes the path that is asked for", () =>
      Effect.gen(function* () {
        const folder = yield* folderWith("mysh", 0o755)
        assert.strictEqual(yield* chooseShell(`${folder}/mysh`, ""), `${folder}/mysh`)
      })
    )

    it.effect("looks a name up in PATH, past what cannot be executed", () =>
      Effect.gen(function* () {
        const plain = yield* folderWith("mysh", 0o644)
        const good = yield* folderWith("mysh", 0o755)
        assert.strictEqual(yield* chooseShell("mysh", `relative::/nowhere:${plain}:${good}`), `${good}/mysh`)
      })
    )

    it.effect("names the shell that is not there, and does not take another", () =>
      Effect.gen(function* () {
        const folder = yield* folderWith("mysh", 0o644)
        const error = yield* Effect.flip(chooseShell(`${folder}/mysh`, "/bin"))
        assert.strictEqual(
          error.message,
          `no shell "${folder}/mysh" on this machine: none of ${folder}/mysh is an executable file`
        )
        assert.strictEqual((yield* Effect.flip(chooseShell(folder, "")))._tag, "ShellNotFound")
      })
    )
  })
})
