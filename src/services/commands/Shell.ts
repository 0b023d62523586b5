/**
 * Chooses the shell for scripts: the one asked for (the configuration or `SHELL_TO_USE`), else `/bin/ash`, which the
 * images this daemon is made for have, else `/bin/sh`, which every machine has. It is looked for when the first script
 * runs, and again only where a reload asks for another (Actions keeps what was found). A shell that was asked for and is
 * not there fails the run: no reason to run scripts in another, or to stop a daemon that may never need one.
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Schema from "effect/Schema"

export class ShellNotFound extends Schema.TaggedError<ShellNotFound>()("ShellNotFound", {
  asked: Schema.NullOr(Schema.String),
  tried: Schema.Array(Schema.String)
}) {
  override get message() {
    const shell = this.asked === null ? "no shell" : `no shell ${JSON.stringify(this.asked)}`
    return `${shell} on this machine: none of ${this.tried.join(", ")} is an executable file`
  }
}

const usual = ["/bin/ash", "/bin/sh"]

/**
 * `asked` is a path, or a name to look up in `path` (a PATH). Empty means not asked for: `SHELL_TO_USE=` in a unit file
 * is how an operator takes a setting back.
 */
export const chooseShell = Effect.fnUntraced(function* (
  asked: string | undefined,
  path: string
): Effect.fn.Return<string, ShellNotFound, FileSystem.FileSystem> {
  const fs = yield* FileSystem.FileSystem
  const candidates = asked === undefined || asked === "" ? usual : candidatesOf(asked, path)
  for (const candidate of candidates) {
    const info = yield* Effect.option(fs.stat(candidate))
    if (info._tag === "Some" && info.value.type === "File" && (info.value.mode & 0o111) !== 0) return candidate
  }
  return yield* new ShellNotFound({ asked: asked ?? null, tried: candidates })
})

const candidatesOf = (asked: string, path: string): ReadonlyArray<string> =>
  asked.includes("/")
    ? [asked]
    : path
        .split(":")
        .filter((folder) => folder.startsWith("/"))
        .map((folder) => `${folder}/${asked}`)
